"""Audio through the server, judged by the tones that two real phones hear, not by SDP."""
import time

import pytest

import harness
import phone


DOCUMENT = "sections:\n  main:\n    - connect:\n        to: 'sip:bob@127.0.0.1:{port};transport=udp'\n{extra}"


def call(world, codecs="PCMU/8000/1", extra="", seconds=2.0, bobs=None):
    """Alice (440 Hz) calls through the server and reaches Bob (1000 Hz). Returns what each heard."""
    bob = world.add(phone.Phone(world.folder, "bob", 1000, bobs or codecs, codec_module=module_of(bobs or codecs)))
    alice = world.add(phone.Phone(world.folder, "alice", 440, codecs, auto=False, codec_module=module_of(codecs)))
    server = world.server({"main.yaml": DOCUMENT.format(port=bob.port, extra=extra)})
    alice.command("dial", f"sip:main@127.0.0.1:{server.sip_port};transport=udp")
    server.wait_event("connected")
    wait_for_sound(alice, seconds)
    wait_for_sound(bob, seconds)
    alice.command("hangup")
    server.wait_event("ended", count=2)
    alice.quit()
    bob.quit()
    server.assert_all_legs_ended_once()
    return alice, bob, server


def module_of(codecs):
    return "opus.so" if codecs.startswith("opus") else "g722.so"


def wait_for_sound(who, seconds):
    """Until its recording has grown by so much (the file is flushed in blocks)."""
    end = time.monotonic() + harness.DEADLINE
    while True:
        files = sorted(who.folder.glob("dump-*-dec.wav"))
        if files and files[-1].stat().st_size > 44 + seconds * 16000:
            return
        assert time.monotonic() < end, who.text()
        time.sleep(0.1)


def assert_tone(who, wanted, unwanted):
    samples, rate = who.heard()
    second = phone.loudest_second(samples, rate)
    assert phone.energy(second, rate, wanted) > 0.8, f"no {wanted} Hz"
    assert phone.energy(second, rate, unwanted) < 0.05, f"hears its own {unwanted} Hz"


def test_both_phones_hear_each_other(world):
    alice, bob, server = call(world)
    assert_tone(alice, 1000, 440)
    assert_tone(bob, 440, 1000)
    ended = server.named("ended")
    assert all("foreign=0" in e["rtp"] for e in ended)
    server.stop()


def test_alaw_and_answer_on_bridge(world):
    alice, bob, server = call(world, "PCMA/8000/1", extra="        answer_on_bridge: true\n")
    assert_tone(alice, 1000, 440)
    assert_tone(bob, 440, 1000)
    server.stop()


def test_wideband_is_relayed_without_decoding(world):
    alice, bob, server = call(world, "G722/16000/1")
    for who, wanted in ((alice, 1000), (bob, 440)):
        samples, rate = who.heard()
        assert phone.energy(phone.loudest_second(samples, rate), rate, wanted) > 0.8
    server.stop()


@pytest.mark.parametrize("alices, bobs", [
    ("PCMU/8000/1", "PCMA/8000/1"),
    ("G722/16000/1", "PCMU/8000/1"),
    ("PCMA/8000/1", "opus/48000/1"),
    ("opus/48000/1", "G722/16000/1"),
])
def test_phones_without_a_common_codec_are_transcoded(world, alices, bobs):
    alice, bob, server = call(world, alices, bobs=bobs)
    for who, wanted in ((alice, 1000), (bob, 440)):
        samples, rate = who.heard()
        assert phone.energy(phone.loudest_second(samples, rate), rate, wanted) > 0.8, f"no {wanted} Hz"
    server.stop()


def test_without_music_hold_silences_and_resume_brings_back(world):
    bob = world.add(phone.Phone(world.folder, "bob", 1000))
    alice = world.add(phone.Phone(world.folder, "alice", 440, auto=False))
    server = world.server({"main.yaml": DOCUMENT.format(port=bob.port, extra="")}, media=("hold_music: silence",))
    alice.command("dial", f"sip:main@127.0.0.1:{server.sip_port};transport=udp")
    server.wait_event("connected")
    wait_for_sound(bob, 1.0)
    alice.command("hold")
    held = size_when_still(bob)
    alice.command("resume")
    wait_for_more(bob, held, 1.0)
    alice.command("hangup")
    server.wait_event("ended", count=2)
    server.assert_all_legs_ended_once()
    server.stop()


def size_when_still(who):
    """Bytes recorded once nothing more comes for half a second."""
    end = time.monotonic() + harness.DEADLINE
    size, since = -1, time.monotonic()
    while time.monotonic() < end:
        now = sorted(who.folder.glob("dump-*-dec.wav"))[-1].stat().st_size
        if now != size:
            size, since = now, time.monotonic()
        elif time.monotonic() - since > 0.5:
            return size
        time.sleep(0.05)
    raise AssertionError("it is never still")


def wait_for_more(who, size, seconds):
    end = time.monotonic() + harness.DEADLINE
    while sorted(who.folder.glob("dump-*-dec.wav"))[-1].stat().st_size < size + seconds * 16000:
        assert time.monotonic() < end, who.text()
        time.sleep(0.05)
