"""The control API and the verbs that use it, against the built server."""
import base64
import http.client
import json
import signal
import socket
import ssl
import subprocess

import pytest

import harness
import sip_peer
from test_tls import Authority

PROJECT, TOKEN = "p-1", "PT-secret"
ACCESS = f"projects:\n  - {{id: {PROJECT}, token: {TOKEN}}}\n"
WAITING = "sections: {main: [answer: {}, sleep: 60000]}\n"


def verb(server, *args, deadline=30):
    """Run one verb; returns exit code, stdout, stderr."""
    done = subprocess.run([str(harness.BINARY), *args, "-c", str(server.config)], capture_output=True, text=True,
                          timeout=deadline)
    return done.returncode, done.stdout, done.stderr


def ask(server, method, path, body=None, credentials=f"{PROJECT}:{TOKEN}"):
    c = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=30)
    headers = {}
    if credentials is not None:
        headers["Authorization"] = "Basic " + base64.b64encode(credentials.encode()).decode()
    c.request(method, path, None if body is None else json.dumps(body), headers)
    r = c.getresponse()
    text = r.read().decode()
    c.close()
    return r.status, dict((k.lower(), v) for k, v in r.getheaders()), text


def dial(server, **params):
    return ask(server, "POST", "/api/calling/calls", {"command": "dial", "params": params})


def only_call(server):
    server.wait_event("answered")
    code, out, _ = verb(server, "calls", "--json")
    calls = json.loads(out)
    assert code == 0 and len(calls) == 1
    return calls[0]


def test_only_a_project_with_its_token_may_ask(world):
    server = world.server({"main.yaml": WAITING}, extra=ACCESS)
    for credentials in (None, "p-1:", "p-1:wrong", "p-1:PT-secre", "p-1:PT-secretx", "p-2:PT-secret", "p-1", ":", "",
                        ":PT-secret", "x" * 2000):
        for method, path in (("GET", "/api/crosspoint/calls"), ("POST", "/api/crosspoint/drain"),
                             ("POST", "/api/calling/calls"), ("GET", "/api/nothing")):
            status, headers, text = ask(server, method, path, credentials=credentials)
            assert status == (400 if len(credentials or "") > 1000 else 401), (credentials, path, text)
            assert status == 400 or headers["www-authenticate"].startswith("Basic ")
    assert ask(server, "GET", "/api/crosspoint/calls")[0] == 200
    assert ask(server, "GET", "/api/nothing")[0] == 404
    status, headers, _ = ask(server, "PUT", "/api/crosspoint/reload")
    assert status == 405 and headers["allow"] == "POST"
    assert ask(server, "GET", "/healthz", credentials=None)[0] == 200
    assert TOKEN not in "\n".join(server.raw)
    server.stop()


def test_without_a_project_nobody_may_ask(world):
    server = world.server({"main.yaml": WAITING})
    assert ask(server, "GET", "/api/crosspoint/calls")[0] == 401
    code, _, err = verb(server, "calls")
    assert code == 2 and "has no project" in err
    server.stop()


def test_a_call_is_listed_followed_and_hung_up(world):
    server = world.server({"main.yaml": WAITING}, extra=ACCESS)
    assert verb(server, "calls", "--json") == (0, "[]\n", "")
    tail = subprocess.Popen([str(harness.BINARY), "tail", "--json", "-c", str(server.config)], stdout=subprocess.PIPE,
                            text=True)
    assert wait_for_stream(server)
    caller = world.sipp("uac_listen", target=f"127.0.0.1:{server.sip_port}")
    call = only_call(server)
    assert call["direction"] == "inbound" and call["state"] == "answered" and call["parent_id"] is None
    assert call["type"] == "sip" and call["from"].startswith("sip:alice@") and call["to"].startswith("sip:main@")
    assert call["since"].endswith("Z")
    code, out, _ = verb(server, "calls")
    assert code == 0 and call["call_id"] in out and "answered" in out
    assert json.loads(ask(server, "GET", "/api/crosspoint/calls/" + call["call_id"])[2]) == call
    assert verb(server, "hangup", call["call_id"])[0] == 0
    caller.done()
    ended = server.wait_event("ended")[0]
    assert ended["ended_by"] == "api" and "control API" in ended["why"]
    seen = []
    for line in tail.stdout:
        seen.append(json.loads(line))
        if seen[-1]["type"] == "ended":
            break
    assert [e["sequence"] for e in seen] == list(range(len(seen)))
    assert {e["call_id"] for e in seen} == {call["call_id"]}
    assert seen[0]["type"] == "created" and seen[-1]["fields"]["cause"] == "hangup"
    code, _, err = verb(server, "hangup", call["call_id"])
    assert code == 1 and "no such call" in err
    code, _, err = verb(server, "tail", "--call", call["call_id"])
    assert code == 1 and "no such call" in err
    server.stop()
    assert tail.wait(30) == 0


def wait_for_stream(server):
    """The server takes events to somebody: the next event will be seen. Open connections tell."""
    import time
    end = time.monotonic() + 30
    want = f"{server.http_port:04X}"
    while time.monotonic() < end:
        with open("/proc/net/tcp", encoding="ascii") as f:
            rows = [line.split() for line in f][1:]
        if any(r[1].endswith(":" + want) and r[3] == "01" for r in rows):
            time.sleep(0.3)
            return True
        time.sleep(0.02)
    return False


def test_a_thousand_unknown_hangups_disturb_nobody(world):
    server = world.server({"main.yaml": WAITING}, extra=ACCESS)
    caller = world.sipp("uac_listen", target=f"127.0.0.1:{server.sip_port}")
    call = only_call(server)
    before = len(server.named("ended"))
    c = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=30)
    auth = {"Authorization": "Basic " + base64.b64encode(f"{PROJECT}:{TOKEN}".encode()).decode()}
    for i in range(1000):
        c.request("DELETE", f"/api/crosspoint/calls/00000000-0000-4000-8000-{i:012x}", headers=auth)
        r = c.getresponse()
        assert r.status == 404 and json.loads(r.read()) == {"error": "no such call"}
    c.close()
    assert len(server.named("ended")) == before
    assert json.loads(verb(server, "calls", "--json")[1]) == [call]
    assert verb(server, "hangup", call["call_id"])[0] == 0
    caller.done()
    server.stop()


def test_call_places_a_call_and_follows_it(world, tmp_path):
    server = world.server({"main.yaml": WAITING}, extra=ACCESS)
    phone = world.sipp("uas_answer")
    (tmp_path / "short.yaml").write_text("version: 1.0.0\nsections: {main: [sleep: 100, hangup: {}]}\n")
    code, out, err = verb(server, "call", "--to", f"sip:bob@127.0.0.1:{phone.port};transport=udp", "--from",
                          "sip:me@127.0.0.1", "--swml", str(tmp_path / "short.yaml"))
    assert code == 0, out + err
    kinds = [line.split()[1] for line in out.splitlines()]
    assert kinds[0] == "created" and "answered" in kinds and kinds[-1] == "ended"
    phone.done()
    busy = world.sipp("uas_486")
    code, out, err = verb(server, "call", "--json", "--to", f"sip:bob@127.0.0.1:{busy.port};transport=udp", "--swml",
                          str(tmp_path / "short.yaml"))
    assert code == 1 and json.loads(out.splitlines()[-1])["fields"]["cause"] == "busy"
    (tmp_path / "bad.yaml").write_text("sections: {main: [\n")
    code, _, err = verb(server, "call", "--to", "sip:bob@127.0.0.1:9;transport=udp", "--swml",
                        str(tmp_path / "bad.yaml"))
    assert code == 1 and "bad.yaml:2:1: error: relay_script_parse_error" in err
    code, _, err = verb(server, "call", "--to", "+4930123456", "--swml", str(tmp_path / "short.yaml"))
    assert code == 1 and "no trunk takes the number" in err
    server.assert_all_legs_ended_once()
    server.stop()


def test_the_calling_api_answers_precisely(world):
    server = world.server({"main.yaml": WAITING}, extra=ACCESS)
    swml = {"version": "1.0.0", "sections": {"main": [{"sleep": 60000}]}}
    bad = [
        ({}, "from"), ({"from": "a"}, "to"), ({"from": "a", "to": "sip:b@c"}, "url"),
        ({"from": "a", "to": "sip:b@c", "url": "http://x", "swml": swml}, "url"),
        ({"from": "a", "to": "sip:b@c", "url": "/etc/passwd"}, "url"),
        ({"from": "a", "to": "sip:b@c", "swml": "a: [b"}, "swml"),
        ({"from": "a", "to": "sip:b@c", "swml": swml, "timeout": 601}, "timeout"),
        ({"from": "a", "to": "sip:b@c", "swml": swml, "timeout": "soon"}, "timeout"),
        ({"from": "a", "to": "sip:b@c", "swml": swml, "status_url": "ftp://x"}, "status_url"),
        ({"from": "a", "to": "sip:b@c", "swml": swml, "send_digits": "1x"}, "send_digits"),
        ({"from": "a\nb", "to": "sip:b@c", "swml": swml}, "from"),
        ({"from": "a", "to": "sip:b@c", "url": "http://x", "url_method": "PUT"}, "url_method"),
        ({"from": "a", "to": "sip:b@c", "url": "http://x", "fallback_url": "x"}, "fallback_url"),
        ({"from": "a", "to": "sip:b@c", "swml": swml, "fallback_url": "http://x"}, "fallback_url"),
        ({"from": "a", "to": "sip:b@c", "swml": swml, "custom_variables": {"a": 1}}, "custom_variables"),
        ({"from": "a", "to": "sip:b@c", "swml": swml, "custom_variables": [1]}, "custom_variables"),
        ({"from": "a", "to": "sip:b@c", "swml": swml, "custom_variables": {str(i): "x" for i in range(21)}},
         "custom_variables"),
        ({"from": "a", "to": "sip:b@c", "swml": swml, "codecs": ["VP8"]}, "to"),
    ]
    for params, attribute in bad:
        status, _, text = dial(server, **params)
        assert status == 422, (params, text)
        assert json.loads(text)["errors"][0]["attribute"] == attribute, text
    for body in ("", "x", [1], {"command": 1}, {"command": "calling.play"}):
        status, _, text = ask(server, "POST", "/api/calling/calls", body if body != "" else None)
        assert status in (400, 422), (body, text)
        json.loads(text)
    assert not server.named("created")
    phone = world.sipp("uas_ring")
    status, _, text = dial(server, **{"from": "+15550001", "to": f"sip:bob@127.0.0.1:{phone.port};transport=udp"},
                           swml=json.dumps(swml), codecs="PCMU,OPUS@48000H", timeout=30)
    assert status == 200, text
    call = json.loads(text)
    assert call["direction"] == "outbound-api" and call["status"] == "created" and call["created_at"]
    server.wait_event("ringing")

    def command(name, **params):
        return ask(server, "POST", "/api/calling/calls", {"command": name, "id": call["id"], "params": params})

    assert command("update", status="completed")[0] == 422
    assert command("calling.end", reason="nonsense")[0] == 422
    assert command("update", status="canceled")[0] == 200
    ended = server.wait_event("ended")[0]
    assert ended["cause"] == "cancel" and ended["ended_by"] == "api"
    assert command("calling.end")[0] == 404
    server.assert_all_legs_ended_once()
    phone.kill()
    server.stop()


def test_a_dialled_call_that_nobody_answers_ends(world):
    server = world.server({"main.yaml": WAITING}, extra=ACCESS)
    phone = world.sipp("uas_ring")
    assert dial(server, **{"from": "a", "to": f"sip:b@127.0.0.1:{phone.port};transport=udp"}, timeout=1,
                swml="sections: {main: [hangup]}")[0] == 200
    ended = server.wait_event("ended")[0]
    assert ended["cause"] == "no_answer"
    phone.kill()
    server.stop()


def test_reload_is_atomic(world):
    server = world.server({"main.yaml": WAITING, "other.yaml": "sections: {main: [hangup: busy]}\n"}, extra=ACCESS,
                          routes=[("main", "main.yaml")])
    original = server.config.read_text()
    caller = world.sipp("uac_listen", target=f"127.0.0.1:{server.sip_port}")
    call = only_call(server)
    # a broken file, with its place; everything stays
    server.config.write_text(original + "nonsense: 1\n")
    line = original.count("\n") + 1
    code, _, err = ask_reload(server)
    assert code == 400 and err["problems"][-1]["line"] == line and not err["reloaded"]
    code, _, err = verb(server, "reload", "--server", f"http://127.0.0.1:{server.http_port}", "--project", PROJECT,
                        "--token", TOKEN)
    assert code == 1 and f"{server.config}:{line}:1: error: " in err
    # what needs a restart is named
    for key, old, new in (("node", "node: node-1", "node: node-2"), ("data", "data: ./data", "data: ./more"),
                          ("space", "space: test", "space: other"),
                          ("tts", "media:\n", "tts: {voice: man}\nmedia:\n"),
                          ("media.threads", "media:\n", "media:\n  threads: 3\n")):
        server.config.write_text(original.replace(old, new))
        status, _, answer = ask_reload(server)
        assert status == 409 and answer["key"] == key and not answer["reloaded"], answer
        assert "restart" in answer["error"]
    # none of that is in force
    assert json.loads(ask(server, "GET", "/api/crosspoint/calls")[2]) == [call]
    world.sipp("uac_404", target=f"127.0.0.1:{server.sip_port}", user="second").done()
    # a good one
    server.config.write_text(original.replace("{match: 'main', swml: 'main.yaml'}",
                                              "{match: 'second', swml: 'other.yaml'}"))
    code, out, err = verb(server, "reload")
    assert code == 0 and "reloaded: configuration 2" in out, err
    world.sipp("uac_486", target=f"127.0.0.1:{server.sip_port}", user="second").done()
    world.sipp("uac_404", target=f"127.0.0.1:{server.sip_port}").done()
    # and back, by signal
    server.config.write_text(original)
    server.process.send_signal(signal.SIGHUP)
    server.wait("the reload", lambda events: [e for e in events if "configuration 3" in e.get("message", "")])
    world.sipp("uac_404", target=f"127.0.0.1:{server.sip_port}", user="second").done()
    # tokens change with it, and the live call never noticed
    server.config.write_text(original.replace(TOKEN, "PT-new"))
    assert ask_reload(server)[0] == 200
    assert ask(server, "GET", "/api/crosspoint/calls")[0] == 401
    assert json.loads(verb(server, "calls", "--json")[1]) == [call]
    assert verb(server, "hangup", call["call_id"])[0] == 0
    caller.done()
    server.stop()


class Caller:
    """One call over UDP, hung up when the test says so."""

    def __init__(self, server_port):
        self.to = ("127.0.0.1", server_port)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(harness.DEADLINE)
        self.port = self.socket.getsockname()[1]
        self.remote, self.contact = "<sip:main@127.0.0.1>", None

    def request(self, method, cseq, body=""):
        line = self.contact or f"sip:main@127.0.0.1:{self.to[1]}"
        kind = "Content-Type: application/sdp\r\n" if body else ""
        self.socket.sendto((
            f"{method} {line} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bK{self.port}{method}{cseq}\r\n"
            f"From: <sip:alice@127.0.0.1>;tag={self.port}\r\nTo: {self.remote}\r\nCall-ID: {self.port}@test\r\n"
            f"CSeq: {cseq} {method}\r\nContact: <sip:alice@127.0.0.1:{self.port}>\r\nMax-Forwards: 70\r\n{kind}"
            f"Content-Length: {len(body)}\r\n\r\n{body}").encode(), self.to)

    def final(self, method):
        while True:
            m = sip_peer.Message(self.socket.recv(65536))
            if m.status >= 200 and m.get("CSeq").endswith(method):
                return m

    def invite(self):
        self.request("INVITE", 1, sip_peer.SDP.format(port=self.port))
        answer = self.final("INVITE")
        self.remote = answer.get("To")
        self.sdp = answer.body
        if answer.status == 200:
            self.contact = answer.get("Contact").strip("<>")
        self.request("ACK", 1)
        return answer.status

    def bye(self):
        self.request("BYE", 2)
        return self.final("BYE").status


def test_reload_changes_media_log_and_dns(world):
    server = world.server({"main.yaml": WAITING}, extra=ACCESS)
    original = server.config.read_text()
    changed = original.replace("  address: '127.0.0.1'", "  address: '127.0.0.2'").replace("level: info", "level: debug")
    changed = changed.replace("  ports: ", "  ports: 33000-33099  # ")
    first = Caller(server.sip_port)
    assert first.invite() == 200 and "c=IN IP4 127.0.0.1" in first.sdp
    # what is not on this machine is refused, with the rest of the change
    server.config.write_text(original.replace("  address: '127.0.0.1'", "  address: '192.0.2.1'")
                             .replace("level: info", "level: error"))
    status, _, answer = ask_reload(server)
    assert status == 409 and "media.address 192.0.2.1: Cannot assign requested address" in answer["error"], answer
    server.config.write_text(changed + "dns: {servers: ['127.0.0.1:9']}\n")
    assert ask_reload(server)[0] == 200
    second = Caller(server.sip_port)
    assert second.invite() == 200 and "c=IN IP4 127.0.0.2" in second.sdp
    assert "m=audio 330" in second.sdp and "m=audio 330" not in first.sdp
    # 127.0.0.1:9 knows no names, where the hosts file does not
    assert dial(server, **{"from": "sip:a@127.0.0.1", "to": "sip:b@host.invalid;transport=udp"},
                swml="sections: {main: []}\n")[0] == 200
    ended = server.wait("the dialled call", lambda _: [e for e in server.named("ended") if "host.invalid" in e["why"]])
    assert ended
    assert [e for e in server.events if e.get("level") == "debug"]
    server.config.write_text(changed.replace("format: json", "format: text"))
    assert ask_reload(server)[0] == 200
    assert first.bye() == 200 and second.bye() == 200
    server.wait("a line of text", lambda _: any(" info " in line and line[:2] == "20" for line in server.raw))
    server.stop()


def test_reload_opens_and_closes_listeners(world):
    server = world.server({"main.yaml": WAITING}, extra=ACCESS)
    original = server.config.read_text()
    new_port = harness.free_pair()
    moved = original.replace(f"127.0.0.1:{server.sip_port}'", f"127.0.0.1:{new_port}'")
    caller = Caller(server.sip_port)
    assert caller.invite() == 200
    call = only_call(server)
    # one of the new ones is taken: neither is opened, and everything old stays
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
        taken.bind(("127.0.0.1", new_port))
        taken.listen()
        server.config.write_text(moved.replace("match: 'main'", "match: 'other'"))
        status, _, answer = ask_reload(server)
        assert status == 409 and f"tcp:127.0.0.1:{new_port}: Address already in use" in answer["error"], answer
        code, _, err = verb(server, "reload")
        assert code == 1 and "Address already in use" in err
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", new_port))
    other = Caller(server.sip_port)
    assert other.invite() == 200 and other.bye() == 200
    # now it moves: new calls come in on the new port, by both transports, and the old one refuses them
    server.config.write_text(moved)
    assert ask_reload(server)[0] == 200
    other = Caller(new_port)
    assert other.invite() == 200 and f":{new_port}" in other.contact and other.bye() == 200
    world.sipp("uac_talk", target=f"127.0.0.1:{new_port}", transport="t1").done()
    assert Caller(server.sip_port).invite() == 503
    # the live call knows the old one, and is hung up there
    assert call in json.loads(verb(server, "calls", "--json")[1])
    assert caller.bye() == 200
    assert server.wait_event("ended", call_id=call["call_id"])[0]["ended_by"] == "peer"
    # and back, while the old one is still open; another name goes with it
    server.config.write_text(original.replace("sip:\n", "sip:\n  advertise: localhost\n"))
    assert ask_reload(server)[0] == 200
    other = Caller(server.sip_port)
    assert other.invite() == 200 and f"localhost:{server.sip_port}" in other.contact and other.bye() == 200
    assert Caller(new_port).invite() == 503
    server.stop()


def certificate_of(port):
    return ssl.get_server_certificate(("127.0.0.1", port), timeout=harness.DEADLINE)


def test_reload_adds_tls_with_its_certificate(world, tmp_path):
    authority = Authority(tmp_path / "ca")
    good, other = authority.issue("one"), authority.issue("two")
    server = world.server({"main.yaml": WAITING}, extra=ACCESS)
    original = server.config.read_text()

    def with_tls(settings, more=""):
        text = original.replace(f"'tcp:127.0.0.1:{server.sip_port}'",
                                f"'tcp:127.0.0.1:{server.sip_port}', 'tls:127.0.0.1:{server.tls_port}'{more}")
        server.config.write_text(text.replace("sip:\n", f"sip:\n  tls: {settings}\n"))
        return ask_reload(server)

    assert with_tls(good.replace("one.key", "two.key"))[0] == 409
    with pytest.raises(ConnectionRefusedError):
        certificate_of(server.tls_port)
    assert with_tls(good)[0] == 200
    assert certificate_of(server.tls_port) == ssl.DER_cert_to_PEM_cert(
        ssl.PEM_cert_to_DER_cert((authority.folder / "one.pem").read_text()))
    # another certificate and a listener that cannot be: neither is taken
    before = certificate_of(server.tls_port)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        more = f", 'udp:127.0.0.1:{taken.getsockname()[1]}'"
        status, _, answer = with_tls(other, more)
        assert status == 409 and "Address already in use" in answer["error"], answer
    assert certificate_of(server.tls_port) == before
    assert with_tls(other)[0] == 200
    assert certificate_of(server.tls_port) != before
    server.stop()


def ask_reload(server):
    status, headers, text = ask(server, "POST", "/api/crosspoint/reload")
    return status, headers, json.loads(text)


def test_drain_refuses_and_ends(world):
    server = world.server({"main.yaml": WAITING}, extra=ACCESS)
    caller = world.sipp("uac_listen", target=f"127.0.0.1:{server.sip_port}")
    call = only_call(server)
    code, out, _ = verb(server, "drain")
    assert code == 0 and "1 legs left" in out
    assert verb(server, "drain")[0] == 0, "asking twice is no second signal"
    assert ask(server, "GET", "/readyz")[0] == 503
    world.sipp("uac_503", target=f"127.0.0.1:{server.sip_port}").done()
    status, headers, _ = dial(server, **{"from": "a", "to": "sip:b@127.0.0.1:9;transport=udp"}, swml="sections: {main: []}")
    assert status == 503 and int(headers["retry-after"]) > 0
    assert verb(server, "hangup", call["call_id"])[0] == 0
    caller.done()
    assert server.process.wait(30) == 0
    code, _, err = verb(server, "calls")
    assert code == 3 and "no server at" in err


def test_no_listener_is_told(world, tmp_path):
    (tmp_path / "c.yaml").write_text("http: {listen: []}\n" + ACCESS)
    done = subprocess.run([str(harness.BINARY), "calls", "-c", str(tmp_path / "c.yaml")], capture_output=True, text=True,
                          timeout=30)
    assert done.returncode == 3 and "no http listener" in done.stderr


def test_metrics_count(world):
    server = world.server({"main.yaml": WAITING}, extra=ACCESS)
    caller = world.sipp("uac_listen", target=f"127.0.0.1:{server.sip_port}")
    call = only_call(server)

    def numbers():
        text = ask(server, "GET", "/metrics", credentials=None)[2]
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line[0] != "#"}

    n = numbers()
    assert n['crosspoint_calls{direction="inbound"}'] == 1 and n['crosspoint_rtp_ports{state="open"}'] == 1
    assert verb(server, "hangup", call["call_id"])[0] == 0
    caller.done()
    server.wait_event("ended")
    n = numbers()
    assert n['crosspoint_calls{direction="inbound"}'] == 0
    assert n['crosspoint_calls_total{direction="inbound"}'] == 1
    assert n['crosspoint_calls_ended_total{cause="hangup"}'] == 1
    server.stop()


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
