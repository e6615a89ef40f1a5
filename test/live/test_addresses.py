"""Addresses that run documents, of the built server: a real phone is connected to one by a document, and the API calls one."""
import json

import harness
import phone
from test_control import ACCESS, ask, dial, verb
from test_keys import Ear, press
from test_recording import channels

TO_RECEPTION = "sections:\n  main:\n    - connect: {to: /public/reception, answer_on_bridge: true, timeout: 20}\n"
RECEPTION = """sections:
  main:
    - sleep: 600
    - answer
    - record_call: {direction: speak}
    - prompt: {play: ['ring:30:it'], max_digits: 4, terminators: '#', initial_timeout: 20, digit_timeout: 8}
    - sleep: 1000
    - send_digits: "42#"
    - sleep: 1500
    - hangup
"""
RESOURCES = "resources:\n  /public/reception: {swml: reception.yaml}\n"


def collected(server):
    events = server.wait_event("operation", operation="calling.call.collect")
    return json.loads("{" + events[0]["params"] + "}")["result"]


def start(world, **documents):
    return world.server({"main.yaml": TO_RECEPTION, "reception.yaml": RECEPTION, **documents},
                        routes=[("main", "main.yaml")], extra=ACCESS + RESOURCES)


def test_a_phone_is_connected_to_a_document(world):
    """It rings, both hear each other, keys go both ways, and the leg is told of once: as the call of the document."""
    alice = world.add(phone.Phone(world.folder, "alice", 700, auto=False))
    ear = Ear(alice)
    server = start(world)
    alice.command("dial", f"sip:main@127.0.0.1:{server.sip_port};transport=udp")
    connected = server.wait_event("connected")[0]
    created = server.named("created")
    assert [(c["direction"], c["to"].split(";")[0]) for c in created] == [
        ("inbound", f"sip:main@127.0.0.1:{server.sip_port}"), ("inbound", "/public/reception")]
    assert connected["peer"] == created[1]["call_id"] and created[1].get("parent") == created[0]["call_id"], created
    calls = json.loads(verb(server, "calls", "--json")[1])
    assert sorted(c["call_id"] for c in calls) == sorted(c["call_id"] for c in created)
    server.wait("the sound of the document",
                lambda _: sum(p.stat().st_size for p in alice.folder.glob("dump-*-dec.wav")) > 2 * 2 * 8000)
    press(alice, "159#")
    assert collected(server) == {"type": "digit", "params": {"digits": "159", "terminator": "#"}}
    ear.wait("42#")
    server.assert_all_legs_ended_once()
    assert server.named("ringing", call_id=created[1]["call_id"])
    alice.quit()
    heard, rate = alice.heard()
    assert phone.energy(phone.loudest_second(heard, rate), rate, 425) > 0.9
    files = [p for p in (server.folder / "data" / "recordings").iterdir() if p.suffix == ".wav"]
    (said,), rate = channels(files[0])
    assert phone.energy(phone.loudest_second(said, rate), rate, 700) > 0.9
    server.stop()


def test_the_api_calls_an_address(world):
    server = start(world)
    document = {"sections": {"main": [{"sleep": 100}, {"prompt": {"play": "silence:1", "max_digits": 2}}, "hangup"]}}
    status, _, text = dial(server, to="/public/reception", **{"from": "+15550001111"}, swml=document, send_digits="15#")
    assert status == 200, text
    placed = json.loads(text)
    assert (placed["to"], placed["direction"]) == ("/public/reception", "outbound-api")
    server.wait_event("operation", count=2, operation="calling.call.collect")
    results = [json.loads("{" + e["params"] + "}")["result"]["params"]["digits"]
               for e in server.named("operation") if e["operation"] == "calling.call.collect"]
    assert results == ["15", "42"]  # the document's, then the caller's
    server.assert_all_legs_ended_once()
    status, _, text = dial(server, to="/public/nobody", **{"from": "+15550001111"}, swml=document)
    assert status == 422 and "no resource has the address /public/nobody" in text
    assert ask(server, "GET", "/api/crosspoint/calls")[0] == 200
    server.stop()
