"""Documents over http: what the server of a document is told, and what its misbehaviour does to real calls."""
import datetime
import re
import ssl
import subprocess
import time

import http_peer
from http_peer import answer, flood, hang, json_answer, raw, redirect, signatures, wrong_length

ALLOW = "webhooks: {allow_hosts: [127.0.0.1], deny_private: true}\n"
PROJECT = "projects: [{id: 0e2b1a30-0000-4000-8000-000000000001, token: PT-demo, signing_key: PSK-demo}]\n"
ENVS = "envs: {GREETING: hello}\n"
BUSY = {"sections": {"main": [{"hangup": "busy"}]}}
BUSY_YAML = "version: 1.0.0\nsections:\n  main:\n    - hangup: busy\n"


def route(url, **more):
    """The text that harness.Server puts between swml: '…'."""
    return url + "".join(f"', {k}: '{v}" for k, v in more.items())


def start(world, routes, extra=ALLOW + PROJECT + ENVS, documents=None, **kw):
    return world.server(documents or {}, routes=routes, extra=extra, **kw)


def call(world, server, user, scenario="uac_486"):
    """The end of a call to that user; other calls may end meanwhile."""
    def ends(_=None):
        return [e for e in server.named("ended") if e["to"].startswith(f"sip:{user}@")]
    before = len(ends())
    world.sipp(scenario, target=f"127.0.0.1:{server.sip_port}", user=user).done()
    server.wait(f"the end of {user}", lambda _: len(ends()) > before)
    return ends()[-1]


def test_first_document(world):
    """POST with the call, signed; YAML, JSON; basic auth; redirect; GET."""
    peer = world.add(http_peer.Peer())
    peer.on("/json", json_answer(BUSY)).on("/yaml", answer(BUSY_YAML, content_type="text/html"))
    peer.on("/auth", http_peer.need_basic("us@er", "p:w", json_answer(BUSY)))
    peer.on("/away", redirect("/json", 307))
    server = start(world, [("json", peer.url("/json?a=b") + "#rt=4000"), ("yaml", peer.url("/yaml")),
                           ("auth", peer.url("/auth", "us%40er:p%3Aw")), ("away", peer.url("/away")),
                           ("get", route(peer.url("/json"), method="GET"))])
    for user in ("json", "yaml", "auth", "away"):
        call(world, server, user)
    first = peer.of("/json")[0]
    assert first.method == "POST" and first.path == "/json?a=b"
    assert first.get("Content-Type") == "application/json"
    body = first.json()
    assert list(body) == ["call", "vars", "envs", "params"]
    assert body["vars"] == {} and body["params"] == {} and body["envs"] == {"GREETING": "hello"}
    told = body["call"]
    created = server.named("created")[0]
    assert told["call_id"] == created["call_id"]
    assert told["call_state"] == "created" and told["direction"] == "inbound" and told["type"] == "sip"
    assert told["from"].startswith("sip:alice@") and told["to"].startswith("sip:json@")
    assert told["sip_data"]["sip_req_user"] == "json" and told["sip_data"]["sip_from_user"] == "alice"
    assert told["project_id"] == "0e2b1a30-0000-4000-8000-000000000001"
    assert re.fullmatch(r"[0-9a-f-]{36}@test", told["node_id"]) and re.fullmatch(r"[0-9a-f-]{36}", told["space_id"])
    assert told["headers"] == [] and "parent" not in told
    sha1, sha256 = signatures("PSK-demo", peer.url("/json?a=b"), first.body)
    assert first.get("X-Signalwire-Signature") == sha1
    assert first.get("X-Signalwire-SHA256-Signature") == sha256
    authorised = peer.of("/auth")
    assert authorised[-1].basic() == ("us@er", "p:w")
    assert authorised[-1].get("X-Signalwire-Signature") == signatures("PSK-demo", peer.url("/auth"),
                                                                      authorised[-1].body)[0]
    assert not any("p%3Aw" in line or "p:w" in line for line in server.raw), "a password is in the log"
    call(world, server, "get")
    assert peer.of("/json")[-1].method == "GET" and peer.of("/json")[-1].body == b""
    server.stop()


def test_execute_and_transfer(world):
    """There and back again with variables and params; inline documents; a failing one is a step that failed."""
    peer = world.add(http_peer.Peer())
    peer.on("/main", json_answer({"sections": {"main": [
        {"set": {"n": 1}},
        {"execute": {"dest": peer.url("/sub"), "params": {"some_info": 12345},
                     "result": {"case": {"fine": [{"set": {"came": "back"}}]}}}},
        {"execute": {"dest": peer.url("/missing")}},
        {"execute": '{"sections": {"main": [{"set": {"inline": "yes"}}]}}'},
        {"transfer": {"dest": peer.url("/last"), "params": {"who": "${vars.came}"}}}]}}))
    peer.on("/sub", json_answer({"sections": {"main": [
        {"execute": "other"}, {"return": "${params.some_info == '12345' ? 'fine' : 'bad'}"}],
        "other": [{"set": {"other": "seen"}}]}}))
    peer.on("/last", answer("sections:\n  main:\n    - switch:\n        variable: inline\n"
                            "        case: {'yes': [hangup: busy]}\n"))
    server = start(world, [("main", peer.url("/main"))])
    call(world, server, "main")
    sub, last = peer.of("/sub")[0].json(), peer.of("/last")[0].json()
    assert sub["params"] == {"some_info": "12345"} and sub["vars"] == {"n": 1}
    assert last["params"] == {"who": "back"}
    assert last["vars"]["came"] == "back" and last["vars"]["other"] == "seen" and last["vars"]["inline"] == "yes"
    assert last["vars"]["script_error"] == "relay_script_method_execute_failed"
    warnings = server.named("warning")
    assert len(warnings) == 1 and "the server answers 404" in str(warnings[0])
    server.stop()


def test_documents_without_end(world):
    """Servers that send the script round in circles: the documented error, and an end."""
    peer = world.add(http_peer.Peer())
    peer.on("/round", json_answer({"sections": {"main": [{"transfer": peer.url("/round")}]}}))
    peer.on("/deep", json_answer({"sections": {"main": [{"execute": peer.url("/deep")}]}}))
    server = start(world, [("round", peer.url("/round")), ("deep", peer.url("/deep"))])
    call(world, server, "round", "uac_480")
    assert server.named("warning", code="relay_script_too_many_transfers")
    assert len(peer.of("/round")) == 33
    call(world, server, "deep", "uac_480")
    assert server.named("warning", code="relay_script_nested_too_deep")
    assert len(peer.of("/deep")) == 33
    server.stop()


def test_bad_servers(world):
    """Each has its sentence in the call's why, and a call that goes on does not notice."""
    peer = world.add(http_peer.Peer())
    closed = http_peer.Peer()
    closed.kill()
    bad = {
        "refused": (closed.url("/x"), None, "cannot connect: Connection refused"),
        "hang": (peer.url("/hang#rt=300"), hang(), "read time-out: nothing came for 300 ms"),
        "half": (peer.url("/half#rt=300"), hang(b"HTTP/1.1 200 OK\r\nContent-Le"), "read time-out"),
        "drip": (peer.url("/drip#tt=500"), hang(b"HTTP/1.1 200 OK\r\n\r\n{"), "time-out"),
        "noise": (peer.url("/noise"), raw(b"\x00\xff\x16garbage\r\n\r\n"), "the answer is no HTTP"),
        "html": (peer.url("/html"), answer("<html>oops</html>", content_type="text/html"), "HTML"),
        "big": (peer.url("/big"), flood(), "the answer is larger than"),
        "endless": (peer.url("/endless"), flood(length=False), "the answer is larger than 1048576 bytes"),
        "loop": (peer.url("/loop"), redirect("/loop"), "more than 3 redirects"),
        "file": (peer.url("/file"), redirect("file:///etc/passwd"), "no http or https URL"),
        "private": (peer.url("/private"), redirect("http://10.0.0.1:1/"), "10.0.0.1 is a private address"),
        "metadata": (peer.url("/metadata"), redirect("http://169.254.169.254/"), "169.254.169.254 is a private address"),
        "long": (peer.url("/long"), wrong_length("{}", 100), "the answer was cut"),
        "short": (peer.url("/short"), wrong_length('{"sections": {"main": [1, 2]}}', -10), "line 1"),
        "500": (peer.url("/500"), answer("no", status=500), "the server answers 500"),
        "404": (peer.url("/404"), answer("no", status=404), "the server answers 404"),
        "empty": (peer.url("/empty"), answer(""), "without a document"),
        "tls": (peer.url("/tls").replace("http:", "https:"), answer("x"), "document https://127.0.0.1"),
    }
    for name, (_, behaviour, _) in bad.items():
        if behaviour:
            peer.on("/" + name, behaviour)
    callee = world.sipp("uas_answer")
    good = f"sections: {{main: [{{connect: {{to: 'sip:bob@127.0.0.1:{callee.port};transport=udp'}}}}]}}"
    server = start(world, [("good", "good.yaml")] + [(name, url) for name, (url, _, _) in bad.items()],
                   documents={"good.yaml": good})
    going_on = world.sipp("uac_hold", target=f"127.0.0.1:{server.sip_port}", user="good")
    server.wait_event("connected")
    for name, (_, _, why) in bad.items():
        ended = call(world, server, name, "uac_480")
        assert why in ended["why"] and ended["why"].startswith("document http"), f"{name}: {ended['why']}"
        assert len(peer.of("/" + name)) <= 4, f"{name} was asked again"
        if name not in ("loop", "refused", "tls"):
            assert len(peer.of("/" + name)) == 1, f"{name} was asked again"
    status = open(f"/proc/{server.process.pid}/status").read()
    assert int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) < 400 * 1024, "a body was kept"
    going_on.done()
    callee.done()
    server.assert_all_legs_ended_once()
    server.stop()


def test_fallback(world):
    peer = world.add(http_peer.Peer())
    closed = http_peer.Peer()
    closed.kill()
    peer.on("/fb", json_answer(BUSY)).on("/500", answer(status=500)).on("/text", answer("hello"))
    peer.on("/hang", hang())
    primaries = {"closed": closed.url("/"), "500": peer.url("/500"), "404": peer.url("/404"),
                 "text": peer.url("/text"), "hang": peer.url("/hang#rt=200")}
    routes = [(name, route(url, fallback=peer.url("/fb"))) for name, url in primaries.items()]
    routes += [("file", route(peer.url("/500"), fallback="local.yaml")),
               ("both", route(peer.url("/500"), fallback=peer.url("/404")))]
    server = start(world, routes, documents={"local.yaml": BUSY_YAML})
    for name in primaries:
        call(world, server, name)
    call(world, server, "file")
    first, second = peer.of("/500")[0], peer.of("/fb")[1]
    assert first.body == second.body and second.method == "POST"
    assert second.get("X-Signalwire-Signature") == signatures("PSK-demo", peer.url("/fb"), second.body)[0]
    assert len(peer.of("/fb")) == len(primaries)
    caller = world.sipp("uac_480", target=f"127.0.0.1:{server.sip_port}", user="both")
    caller.done()
    assert "Reason: SIP;cause=500" in caller.messages() and f":{peer.port}" not in caller.messages()
    server.wait("its end", lambda _: len(server.named("ended")) == len(primaries) + 2)
    why = server.named("ended")[-1]["why"]
    assert "the server answers 500; fallback" in why and why.endswith("the server answers 404"), why
    server.stop()


def test_private_targets_are_refused_by_default(world):
    peer = world.add(http_peer.Peer())
    peer.on("*", json_answer(BUSY))
    server = start(world, [("main", peer.url("/x")), ("name", peer.url("/x", host="localhost"))], extra=PROJECT)
    for user in ("main", "name"):
        why = call(world, server, user, "uac_480")["why"]
        assert "is a private address" in why and "webhooks.allow_hosts" in why, why
    assert not peer.requests and not peer.connections
    server.stop()


def test_https(world):
    """A certificate counts when $SSL_CERT_FILE knows it and it bears the name; never from https down to http."""
    cert, key = world.folder / "cert.pem", world.folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                    "-keyout", key, "-out", cert], check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert, key)
    peer, plain = world.add(http_peer.Peer(tls=tls)), world.add(http_peer.Peer())
    peer.on("/x", json_answer(BUSY)).on("/down", redirect(plain.url("/x")))
    plain.on("/x", json_answer(BUSY)).on("/up", redirect(peer.url("/x", host="localhost"), 308))
    routes = [("good", peer.url("/x", host="localhost")), ("up", plain.url("/up")),
              ("name", peer.url("/x")), ("down", peer.url("/down", host="localhost"))]
    server = start(world, routes, env={"SSL_CERT_FILE": str(cert)},
                   extra="webhooks: {allow_hosts: [localhost, 127.0.0.1]}\n")
    call(world, server, "good")
    call(world, server, "up")
    assert [r.method for r in peer.of("/x")] == ["POST", "POST"] and peer.of("/x")[1].json()["vars"] == {}
    assert "SSL" in call(world, server, "name", "uac_480")["why"]
    assert "from https to http" in call(world, server, "down", "uac_480")["why"]
    assert not plain.of("/x")
    server.stop()
    server = start(world, routes, extra="webhooks: {deny_private: false}\n")
    why = call(world, server, "good", "uac_480")["why"]
    assert "certificate" in why, why
    server.stop()


def test_caller_gone_meanwhile(world):
    """The request is dropped with the call: its server sees the connection close."""
    peer = world.add(http_peer.Peer())
    peer.on("/hang", hang())
    server = start(world, [("main", peer.url("/hang"))])
    caller = world.sipp("uac_cancel_early", target=f"127.0.0.1:{server.sip_port}")
    request = peer.wait("/hang")[0]
    caller.done()
    server.assert_all_legs_ended_once()
    end = time.monotonic() + 2
    while request.done is None and time.monotonic() < end:
        time.sleep(0.01)
    assert request.done, "the request was not cancelled"
    server.stop()


def test_what_it_costs(world):
    """A document by URL adds the time of its server: medians of 40 calls each, from a file and from a fast server."""
    peer = world.add(http_peer.Peer())
    peer.on("/fast", json_answer(BUSY))
    server = start(world, [("file", "file.yaml"), ("url", peer.url("/fast"))], documents={"file.yaml": BUSY_YAML})

    def stamp(event):
        return datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp() * 1000

    def median(user):
        known = {e["call_id"] for e in server.named("created")}
        world.sipp("uac_486", target=f"127.0.0.1:{server.sip_port}", user=user, calls=40, rate=40).done()
        server.wait("all calls", lambda _: len(server.named("ended")) >= len(known) + 40)
        when = {name: {e["call_id"]: stamp(e) for e in server.named(name)} for name in ("created", "ended")}
        took = sorted(when["ended"][i] - when["created"][i] for i in when["created"] if i not in known)
        return took[len(took) // 2]

    plain, by_url = median("file"), median("url")
    print(f"median call: document from a file {plain:.0f} ms, by URL {by_url:.0f} ms")
    assert by_url - plain < 50, "more than a server on loopback can cost"
    assert len(peer.of("/fast")) == 40
    assert len(peer.connections) <= 8, "connections are kept and used again"
    server.stop()
