"""The calling API with documents by URL: dial with fallback, method and variables; update of a call that runs."""
import base64
import http.client
import json

import http_peer

PROJECT, TOKEN = "p-1", "PT-secret"
EXTRA = (f"projects:\n  - {{id: {PROJECT}, token: {TOKEN}}}\n"
         "webhooks: {allow_hosts: [127.0.0.0/8]}\nenvs: {HOUSE: general, OTHER: kept}\n")
WAITING = "sections: {main: [answer: {}, sleep: 60000]}\n"


def command(server, name, **body):
    c = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=30)
    c.request("POST", "/api/calling/calls", json.dumps({"command": name, **body}),
              {"Authorization": "Basic " + base64.b64encode(f"{PROJECT}:{TOKEN}".encode()).decode()})
    r = c.getresponse()
    text = r.read().decode()
    c.close()
    return r.status, json.loads(text)


def dial(server, phone, **params):
    params = {"from": "+15550001", "to": f"sip:bob@127.0.0.1:{phone.port};transport=udp", **params}
    status, call = command(server, "dial", params=params)
    assert status == 200, call
    return call


def document(*steps):
    return http_peer.json_answer({"version": "1.0.0", "sections": {"main": list(steps)}})


def open_peer(world):
    return world.add(http_peer.Peer())


def states(peer, count):
    return [r.json()["params"]["call_state"] for r in peer.wait("/status", count=count)]


def test_dial_by_url(world):
    server = world.server({"main.yaml": WAITING}, extra=EXTRA)
    peer = open_peer(world)
    peer.on("/doc", document({"switch": {"variable": "envs.HOUSE", "case": {"mine": [{"hangup": "busy"}]},
                                         "default": [{"hangup": "decline"}]}}))
    peer.on("/status", http_peer.answer(status=204))
    phone = world.sipp("uas_answer")
    call = dial(server, phone, url=peer.url("/doc"), status_url=peer.url("/status"),
                status_events=["created", "ringing", "answered", "ended"],
                custom_variables={"HOUSE": "mine", "N": "1"})
    assert states(peer, 4) == ["created", "ringing", "answered", "ended"]
    fetched = peer.wait("/doc")[0]
    assert fetched.method == "POST" and fetched.json()["call"]["call_id"] == call["id"]
    assert fetched.json()["envs"] == {"HOUSE": "mine", "N": "1", "OTHER": "kept"}
    assert server.wait_event("ended")[0]["cause"] == "busy", "the variable of the dial hides that of the server"
    phone.done()
    server.stop()


def test_dial_by_get_with_fallback(world):
    server = world.server({"main.yaml": WAITING}, extra=EXTRA)
    peer = open_peer(world)
    peer.on("/broken", http_peer.answer(status=500))
    peer.on("/spare", document({"hangup": "busy"}))
    phone = world.sipp("uas_answer")
    dial(server, phone, url=peer.url("/broken"), fallback_url=peer.url("/spare"), url_method="GET")
    assert server.wait_event("ended")[0]["cause"] == "busy"
    assert [r.method for r in peer.wait("/broken") + peer.wait("/spare")] == ["GET", "GET"]
    phone.done()
    server.stop()


def test_update_gives_a_call_another_document(world):
    server = world.server({"main.yaml": WAITING}, extra=EXTRA)
    peer = open_peer(world)
    peer.on("/second", document({"sleep": 60000}))
    peer.on("/status", http_peer.answer(status=204))
    phone = world.sipp("uas_answer")
    call = dial(server, phone, swml={"sections": {"main": [{"sleep": 60000}]}})
    server.wait_event("answered")
    # while it sleeps, by URL; then while that sleeps, inline
    assert command(server, "update", params={"id": call["id"], "url": peer.url("/second"),
                                             "status_url": peer.url("/status")})[0] == 200
    peer.wait("/second")
    for body in ({"status": "completed", "swml": {}}, {"send_digits": "1"}, {"url": "x"}, {},
                 {"status": "paused"}, {"fallback_url": "http://x"}):
        assert command(server, "update", id=call["id"], params=body)[0] == 422, body
    status, answer = command(server, "update", id=call["id"], params={"swml": "sections: {main: [hangup: busy]}"})
    assert status == 200 and answer["id"] == call["id"]
    assert server.wait_event("ended")[0]["cause"] == "busy"
    assert states(peer, 1) == ["ended"]
    assert command(server, "update", id=call["id"], params={"swml": {"sections": {"main": []}}})[0] == 404
    phone.done()
    server.stop()


def test_update_ends_a_connect(world):
    """The other leg is dropped, whether it rings or talks."""
    for scenario in ("uas_ring", "uas_answer"):
        callee = world.sipp(scenario)
        flow = (f"sections: {{main: [{{answer: {{}}}}, {{connect: {{to: 'sip:x@127.0.0.1:{callee.port};transport=udp'}}}}, "
                "{sleep: 60000}]}\n")
        server = world.server({"main.yaml": flow}, extra=EXTRA)
        caller = world.sipp("uac_listen", target=f"127.0.0.1:{server.sip_port}")
        server.wait_event("connected" if scenario == "uas_answer" else "ringing")
        inbound, outbound = [server.named("created", direction=d)[0]["call_id"] for d in ("inbound", "outbound")]
        new = {"swml": {"sections": {"main": [{"hangup": "busy"}]}}}
        assert command(server, "update", id=outbound, params=new)[0] == 409, "a leg of a connect runs no document"
        assert command(server, "update", id=inbound, params=new)[0] == 200
        server.wait_event("ended", count=2)
        assert server.named("ended", call_id=inbound)[0]["cause"] == "busy"
        assert server.named("ended", call_id=outbound)
        server.assert_all_legs_ended_once()
        caller.done()
        callee.kill()
        server.stop()
