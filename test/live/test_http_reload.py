"""A reload moves the HTTP listeners under open requests: what stays is not touched, what goes answers first."""
import base64
import http.client
import json
import socket

import harness

PROJECT, TOKEN = "p-1", "PT-secret"
ACCESS = f"projects:\n  - {{id: {PROJECT}, token: {TOKEN}}}\n"
WAITING = "sections: {main: [answer: {}, sleep: 60000]}\n"
AUTH = {"Authorization": "Basic " + base64.b64encode(f"{PROJECT}:{TOKEN}".encode()).decode()}


def connect(port):
    return http.client.HTTPConnection("127.0.0.1", port, timeout=30)


def ask(connection, method, path):
    connection.request(method, path, None, AUTH)
    r = connection.getresponse()
    return r.status, r.read().decode()


def listen(server, *ports):
    old = f"http: {{listen: [{', '.join(repr(f'http:127.0.0.1:{p}') for p in server.http_ports)}]}}"
    new = f"http: {{listen: [{', '.join(repr(f'http:127.0.0.1:{p}') for p in ports)}]}}"
    text = server.config.read_text()
    assert old in text
    server.config.write_text(text.replace(old, new))
    server.http_ports = ports


def logged(server, text):
    server.wait(text, lambda events: [e for e in events if text in e.get("message", "")])


def test_http_listeners_move(world):
    server = world.server({"main.yaml": WAITING}, extra=ACCESS)
    first, second = server.http_port, harness.free_port()
    server.http_ports = (first,)
    world.sipp("uac_listen", target=f"127.0.0.1:{server.sip_port}")
    server.wait_event("answered")
    kept, follower = connect(first), connect(first)
    assert ask(kept, "GET", "/readyz")[0] == 200
    follower.request("GET", "/api/crosspoint/events", None, AUTH)
    events = follower.getresponse()
    assert events.status == 200

    listen(server, first, second)
    assert json.loads(ask(kept, "POST", "/api/crosspoint/reload")[1])["reloaded"]
    logged(server, f"http: 127.0.0.1:{second} takes requests")
    assert ask(kept, "GET", "/readyz")[0] == 200, "a connection that stays is not touched"
    assert ask(connect(second), "GET", "/readyz")[0] == 200

    # One that is taken is refused, and nothing changes.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen(server, first, taken.getsockname()[1])
        status, text = ask(kept, "POST", "/api/crosspoint/reload")
        assert status == 409 and "in use" in text
        assert ask(connect(second), "GET", "/readyz")[0] == 200

    # The reload that takes its own listener away is answered over it.
    listen(server, second)
    status, text = ask(kept, "POST", "/api/crosspoint/reload")
    assert status == 200 and json.loads(text)["number"] == 3
    logged(server, f"http: 127.0.0.1:{first} is closed")
    try:
        connect(first).connect()
        raise AssertionError("the old listener is still there")
    except ConnectionRefusedError:
        pass

    # None at all, and back by signal.
    listen(server)
    assert ask(connect(second), "POST", "/api/crosspoint/reload")[0] == 200
    logged(server, f"http: 127.0.0.1:{second} is closed")
    listen(server, first)
    server.process.send_signal(1)
    server.wait("the reload", lambda events: [e for e in events if "configuration 5" in e.get("message", "")])
    server.wait("the listener", lambda events: len([e for e in events if e.get("message", "") ==
                                                    f"http: 127.0.0.1:{first} takes requests"]) == 2)
    assert len(json.loads(ask(connect(first), "GET", "/api/crosspoint/calls")[1])) == 1, "the call never noticed"
    calls = json.loads(ask(connect(first), "GET", "/api/crosspoint/calls")[1])
    assert ask(connect(first), "DELETE", f"/api/crosspoint/calls/{calls[0]['call_id']}")[0] == 200
    server.assert_all_legs_ended_once()
    while json.loads(events.readline())["type"] != "ended":
        pass  # the stream over the listener that went is still good
    follower.close()
    server.stop()


def test_a_server_without_http_gets_some(world):
    server = world.server({"main.yaml": WAITING}, extra=ACCESS)
    server.http_ports = (server.http_port,)
    listen(server)
    server.process.send_signal(1)
    logged(server, f"http: 127.0.0.1:{server.http_port} is closed")
    server.stop()
    assert not [e for e in server.events if e.get("level") == "error"]
