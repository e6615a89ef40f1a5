"""What a real phone hears of the server: audio by URL, tones, ringback; and web servers that are of no help."""
import pathlib

import pytest

import http_peer
import phone
from test_audio import wait_for_sound

MP3 = (pathlib.Path(__file__).resolve().parent / "sounds" / "800hz.mp3").read_bytes()
HERE = "webhooks: {allow_hosts: ['127.0.0.0/8']}\n"


def tone(folder, hz, seconds=2, rate=16000):
    path = pathlib.Path(folder) / f"{hz}.wav"
    phone.write_tone(path, hz, seconds, rate)
    return path.read_bytes()


def audio(data, content_type="audio/wav", **headers):
    return http_peer.answer(data, content_type=content_type, headers=list(headers.items()))


def begin(world, steps, **documents):
    """Alice, who says 440 Hz, and a server whose document has these steps."""
    alice = world.add(phone.Phone(world.folder, "alice", 440, auto=False))
    server = world.server({"main.yaml": f"sections:\n  main:\n{steps}"}, extra=HERE)
    alice.command("dial", f"sip:main@127.0.0.1:{server.sip_port};transport=udp")
    return alice, server


def end(server, *phones, legs=1):
    server.wait_event("ended", count=legs)
    for p in phones:
        p.quit()
    server.assert_all_legs_ended_once()
    server.stop()


def quarters(samples, rate, hz):
    """Where the tone is: for each quarter of a second, is at least half of its energy there?"""
    step = rate // 4
    parts = (samples[i:i + step] for i in range(0, len(samples) - step, step))
    return [phone.energy(p, rate, hz) > 0.5 and max(map(abs, p)) > 1000 for p in parts]


def states(peer, path="/status"):
    return [r.json()["params"]["state"] for r in peer.of(path)]


def test_wav_and_mp3_are_heard_and_kept(world):
    web = world.add(http_peer.Peer())
    web.on("/600.wav", http_peer.in_turn(audio(tone(world.folder, 600), ETag='"one"'),
                                         http_peer.answer(status=304)))
    web.on("/800.mp3", http_peer.need_basic("user", "pass", audio(MP3, "audio/mpeg")))
    web.on("/status", http_peer.answer())
    wav, mp3 = web.url("/600.wav"), web.url("/800.mp3", userinfo="user:pass")
    alice, server = begin(world, f"    - play: {{urls: ['{wav}', '{mp3}'], status_url: '{web.url('/status')}'}}\n"
                                 f"    - play: '{wav}'\n    - hangup\n")
    end(server, alice)
    samples, rate = alice.heard()
    low, high = quarters(samples, rate, 600), quarters(samples, rate, 800)
    assert 14 <= sum(low) <= 17 and 4 <= sum(high) <= 7, (low, high)
    # 600, 800, 600
    assert low.index(True) < high.index(True) < len(low) - 1 - low[::-1].index(True)
    first, second = web.of("/600.wav")
    assert first.get("If-None-Match") is None and second.get("If-None-Match") == '"one"'
    web.wait("/status", 2)
    assert states(web) == ["playing", "finished"]
    params = web.of("/status")[0].json()["params"]
    assert web.of("/status")[0].json()["event_type"] == "calling.call.play"
    assert params["call_id"] == server.named("created")[0]["call_id"] and len(params["control_id"]) == 36
    assert not server.named("warning") and "pass" not in "\n".join(server.raw)


def test_the_ring_tone_of_a_country(world):
    alice, server = begin(world, "    - play: 'ring:3:us'\n    - hangup\n")
    end(server, alice)
    samples, rate = alice.heard()
    step = rate // 4
    both = [phone.energy(p, rate, 440) + phone.energy(p, rate, 480) > 0.8 and max(map(abs, p)) > 1000
            for p in (samples[i:i + step] for i in range(0, len(samples) - step, step))]
    assert 7 <= sum(both) <= 9, both  # two seconds of three
    at = both.index(True)
    assert all(both[at:at + 7])


def test_servers_of_no_help_do_not_end_the_call(world):
    web = world.add(http_peer.Peer())
    web.on("/stall.wav", http_peer.hang(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nRIFF"))
    web.on("/huge.wav", http_peer.flood(10))
    web.on("/endless.wav", http_peer.flood(10, length=False))
    web.on("/private.wav", http_peer.redirect("http://10.255.255.1/x.wav"))
    web.on("/page.wav", http_peer.answer("<html>", content_type="text/html"))
    web.on("/lies.wav", audio(b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\1\0\1\0\0\0\0\0"))
    web.on("/good.wav", audio(tone(world.folder, 600, 1)))
    web.on("/status", http_peer.answer())
    bad = ["/stall.wav#rt=500", "/huge.wav", "/endless.wav", "/private.wav", "/page.wav", "/lies.wav", "/none.wav"]
    steps = "".join(f"    - play: {{url: '{web.url(p)}', status_url: '{web.url('/status')}'}}\n"
                    for p in bad + ["/good.wav"])
    alice, server = begin(world, steps + "    - hangup\n")
    end(server, alice)
    web.wait("/status", len(bad) + 2)
    assert sorted(states(web)) == ["error"] * len(bad) + ["finished", "playing"]
    whys = [e["text"] for e in server.named("warning")]
    assert len(whys) == len(bad) and all("cannot be played" in w for w in whys)
    for word in ["read time-out", "larger than allowed", "larger than 33554432", "10.255.255.1", "no audio file", "404"]:
        assert any(word in w for w in whys), (word, whys)
    samples, rate = alice.heard()
    assert sum(quarters(samples, rate, 600)) >= 3


def test_ringback_until_the_peer_answers(world):
    web = world.add(http_peer.Peer()).on("/600.wav", audio(tone(world.folder, 600, 1)))
    bob = world.add(phone.Phone(world.folder, "bob", 1000, auto=False))
    alice, server = begin(world, f"    - connect:\n        to: 'sip:bob@127.0.0.1:{bob.port};transport=udp'\n"
                                 f"        ringback: ['{web.url('/600.wav')}']\n")
    wait_for_sound(alice, 1.5)  # longer than the file: it loops
    bob.command("accept")
    server.wait_event("connected")
    wait_for_sound(bob, 1.0)
    wait_for_sound(alice, 3.5)
    alice.command("hangup")
    end(server, alice, bob, legs=2)
    samples, rate = alice.heard()
    ringback, peer = quarters(samples, rate, 600), quarters(samples, rate, 1000)
    assert sum(ringback) >= 6 and sum(peer) >= 4, (ringback, peer)
    # The one stops where the other begins: at most one quarter holds parts of both.
    last = len(ringback) - 1 - ringback[::-1].index(True)
    assert last < peer.index(True)
    assert len(web.of("/600.wav")) == 1


@pytest.mark.parametrize("turn", range(3))
def test_an_answered_caller_hears_the_tone_while_the_peer_rings(world, turn):
    """And then the peer, whatever the numbers of his packets are: by chance, so three times."""
    bob = world.add(phone.Phone(world.folder, "bob", 1000, auto=False))
    alice, server = begin(world, f"    - answer\n    - connect: 'sip:bob@127.0.0.1:{bob.port};transport=udp'\n")
    wait_for_sound(alice, 1.5)
    bob.command("accept")
    server.wait_event("connected")
    wait_for_sound(bob, 1.5)
    alice.command("hangup")
    end(server, alice, bob, legs=2)
    samples, rate = alice.heard()
    first = samples[rate // 2:rate + rate // 4]
    assert phone.energy(first, rate, 440) + phone.energy(first, rate, 480) > 0.8
    assert phone.energy(samples[-rate // 2:], rate, 1000) > 0.8


def test_an_unanswered_caller_hears_early_media(world):
    alice, server = begin(world, "    - play: {url: 'ring:2:us', auto_answer: false}\n    - hangup: busy\n")
    end(server, alice)
    assert not server.named("answered") and server.named("ended")[0]["sip_code"] in (486, "486")
    samples, rate = alice.heard()
    second = phone.loudest_second(samples, rate)
    assert phone.energy(second, rate, 440) + phone.energy(second, rate, 480) > 0.8


def test_a_caller_may_leave_while_a_sound_is_fetched_or_played(world):
    web = world.add(http_peer.Peer()).on("/slow.wav", http_peer.hang(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nR"))
    alice, server = begin(world, f"    - play: ['ring:30:us', '{web.url('/slow.wav')}']\n")
    web.wait("/slow.wav")  # the second is fetched while the first plays
    wait_for_sound(alice, 0.5)
    alice.command("hangup")
    end(server, alice)
    assert [e["state"] for e in server.named("operation")] == ["playing", "finished"]
