"""The seed examples of the manuals, unmodified but for their addresses."""
import os
import pathlib

import pytest

import harness
from test_trunks import digest_is_right, header

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


def at(text, user, host, callee):
    assert f"sip:{user}@{host}" in text
    return text.replace(f"sip:{user}@{host}", f"sip:{user}@127.0.0.1:{callee.port};transport=udp")


@pytest.mark.parametrize("name, users", [("connect-01.yaml", {"alice": ("sipuser", "s3cret")}),
                                         ("connect-03.yaml", {"primary": None, "backup": ("backup_user", "backup_pw")})])
def test_credentials(world, name, users):
    text = seed(name)
    asking = world.sipp("uas_challenge", keys={"algorithm": "SHA-256"})
    for user, credentials in users.items():
        text = at(text, user, "example.com", asking if credentials else world.sipp("uas_486"))
    server = world.server({"main.yaml": text})
    world.sipp("uac_talk", target=f"127.0.0.1:{server.sip_port}").done()
    asking.done()
    sent = [s for s in header(asking.messages(), "Authorization") if s[0].startswith("INVITE") and s[1]]
    fields, right = digest_is_right(*sent[0], list(users.values())[-1][1])
    assert right and fields["username"] == list(users.values())[-1][0]
    server.assert_all_legs_ended_once()
    assert not server.named("warning")
    server.stop()


def test_names_of_callers(world):
    busy, answers = world.sipp("uas_486"), world.sipp("uas_answer")
    text = at(at(seed("connect-09.yaml"), "agent1", "pbx.example.com", busy), "agent2", "pbx.example.com", answers)
    server = world.server({"main.yaml": text})
    world.sipp("uac_talk", target=f"127.0.0.1:{server.sip_port}").done()
    answers.done()
    assert 'From: "Support Team" <sip:+15551000001@' in busy.messages()
    assert 'From: "Billing Dept" <sip:+15551000001@' in answers.messages()
    server.assert_all_legs_ended_once()
    assert not server.named("warning")
    server.stop()


@pytest.mark.parametrize("name", ["seed-fabric-bare-answer.json", "connect-10.yaml"])
def test_what_nobody_answers_for(world, name):
    """An address that no resource has, and a queue: the connect fails, and nothing is fetched behind it."""
    server = world.server({"main.yaml": seed(name)})
    world.sipp("uac_listen", target=f"127.0.0.1:{server.sip_port}").done()
    assert [e["reason"] for e in server.wait_event("failed")] == ["error"]
    assert server.assert_all_legs_ended_once() == 1
    assert [w["code"] for w in server.named("warning")] == (
        ["relay_script_method_execute_failed"] if "queue:" in seed(name) else [])
    server.stop()
