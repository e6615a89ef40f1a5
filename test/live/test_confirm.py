"""connect with confirm: peers that are asked before they are joined; and what the caller's call does behind the bridge."""
import json
import subprocess
import time

import pytest

import harness
import http_peer
import phone
from test_hold import tail, wait_until_it_hears
from test_keys import press
from test_trunks import digest_is_right, header

ALLOW = "webhooks: {allow_hosts: [127.0.0.1]}\n"
SCREENING = harness.ROOT / "examples" / "flows" / "screening.yaml"


def screening(desk, mobile):
    """The example, with two phones of this machine."""
    text = SCREENING.read_text()
    for address, who in (("desk@192.0.2.10", desk), ("mobile@192.0.2.11", mobile)):
        assert address in text
        text = text.replace(address, f"{who.folder.name}@127.0.0.1:{who.port}")
    return text


def leg_to(server, who):
    return next(e["call_id"] for e in server.named("created") if f":{who.port}" in e["to"])


def established(server, who):
    server.wait(f"{who.folder.name} to have the call", lambda _: "established" in who.text())


def wait_for_ringing(who):
    """The tone of 440 and 480 Hz."""
    end = time.monotonic() + harness.DEADLINE
    while True:
        samples = tail(who, 0.3)
        if samples and phone.energy(samples, who.rate, 480) > 0.3:
            return
        assert time.monotonic() < end, f"{who.folder.name} hears no ring tone"
        time.sleep(0.05)


def test_keys_decide_and_the_first_that_takes_it_has_it(world):
    bob = world.add(phone.Phone(world.folder, "bob", 1000))
    carol = world.add(phone.Phone(world.folder, "carol", 1500))
    alice = world.add(phone.Phone(world.folder, "alice", 440, auto=False))
    server = world.server({"main.yaml": screening(bob, carol)})
    alice.command("dial", f"sip:main@127.0.0.1:{server.sip_port};transport=udp")
    for who in (bob, carol, alice):
        established(server, who)
    wait_for_ringing(alice)
    assert not server.named("connected")
    press(carol, "1")
    connected = server.wait_event("connected")[0]
    assert connected["peer"] == leg_to(server, carol)
    assert server.wait_event("ended", call_id=leg_to(server, bob))[0]["cause"] == "cancel"
    wait_until_it_hears(carol, 440)
    wait_until_it_hears(alice, 1500)
    carol.command("hangup")
    server.wait_event("disconnected")
    alice_ended = server.wait_event("ended", call_id=server.named("created", direction="inbound")[0]["call_id"])[0]
    assert alice_ended["ended_by"] == "document"
    server.assert_all_legs_ended_once()
    assert not server.named("warning")
    for who in (bob, carol, alice):
        who.quit()

    def parts(who):
        samples, rate = who.heard()
        return [samples[i:i + rate // 10] for i in range(0, len(samples), rate // 10)]

    def heard(hz, share, among):
        return [i for i, part in enumerate(among) if phone.energy(part, 8000, hz) > share]
    assert heard(440, 0.8, parts(carol)), "carol has heard alice"
    ring, talk = heard(480, 0.3, parts(alice)), heard(1500, 0.8, parts(alice))
    assert ring and talk and ring[0] < talk[0], "alice has heard the ring tone, then carol"
    assert not heard(1000, 0.3, parts(alice)), "alice has never heard bob"
    server.stop()


def test_another_key_declines(world):
    bob = world.add(phone.Phone(world.folder, "bob", 1000))
    carol = world.sipp("uas_486")
    alice = world.add(phone.Phone(world.folder, "alice", 440, auto=False))
    server = world.server({"main.yaml": screening(bob, carol)})
    alice.command("dial", f"sip:main@127.0.0.1:{server.sip_port};transport=udp")
    established(server, bob)
    press(bob, "7")
    # busy outranks declined; that leg itself was declined
    assert server.wait_event("failed")[0]["reason"] == "busy"
    assert server.wait_event("ended", call_id=leg_to(server, bob))[0]["cause"] == "declined"
    server.assert_all_legs_ended_once()
    assert not server.named("connected") and not server.named("warning")
    carol.done()
    server.stop()


def document(*steps):
    return http_peer.json_answer({"sections": {"main": list(steps)}})


def flow(port, **connect):
    return json.dumps({"sections": {"main": [{"set": {"secret": "the caller's"}}, {"connect": {
        "to": f"sip:bob@127.0.0.1:{port};transport=udp", "from": "sip:alice@example.com", **connect}}]}})


def test_by_url(world):
    """A document server that answers well, slowly, wrongly, in HTML, and not at all."""
    peer = world.add(http_peer.Peer())
    pages = {
        "good": (document({"set": {"a": 1}}), None, 0),
        "section": (http_peer.answer("sections: {main: [execute: b, switch: {variable: return_value, case: {'1': [hangup]}}], "
                                     "b: [return: 2]}"), None, 1),  # no case matches: a warning, and on
        "slow": (http_peer.slow(0.5, document({"sleep": 10})), None, 0),
        "no": (document({"hangup": {}}), "declined", 0),
        "html": (http_peer.answer("<html><body>Not here</body></html>", content_type="text/html"), "error", 1),
        "broken": (http_peer.answer(status=500), "error", 1),
        "connect": (document({"connect": {"to": "+15551230000"}}), "error", 1),
        "refer": (document({"sip_refer": {"to_uri": "sip:x@y"}}), "error", 1),
        "unknown": (document({"conect": "+15551230000"}), "error", 1),
        "never": (http_peer.hang(), "no_answer", 0),
        "long": (document({"sleep": 60000}), "no_answer", 0),
    }
    callee = world.sipp("uas_answer", calls=len(pages))
    documents = {}
    for name, (behaviour, reason, _) in pages.items():
        peer.on(f"/{name}", behaviour)
        documents[f"{name}.yaml"] = flow(callee.port, confirm=peer.url(f"/{name}?x=1"), answer_on_bridge=not reason,
                                         confirm_timeout=1, status_url=peer.url(f"/status-{name}"))
        peer.on(f"/status-{name}", http_peer.answer(status=204))
    server = world.server(documents, extra=ALLOW)
    for name, (_, reason, warnings) in pages.items():
        before = len(server.named("warning"))
        began = time.monotonic()
        world.sipp("uac_listen" if reason else "uac_talk", target=f"127.0.0.1:{server.sip_port}", user=name).done()
        told = [r.json()["params"] for r in peer.wait(f"/status-{name}", count=2 if reason else 3)]
        assert [t["connect_state"] for t in told] == (
            ["connecting", "failed"] if reason else ["connecting", "connected", "disconnected"]), name
        assert told[1].get("failed_reason") == reason, name
        assert len(server.named("warning")) - before == warnings, name
        assert reason == "no_answer" or time.monotonic() - began < 10
        asked = peer.of(f"/{name}")[0]
        assert asked.method == "POST" and asked.path.endswith("?x=1")
        body = asked.json()
        leg = server.named("created", direction="outbound")[-1]
        assert body["call"]["call_id"] == leg["call_id"] and body["call"]["direction"] == "outbound"
        assert body["call"]["call_state"] == "answered" and body["call"]["parent"]["call_id"] == told[0]["call_id"]
        assert body["call"]["from"] == "sip:alice@example.com" and body["vars"] == {}
        for warning in server.named("warning")[before:]:
            assert warning["call_id"] == leg["call_id"], "a warning of the peer's script is an event of that leg"
    server.assert_all_legs_ended_once()
    callee.done()
    server.stop()


def test_the_caller_hangs_up_in_the_middle(world):
    """While the peer's document is on its way, and while it runs."""
    peer = world.add(http_peer.Peer())
    peer.on("/never", http_peer.hang()).on("/long", document({"prompt": {"play": "silence:60", "initial_timeout": 60}}))
    callee = world.sipp("uas_answer", calls=2)
    server = world.server({f"{n}.yaml": flow(callee.port, confirm=peer.url(f"/{n}")) for n in ("never", "long")}, extra=ALLOW)
    for count, name in enumerate(("never", "long"), start=1):
        world.sipp("uac_talk", target=f"127.0.0.1:{server.sip_port}", user=name).done()
        server.wait_event("ended", count=2 * count)
        assert server.wait_event("failed", count=count)[-1]["reason"] == "cancel"
        outbound = server.named("created", direction="outbound")[-1]["call_id"]
        assert server.named("ended", call_id=outbound)[0]["cause"] == "cancel"
    callee.done()
    assert server.assert_all_legs_ended_once() == 4
    assert not server.named("warning")
    server.stop()


def test_the_caller_is_not_answered_before_the_peer_agrees(world):
    """answer_on_bridge with a confirm: 180 until the end of the script, then 200."""
    callee = world.sipp("uas_answer")
    server = world.server({"main.yaml": flow(callee.port, answer_on_bridge=True, confirm=[{"play": "silence:1"}])})
    caller = world.sipp("uac_talk", target=f"127.0.0.1:{server.sip_port}")
    caller.done()
    callee.done()
    server.assert_all_legs_ended_once()
    assert [e["direction"] for e in server.named("answered")] == ["outbound", "inbound"]
    assert "SIP/2.0 180" in caller.messages() and "SIP/2.0 183" not in caller.messages()
    server.stop()


def test_what_the_script_began_goes_on(world):
    """A recording of the peer that its confirm has begun has the talk in it too."""
    bob = world.add(phone.Phone(world.folder, "bob", 1000))
    alice = world.add(phone.Phone(world.folder, "alice", 440, auto=False))
    server = world.server({"main.yaml": flow(bob.port, confirm=[{"record_call": {"direction": "both"}}, {"play": "silence:1"}])})
    alice.command("dial", f"sip:main@127.0.0.1:{server.sip_port};transport=udp")
    server.wait_event("connected")
    wait_until_it_hears(bob, 440, seconds=1.5)
    wait_until_it_hears(alice, 1000, seconds=1.5)
    alice.command("hangup")
    server.assert_all_legs_ended_once()
    folder = server.folder / "data" / "recordings"
    wav = next(p for p in folder.iterdir() if p.name != "key" and p.suffix == ".wav")
    text = subprocess.run(["sox", str(wav), "-t", "s16", "-r", "8000", "-c", "1", "-"], capture_output=True, check=True).stdout
    samples = [int.from_bytes(text[i:i + 2], "little", signed=True) for i in range(0, len(text), 2)]
    first, last = samples[2000:6000], samples[-8000:-2000]
    assert phone.energy(first, 8000, 1000) > 0.8, "the peer alone"
    assert phone.energy(last, 8000, 1000) > 0.2 and phone.energy(last, 8000, 440) > 0.2, "both"
    server.stop()


@pytest.mark.parametrize("bridged", [True, False])
def test_transfer_after_bridge(world, bridged):
    peer = world.add(http_peer.Peer())
    peer.on("/after", document({"hangup": "busy"}))
    callee = world.sipp("uas_hangup" if bridged else "uas_486")
    server = world.server({"main.yaml": flow(callee.port, transfer_after_bridge=peer.url("/after"),
                                             result=[{"else": [{"set": {"seen": "${connect_result}"}}]}])}, extra=ALLOW)
    world.sipp("uac_listen", target=f"127.0.0.1:{server.sip_port}").done()
    server.assert_all_legs_ended_once()
    asked = peer.of("/after")
    assert len(asked) == bridged
    if bridged:
        body = asked[0].json()
        assert body["call"]["call_id"] == server.named("created", direction="inbound")[0]["call_id"]
        assert body["vars"]["seen"] == "connected" and body["vars"]["connect_result"] == "connected"
        assert body["params"] == {} and "peer" not in body["call"]
    assert not server.named("warning")
    server.stop()


def test_check_and_plan(tmp_path):
    def check(text, *options):
        path = tmp_path / "flow.yaml"
        path.write_text(text)
        r = subprocess.run([str(harness.BINARY), "check", *options, str(path)], capture_output=True, text=True)
        return r.returncode, r.stdout + r.stderr

    code, out = check(SCREENING.read_text(), "--plan")
    assert code == 0 and "first confirmed wins" in out
    assert "ring 25000 ms confirm inline within 25000 ms" in out and "confirm inline within 30000 ms" in out
    code, out = check(flow(5060, confirm="https://u:secret@example.com/c", confirm_timeout=7), "--plan")
    assert code == 0 and "confirm https://u:***@example.com/c within 7000 ms" in out and "secret" not in out
    code, out = check(flow(5060, confirm=[{"play": "ring:us"}, {"connect": "+15551230000"}]))
    assert code == 1 and "error: relay_script_method_execute_failed: the method connect is not allowed in a confirm" in out


def test_the_credentials_of_answer(world):
    """A caller that asks who hangs up is told with the document's username and password."""
    server = world.server({"main.yaml": json.dumps({"sections": {"main": [
        {"answer": {"username": "desk", "password": "tops3cret"}}, {"sleep": 100}, "hangup"]}})})
    caller = world.sipp("uac_challenges", target=f"127.0.0.1:{server.sip_port}")
    caller.done()
    server.assert_all_legs_ended_once()
    sent = [(line, value) for line, value in header(caller.messages(), "Authorization") if line.startswith("BYE ")]
    assert len(sent) == 2 and sent[0][1] is None
    fields, right = digest_is_right(*sent[1], "tops3cret")
    assert right and fields["username"] == "desk"
    assert not server.named("warning") and not any("tops3cret" in line for line in server.raw)
    server.stop()
