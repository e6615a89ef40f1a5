"""The method request against a real server, and what a document tells by user_event."""
import json
import time

import http_peer
from http_peer import answer, flood, hang, json_answer, raw, redirect

ALLOW = "webhooks: {allow_hosts: [127.0.0.1], deny_private: true}\n"
TELL = {"user_event": {"event": {"r": "${request_result}", "code": "${request_response_code}",
                                 "name": "${request_response.user.names[1]}", "type": "${request_response_headers.content-type}",
                                 "size": "${(request_response_body.length)}"}}}


def start(world, documents):
    return world.server({name: json.dumps({"sections": {"main": steps}}) for name, steps in documents.items()}, extra=ALLOW,
                        routes=[(name.split(".")[0], name) for name in documents])


def told(world, server, user, scenario="uac_486"):
    """What the document of that user tells."""
    before = len(server.named("user_event"))
    world.sipp(scenario, target=f"127.0.0.1:{server.sip_port}", user=user).done()
    server.wait("the event", lambda _: len(server.named("user_event")) > before)
    return json.loads(server.named("user_event")[-1]["event"])


def test_an_answer_decides(world):
    peer = world.add(http_peer.Peer())
    peer.on("/crm", json_answer({"user": {"names": ["Ann", "Bob"]}, "vip": True}))
    steps = [{"request": {"url": peer.url("/crm", "us%40er:p%3Aw"), "method": "POST", "save_variables": True, "timeout": 5,
                          "headers": {"X-Call": "${call.call_id}", "Cookie": "no"}, "body": {"from": "${call.from}", "n": 1}}},
             TELL, {"cond": [{"when": "request_response.vip", "then": [{"hangup": "busy"}]}]}]
    server = start(world, {"crm.json": steps})
    event = told(world, server, "crm")
    assert event["r"] == "success" and event["code"] == "200" and event["name"] == "Bob"
    assert event["type"].startswith("application/json")
    request = peer.of("/crm")[0]
    assert request.method == "POST" and request.json()["n"] == 1 and request.json()["from"].startswith("sip:alice@")
    assert request.get("X-Call") == server.named("created")[0]["call_id"]
    assert request.basic() == ("us@er", "p:w") and request.get("Cookie") is None
    assert request.get("X-Signalwire-Signature") is None
    assert any("Cookie" in e["text"] for e in server.named("warning"))
    assert not any("p%3Aw" in line or "p:w" in line for line in server.raw), "a password is in the log"
    server.stop()


def test_bad_servers_fail_the_request_and_not_the_call(world):
    peer = world.add(http_peer.Peer())
    closed = http_peer.Peer()
    closed.kill()
    bad = {
        "refused": (closed.url("/x"), None, "Connection refused"),
        "hang": (peer.url("/hang"), hang(), "time-out"),
        "noise": (peer.url("/noise"), raw(b"\x00\xff\x16garbage\r\n\r\n"), "no HTTP"),
        "big": (peer.url("/big"), flood(length=False), "larger than 1048576 bytes"),
        "loop": (peer.url("/loop"), redirect("/loop"), "more than 3 redirects"),
        "private": (peer.url("/private"), redirect("http://10.0.0.1:1/"), "10.0.0.1 is a private address"),
        "html": (peer.url("/html"), answer("<html>oops</html>", content_type="text/html"), "no JSON"),
        "500": (peer.url("/500"), answer("no", status=500), None),
    }
    for name, (_, behaviour, _) in bad.items():
        if behaviour:
            peer.on("/" + name, behaviour)
    server = start(world, {f"{name}.json": [{"request": {"url": url, "method": "GET", "timeout": 0.5, "save_variables": name == "html"}},
                                            TELL, {"hangup": "busy"}] for name, (url, _, _) in bad.items()})
    for name, (_, _, why) in bad.items():
        before = len(server.named("warning"))
        event = told(world, server, name)  # the warning came before it
        warnings = [e["text"] for e in server.named("warning")[before:]]
        assert event["r"] == ("success" if name == "html" else "failed"), (name, event, warnings)
        assert event["code"] == {"html": "200", "500": "500"}.get(name, ""), (name, event)
        assert [w for w in warnings if why in w] if why else not warnings, (name, warnings)
    server.assert_all_legs_ended_once()
    server.stop()


def test_a_caller_who_leaves_ends_the_request(world):
    peer = world.add(http_peer.Peer())
    peer.on("/hang", hang())
    server = start(world, {"slow.json": ["answer", {"request": {"url": peer.url("/hang"), "method": "GET"}}, TELL]})
    call = world.sipp("uac_hold", target=f"127.0.0.1:{server.sip_port}", user="slow")
    peer.wait("/hang")
    call.done()
    began = time.monotonic()
    server.wait_event("ended")
    assert time.monotonic() - began < 10 and not server.named("user_event")
    server.assert_all_legs_ended_once()
    server.stop()
