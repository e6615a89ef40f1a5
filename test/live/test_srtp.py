"""SRTP with real phones: what they hear by its tones, what they say of their streams, and what is refused."""
import re

import pytest

import phone
from test_audio import assert_tone, size_when_still, wait_for_more, wait_for_sound

DOCUMENT = "sections:\n  main:\n    - connect:\n        to: 'sip:bob@127.0.0.1:{port};transport=udp'\n{extra}"
OPTIONAL, MANDATORY = ";mediaenc=srtp", ";mediaenc=srtp-mand"


def begin(world, alices, bobs, encryption="optional", connect=""):
    """Alice (440 Hz) calls Bob (1000 Hz) through the server."""
    bob = world.add(phone.Phone(world.folder, "bob", 1000, more=bobs))
    alice = world.add(phone.Phone(world.folder, "alice", 440, auto=False, more=alices))
    extra = f"        encryption: {connect}\n" if connect else ""
    server = world.server({"main.yaml": DOCUMENT.format(port=bob.port, extra=extra)}, encryption=encryption,
                          level="debug", media=("hold_music: silence",))
    alice.command("dial", f"sip:main@127.0.0.1:{server.sip_port};transport=udp")
    return alice, bob, server


def suite(who):
    """What the phone says that it uses; None = RTP."""
    found = re.findall(r"SRTP is Enabled \(cryptosuite=(\w+)\)", who.text())
    return found[-1] if found else None


@pytest.mark.parametrize("alices, bobs, connect, suites", [
    # RTP and SRTP on the two sides, and SRTP on both with keys of their own
    (OPTIONAL, "", "forbidden", (True, False)),
    ("", MANDATORY, "mandatory", (False, True)),
    (MANDATORY, MANDATORY, "mandatory", (True, True)),
    # offered, and taken or not
    (OPTIONAL, OPTIONAL, "", (True, True)),
    ("", "", "", (False, False)),
])
def test_both_hear_each_other(world, alices, bobs, connect, suites):
    alice, bob, server = begin(world, alices, bobs, connect=connect)
    server.wait_event("connected")
    wait_for_sound(alice, 2.0)
    wait_for_sound(bob, 2.0)
    alice.command("hangup")
    server.wait_event("ended", count=2)
    alice.quit()
    bob.quit()
    assert_tone(alice, 1000, 440)
    assert_tone(bob, 440, 1000)
    assert (suite(alice) is not None, suite(bob) is not None) == suites
    if suites[1]:
        assert suite(bob) == "AEAD_AES_128_GCM"  # the first that we offer
    # Baresip's first RTCP packet, which opens its NAT, is in the clear: whether it is early enough to be no stream at all is chance.
    assert not any(re.search(r"unauthentic=(?!1\b)", e["rtp"]) for e in server.named("ended"))
    assert not any("inline:" in line for line in server.raw), "a key in the log"
    server.assert_all_legs_ended_once()
    server.stop()


def test_transcoded_and_encrypted(world):
    bob = world.add(phone.Phone(world.folder, "bob", 1000, "PCMA/8000/1", more=MANDATORY))
    alice = world.add(phone.Phone(world.folder, "alice", 440, "PCMU/8000/1", auto=False, more=MANDATORY))
    server = world.server({"main.yaml": DOCUMENT.format(port=bob.port, extra="        encryption: mandatory\n")})
    alice.command("dial", f"sip:main@127.0.0.1:{server.sip_port};transport=udp")
    server.wait_event("connected")
    wait_for_sound(alice, 2.0)
    wait_for_sound(bob, 2.0)
    alice.command("hangup")
    server.wait_event("ended", count=2)
    alice.quit()
    bob.quit()
    assert_tone(alice, 1000, 440)
    assert_tone(bob, 440, 1000)
    server.stop()


def test_hold_and_resume_keep_the_stream(world):
    alice, bob, server = begin(world, MANDATORY, MANDATORY, connect="mandatory")
    server.wait_event("connected")
    wait_for_sound(bob, 1.0)
    alice.command("hold")
    held = size_when_still(bob)
    alice.command("resume")
    wait_for_more(bob, held, 1.0)
    alice.command("hangup")
    server.wait_event("ended", count=2)
    alice.quit()
    bob.quit()
    assert_tone(bob, 440, 1000)
    server.stop()


@pytest.mark.parametrize("mode, alices", [("forbidden", MANDATORY), ("mandatory", "")])
def test_what_is_not_wanted_gets_488(world, mode, alices):
    alice, bob, server = begin(world, alices, "", encryption=mode)
    refused = server.wait_event("INVITE refused")[0]
    assert refused["status"] == "488"
    assert refused["why"] == ("the peer offers SRTP, which is forbidden here" if mode == "forbidden"
                              else "the peer offers no SRTP though it is mandatory")
    server.stop()


def test_forbidden_ignores_what_is_only_offered(world):
    alice, bob, server = begin(world, OPTIONAL, OPTIONAL, encryption="forbidden")
    server.wait_event("connected")
    wait_for_sound(bob, 1.0)
    alice.command("hangup")
    server.wait_event("ended", count=2)
    assert suite(alice) is None and suite(bob) is None
    server.stop()


def test_mandatory_fails_with_a_plain_phone(world):
    alice, bob, server = begin(world, "", "", connect="mandatory")
    failed = server.wait_event("failed")[0]
    assert failed["reason"] == "error" and "488" in failed["why"], failed
    server.assert_all_legs_ended_once()
    server.stop()


def test_mandatory_fails_with_an_answer_in_the_clear(world):
    callee = world.sipp("uas_answer")
    server = world.server({"main.yaml": DOCUMENT.format(port=callee.port, extra="        encryption: mandatory\n")})
    alice = world.add(phone.Phone(world.folder, "alice", 440, auto=False))
    alice.command("dial", f"sip:main@127.0.0.1:{server.sip_port};transport=udp")
    failed = server.wait_event("failed")[0]
    assert "the peer answered without SRTP though it is mandatory" in failed["why"]
    callee.done()
    assert "RTP/SAVP" in callee.messages()
    server.assert_all_legs_ended_once()
    server.stop()
