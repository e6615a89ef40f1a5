"""The seed examples of the manuals, unmodified but for their addresses."""
import os
import pathlib

import pytest

import harness

CORPUS = pathlib.Path(os.environ.get("CROSSPOINT_CORPUS", harness.ROOT / ".." / "shared" / "corpus")).resolve()


def seed(name):
    if not CORPUS.is_dir():
        pytest.skip("corpus absent")
    return (CORPUS / "swml" / name).read_text()


@pytest.mark.parametrize("name", ["connect-06.yaml", "connect-06.json"])
def test_single_number(world, name):
    callee = world.sipp("uas_answer")
    server = world.server({"main.yaml": seed(name)}, trunk_port=callee.port)
    world.sipp("uac_talk", target=f"127.0.0.1:{server.sip_port}").done()
    callee.done()
    assert "INVITE sip:+15551231234@" in callee.messages()
    assert "<sip:+15553214321@" in callee.messages()
    server.assert_all_legs_ended_once()
    assert not server.named("warning")
    server.stop()


@pytest.mark.parametrize("name", ["connect-07.yaml", "connect-07.json"])
def test_parallel(world, name):
    rings = world.sipp("uas_ring")
    answers = world.sipp("uas_answer")
    server = world.server({"main.yaml": seed(name)},
                          trunks=[("a", rings.port, "+1555123"), ("b", answers.port, "+1555321")])
    world.sipp("uac_talk", target=f"127.0.0.1:{server.sip_port}").done()
    answers.done()
    rings.done()
    assert server.assert_all_legs_ended_once() == 3
    assert len(server.named("connected")) == 1 and not server.named("warning")
    server.stop()


@pytest.mark.parametrize("name", ["connect-08.yaml", "connect-08.json"])
def test_serial_with_a_timeout(world, name):
    rings = world.sipp("uas_ring")
    answers = world.sipp("uas_answer")
    text = seed(name).replace("sip:alice@example.com", f"sip:alice@127.0.0.1:{rings.port};transport=udp")
    text = text.replace("sip:bob@example.com", f"sip:bob@127.0.0.1:{answers.port};transport=udp")
    server = world.server({"main.yaml": text})
    # The document gives each 20 s; the caller must stay longer than that.
    caller = world.sipp("uac_stay", target=f"127.0.0.1:{server.sip_port}")
    caller.done()
    answers.done()
    rings.done()
    assert server.named("ended", cause="no_answer")
    assert "<sip:chris@example.com>" in rings.messages()
    assert "PCMA" not in answers.messages().split("ACK sip:")[0]
    server.assert_all_legs_ended_once()
    assert not server.named("warning")
    server.stop()


@pytest.mark.parametrize("name", ["seed-voicemail-on-failure.yaml", "seed-voicemail-on-failure.json"])
@pytest.mark.parametrize("answered", [True, False])
def test_voicemail_on_failure(world, name, answered):
    callee = world.sipp("uas_hangup" if answered else "uas_486")
    text = seed(name)  # the manual leaves the section out; with one that hangs up the example is whole
    if name.endswith(".json"):
        text = text.replace('"main": [', '"voicemail": ["hangup"],\n    "main": [')
    else:
        text += "  voicemail:\n    - hangup\n"
    server = world.server({"main.yaml": text}, trunk_port=callee.port)
    world.sipp("uac_listen", target=f"127.0.0.1:{server.sip_port}").done()
    callee.done()
    assert server.named("connected" if answered else "failed")
    server.assert_all_legs_ended_once()
    assert not server.named("warning")
    server.stop()
