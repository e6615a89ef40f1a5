"""Hold, music on hold, resume, move: judged by the tones that both parties hear."""
import datetime
import re
import time

import pytest

import harness
import phone
from rtp_party import RtpParty

DOCUMENT = "sections:\n  main:\n    - connect:\n        to: 'sip:bob@127.0.0.1:{port};transport=udp'\n"
MUSIC = 700
TONES = (440, MUSIC, 800, 900, 1000)


def tail(who, seconds):
    """What a phone heard last, as far as it is on disk; empty = not so much yet."""
    files = sorted(who.folder.glob("dump-*-dec.wav"))
    data = files[-1].read_bytes() if files else b""
    who.rate, data = int.from_bytes(data[24:28], "little"), data[44:]
    n = int(seconds * who.rate) * 2
    data = data[len(data) // 2 * 2 - n:] if len(data) >= n else b""
    return [int.from_bytes(data[i:i + 2], "little", signed=True) for i in range(0, len(data), 2)]


def wait_until_it_hears(who, hz, seconds=0.6):
    """Nothing else for so long."""
    end = time.monotonic() + harness.DEADLINE
    while True:
        samples = tail(who, seconds)
        if samples and phone.energy(samples, who.rate, hz) > 0.9 and max(samples) > 2000:
            return
        assert time.monotonic() < end, f"no {hz} Hz at {who.folder.name}, but {tones_of(samples, who.rate)}"
        time.sleep(0.05)


def wait_until_it_gets(who, anything):
    """By its own count of what comes: a baresip that has held a call goes on without writing down what it hears."""
    seen, end = len(who.text()), time.monotonic() + harness.DEADLINE
    while True:
        rates = re.findall(r"audio=\d+/(\d+) ", who.text()[seen:])
        if rates and (int(rates[-1]) > 5000) == anything:
            return
        assert time.monotonic() < end, rates
        time.sleep(0.05)


def tones_of(samples, rate, window=0.1):
    """Which tones follow each other: [(hz, seconds)]; None is a mixture or silence. A change in a window belongs to neither."""
    found = []
    n = int(window * rate)
    for at in range(0, len(samples) - n + 1, n):
        part = samples[at:at + n]
        loud = max(map(abs, part)) > 2000
        best = max(TONES, key=lambda hz: phone.energy(part, rate, hz)) if loud else None
        if best and phone.energy(part, rate, best) < 0.9:
            best = None
        if found and found[-1][0] == best:
            found[-1][1] += window
        else:
            found.append([best, window])
    return [(hz, round(seconds, 2)) for hz, seconds in found]


def party(world, name, hz, codecs="PCMU/8000/1", more="", auto=True):
    return world.add(phone.Phone(world.folder, name, hz, codecs, auto=auto, more=more))


def serve(world, port, **more):
    phone.write_tone(world.folder / "music.wav", MUSIC, seconds=1)
    return world.server({"main.yaml": DOCUMENT.format(port=port)}, media=("hold_music: ../music.wav",), **more)


def finish(server, alice, *others):
    alice.command("hangup")
    server.wait_event("ended", count=2)
    for who in (alice, *others):
        who.quit()
    server.assert_all_legs_ended_once()
    # baresip says its first RTCP (16 bytes) before its SRTP has begun, now and then behind our answer.
    for e in server.named("ended"):
        assert re.search(r"unauthentic=([2-9]|\d\d)", e["rtp"]) is None, e["rtp"]
    server.stop()


@pytest.mark.parametrize("holder, alices, bobs, more", [
    ("bob", "PCMU/8000/1", "PCMU/8000/1", ""),
    ("alice", "PCMA/8000/1", "G722/16000/1", ""),
    ("alice", "PCMU/8000/1", "PCMU/8000/1", ";mediaenc=srtp-mand"),
])
def test_who_is_on_hold_hears_music(world, holder, alices, bobs, more):
    bob = party(world, "bob", 1000, bobs, more)
    alice = party(world, "alice", 440, alices, more, auto=False)
    server = serve(world, bob.port, encryption="mandatory" if more else "optional")
    alice.command("dial", f"sip:main@127.0.0.1:{server.sip_port};transport=udp")
    wait_until_it_hears(bob, 440)
    wait_until_it_hears(alice, 1000)
    holder, held, hz = (alice, bob, 440) if holder == "alice" else (bob, alice, 1000)
    holder.command("hold")
    wait_until_it_hears(held, MUSIC)
    holder.command("resume")
    wait_until_it_hears(held, hz)
    wait_until_it_gets(holder, True)
    finish(server, alice, bob)
    samples, rate = held.heard()
    found = tones_of(samples, rate)
    assert [hz for hz, seconds in found if hz] == [hz, MUSIC, hz], found


def test_both_hold(world):
    bob = party(world, "bob", 1000)
    alice = party(world, "alice", 440, auto=False)
    server = serve(world, bob.port)
    alice.command("dial", f"sip:main@127.0.0.1:{server.sip_port};transport=udp")
    wait_until_it_hears(alice, 1000)
    bob.command("hold")
    wait_until_it_hears(alice, MUSIC)
    wait_until_it_gets(bob, False)
    alice.command("hold")
    wait_until_it_gets(alice, False)
    alice.command("resume")
    wait_until_it_gets(alice, True)  # music again: Bob still holds
    wait_until_it_gets(bob, False)
    bob.command("resume")
    wait_until_it_gets(bob, True)
    finish(server, alice, bob)


def test_the_tune_that_is_built_in_is_heard(world):
    bob = party(world, "bob", 1000)
    alice = party(world, "alice", 440, auto=False)
    server = world.server({"main.yaml": DOCUMENT.format(port=bob.port)})
    alice.command("dial", f"sip:main@127.0.0.1:{server.sip_port};transport=udp")
    wait_until_it_hears(bob, 440)
    alice.command("hold")
    end = time.monotonic() + harness.DEADLINE
    while True:  # the A minor chord, two seconds after it began: its lowest note, and never the tone of who holds
        samples = tail(bob, 1.0)
        notes = [phone.energy(samples, 8000, hz) for hz in (220, 261.63, 329.63, 440)]
        if sum(notes) > 0.3 and notes[0] > 0.05 and notes[3] < 0.5:
            break
        assert time.monotonic() < end, notes
        time.sleep(0.05)
    alice.command("resume")
    wait_until_it_hears(bob, 440)
    finish(server, alice, bob)


def moments(sipp, pattern):
    """When SIPp received what has this in its first lines, by its own clock."""
    parts = re.split(r"-{40,} (\S+ \S+)\n", sipp.messages())
    return [datetime.datetime.fromisoformat(at).timestamp() for at, text in zip(parts[1::2], parts[2::2]) if "message received" in text and re.search(pattern, text)]


@pytest.mark.parametrize("way, ip", [("sendonly", "127.0.0.1"), ("sendrecv", "0.0.0.0")])
def test_a_peer_holds_resumes_and_moves(world, way, ip):
    """SIPp speaks SIP; its audio is at two sockets of ours, one after the other. As a holder it sends silence."""
    first, second = (world.add(RtpParty(hz, harness.free_pair())) for hz in (800, 900))
    callee = world.sipp("uas_reoffers", keys={"port1": first.port, "port2": second.port, "hold_way": way, "hold_ip": ip})
    alice = party(world, "alice", 440, auto=False)
    server = serve(world, callee.port)
    alice.command("dial", f"sip:main@127.0.0.1:{server.sip_port};transport=udp")
    callee.done()
    server.wait_event("ended", count=2)
    alice.quit()
    server.assert_all_legs_ended_once()
    server.stop()
    samples, rate = alice.heard()
    found = tones_of(samples, rate)
    assert [hz for hz, seconds in found if hz] == [800, MUSIC, 800, 900, 800], found
    assert all(seconds >= 0.7 for hz, seconds in found if hz), found
    # Who moved heard Alice at each place in turn, who held heard nothing
    for place in (first, second):
        assert {hz for hz, seconds in tones_of(place.heard(), 8000) if hz} == {440}
    held, resumed, moved, back = moments(callee, r"SIP/2.0 200")[:4]
    assert not [p for p in first.packets if held + 0.1 < p.at < resumed - 0.1]
    assert not [p for p in first.packets if moved + 0.1 < p.at < back - 0.1]
    assert all(moved - 0.1 < p.at < back + 0.1 for p in second.packets)
    # Audio is back with the next packet of who speaks (20 ms, and what a busy machine adds)
    took = [min(p.at for p in place.packets if p.at > at - 0.1) - at
            for at, place in ((resumed, first), (moved, second), (back, first))]
    print("first packet after our 200, in ms:", [round(1000 * t, 1) for t in took])
    assert max(took) < 0.08, took


def test_music_is_the_same_stream(world):
    """Somebody who is held gets one stream: no other source, numbers in a row, times as the clock goes."""
    bob = world.add(RtpParty(800, harness.free_pair()))
    callee = world.sipp("uas_reoffers", keys={"port1": bob.port, "port2": bob.port, "hold_way": "sendrecv",
                                              "hold_ip": "127.0.0.1"})
    alice = party(world, "alice", 440, auto=False)
    server = serve(world, callee.port)
    alice.command("dial", f"sip:main@127.0.0.1:{server.sip_port};transport=udp")
    wait_until_it_hears(alice, 800)
    alice.command("hold")
    end = time.monotonic() + harness.DEADLINE
    while phone.energy(bob.heard(bob.packets[-50:]), 8000, MUSIC) < 0.9:
        assert time.monotonic() < end
        time.sleep(0.05)
    alice.command("resume")
    while phone.energy(bob.heard(bob.packets[-50:]), 8000, 440) < 0.9:
        assert time.monotonic() < end
        time.sleep(0.05)
    alice.command("hangup")
    server.wait_event("ended", count=2)
    assert len({p.ssrc for p in bob.packets}) == 1
    for before, p in zip(bob.packets, bob.packets[1:]):
        assert (p.seq - before.seq) & 0xffff == 1
        passed = (p.timestamp - before.timestamp) / 8000
        assert 0.005 < passed < 0.6 and abs(passed - (p.at - before.at)) < 0.2
    server.stop()
