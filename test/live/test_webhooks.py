"""Webhooks as a receiver sees them: payloads, order, signatures, and receivers that are slow, broken or gone."""
import base64
import hashlib
import hmac
import http.server
import json
import random
import re
import socket
import sqlite3
import threading
import time

import harness

KEY = "PSK-webhooks"
PROJECT = "0e2b1a30-0000-4000-8000-000000000001"
SETTINGS = (f"projects:\n  - {{id: {PROJECT}, token: PT-x, signing_key: {KEY}}}\n"
            "webhooks: {allow_hosts: [127.0.0.1]}\n")
STATES = "[created, ringing, answered, ended]"


class Request:
    def __init__(self, path, headers, body):
        self.at = time.time()
        self.path = path
        self.headers = headers
        self.body = body
        self.json = json.loads(body) if body else {}
        self.params = self.json.get("params", {})
        self.key = headers.get("Idempotency-Key")
        self.sequence = int(headers.get("X-Crosspoint-Sequence", -1))
        self.call = self.params.get("call_id")
        self.state = self.params.get("call_state") or self.params.get("connect_state")


class Receiver:
    """An HTTP server that keeps what it gets. behave(request, n) says what happens to the n-th attempt of an event:
    a status, "hang", "close", "lie" (a length that never comes), "flood" or a URL to redirect to."""

    def __init__(self, behave=lambda request, n: 200, host="127.0.0.1"):
        self.behave = behave
        self.requests = []
        self.taken = []
        self.changed = threading.Condition()
        self.released = threading.Event()
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                owner._handle(self)

            do_GET = do_POST

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request, client_address):
                pass

        self.server = Server((host, 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def url(self, path="/hook", user=""):
        return f"http://{user}127.0.0.1:{self.port}{path}"

    def _handle(self, handler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        request = Request(handler.path, handler.headers, body)
        with self.changed:
            self.requests.append(request)
            n = sum(r.key == request.key for r in self.requests) - 1
            self.changed.notify_all()
        answer = self.behave(request, n)
        if answer == "hang":
            self.released.wait(harness.DEADLINE)
            answer = "close"
        if answer == "close":
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)
            return
        status = 200 if answer in ("lie", "flood") else 307 if isinstance(answer, str) else answer
        if status // 100 == 2 and answer != "lie" and answer != "flood":
            with self.changed:
                self.taken.append(request)
                self.changed.notify_all()
        handler.send_response(status)
        if isinstance(answer, str) and answer.startswith("http"):
            handler.send_header("Location", answer)
        handler.send_header("Content-Length", {"lie": "1000", "flood": str(10 << 30)}.get(answer, "0"))
        handler.end_headers()
        if answer == "lie":
            handler.wfile.write(b"short")
            handler.close_connection = True
        while answer == "flood":
            handler.wfile.write(b"x" * 65536)

    def wait(self, what, ok, deadline=harness.DEADLINE):
        end = time.monotonic() + deadline
        with self.changed:
            while not ok():
                left = end - time.monotonic()
                assert left > 0, f"waited in vain for {what}; got " + repr([(r.path, r.state) for r in self.requests])
                self.changed.wait(min(left, 0.5))

    def wait_taken(self, count):
        self.wait(f"{count} events", lambda: len(self.taken) >= count)
        return self.taken

    def kill(self):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()


def document(port, hook, status=None, events=STATES, extra=""):
    return ("sections:\n  main:\n    - connect:\n"
            f"        to: 'sip:bob@127.0.0.1:{port};transport=udp'\n"
            f"        call_state_url: '{hook}'\n"
            + (f"        call_state_events: {events}\n" if events else "")
            + (f"        status_url: '{status}'\n" if status else "") + extra)


def one_call(world, receiver, callee="uas_answer", caller="uac_talk", settings=SETTINGS, calls=1, path="/hook", user="",
             level="info", **kw):
    """A server, and calls through it that send their events to the receiver. Gives the server back, still running."""
    peer = world.sipp(callee, calls=calls)
    text = document(peer.port, receiver.url(path, user), receiver.url("/status", user), **kw)
    server = world.server({"main.yaml": text}, extra=settings, level=level)
    world.sipp(caller, target=f"127.0.0.1:{server.sip_port}", calls=calls).done()
    return server


def states(receiver, path):
    return [r.state for r in receiver.taken if r.path == path]


def given_up(server, count):
    return server.wait_event("webhook given up", count)


def assert_signed(request, url):
    text = url.encode() + request.body
    for name, digest in (("X-Signalwire-Signature", hashlib.sha1), ("X-Signalwire-SHA256-Signature", hashlib.sha256)):
        assert request.headers[name] == hmac.new(KEY.encode(), text, digest).hexdigest(), name


def assert_in_order(taken):
    """Within a call no event comes for the first time behind a later one. Gives the number of calls."""
    last, seen = {}, set()
    for r in taken:
        if r.key in seen:
            continue
        seen.add(r.key)
        assert last.get(r.call, -1) < r.sequence, f"call {r.call}: {r.sequence} behind {last[r.call]}"
        last[r.call] = r.sequence
    return len(last)


def test_payloads_of_a_call(world):
    receiver = world.add(Receiver())
    server = one_call(world, receiver)
    receiver.wait_taken(7)
    server.assert_all_legs_ended_once()
    server.stop()
    assert states(receiver, "/hook") == ["created", "ringing", "answered", "ended"]
    assert states(receiver, "/status") == ["connecting", "connected", "disconnected"]
    legs = {e["direction"]: e["call_id"] for e in server.named("created")}
    for r in receiver.taken:
        j, p = r.json, r.params
        assert r.headers["Content-Type"] == "application/json"
        assert j["event_type"] == ("calling.call.state" if r.path == "/hook" else "calling.call.connect")
        assert j["event_channel"] == "swml:" + legs["inbound"]
        assert j["project_id"] == PROJECT and re.fullmatch(r"[0-9a-f-]{36}", j["space_id"])
        assert isinstance(j["timestamp"], float) and abs(j["timestamp"] - r.at) < 5
        assert re.fullmatch(r"[0-9a-f-]{36}@test", p["node_id"])
        assert p["call_id"] == legs["outbound" if r.path == "/hook" else "inbound"]
        assert_signed(r, receiver.url(r.path))
    for r in (r for r in receiver.taken if r.path == "/hook"):
        p = r.params
        assert p["direction"] == "outbound" and p["device"]["type"] == "sip"
        assert p["device"]["params"]["to"].startswith("sip:bob@127.0.0.1")
        assert p["device"]["params"]["from"].startswith("sip:alice@")
        assert p["end_reason"] == ("hangup" if p["call_state"] == "ended" else None)
        assert p["parent"] == {"device_type": "sip", "node_id": p["node_id"], "call_id": legs["inbound"]}
        assert "tag" not in p
        assert ("answer_time" in p) == (p["call_state"] in ("answered", "ended"))
        assert ("end_time" in p) == (p["call_state"] == "ended")
    end = receiver.taken[-1] if receiver.taken[-1].state == "ended" else next(
        r for r in receiver.taken if r.state == "ended")
    assert end.params["start_time"] <= end.params["answer_time"] <= end.params["end_time"]
    connected = next(r for r in receiver.taken if r.state == "connected").params
    assert connected["peer"]["call_id"] == legs["outbound"] and connected["peer"]["device"]["type"] == "sip"
    assert all("peer" not in r.params for r in receiver.taken if r.state != "connected")


def test_only_ended_unless_asked_and_busy_is_said(world):
    receiver = world.add(Receiver())
    peer = world.sipp("uas_486")
    server = world.server({"main.yaml": document(peer.port, receiver.url(), receiver.url("/status"), events=None)},
                          extra=SETTINGS)
    world.sipp("uac_talk", target=f"127.0.0.1:{server.sip_port}")
    receiver.wait_taken(3)
    server.assert_all_legs_ended_once()
    server.stop()
    assert states(receiver, "/hook") == ["ended"] and states(receiver, "/status") == ["connecting", "failed"]
    for r in receiver.taken:
        if r.state == "ended":
            assert r.params["end_reason"] == "busy" and "answer_time" not in r.params
        if r.state == "failed":
            assert r.params["failed_reason"] == "busy" and "peer" not in r.params


def test_the_caller_gives_up_while_it_rings(world):
    receiver = world.add(Receiver())
    server = one_call(world, receiver, callee="uas_ring", caller="uac_cancel", extra="        answer_on_bridge: true\n")
    receiver.wait_taken(5)
    server.stop()
    assert states(receiver, "/hook") == ["created", "ringing", "ended"]
    assert states(receiver, "/status") == ["connecting", "failed"]
    reasons = {r.state: r.params.get("end_reason") or r.params.get("failed_reason") for r in receiver.taken}
    assert reasons["ended"] == "cancel" and reasons["failed"] == "cancel"


def test_what_is_refused_before_an_invite_has_no_leg_events(world):
    receiver = world.add(Receiver())
    text = (f"sections:\n  main:\n    - connect:\n        to: '+99900000000'\n        call_state_url: '{receiver.url()}'\n"
            f"        call_state_events: {STATES}\n        status_url: '{receiver.url('/status')}'\n    - hangup\n")
    server = world.server({"main.yaml": text}, extra=SETTINGS)
    world.sipp("uac_talk", target=f"127.0.0.1:{server.sip_port}")
    receiver.wait_taken(2)
    server.assert_all_legs_ended_once()
    server.stop()
    assert states(receiver, "/status") == ["connecting", "failed"] and not states(receiver, "/hook")
    assert receiver.taken[1].params["failed_reason"] == "error"


def test_errors_are_tried_again_in_order_with_the_same_key(world):
    receiver = world.add(Receiver(lambda r, n: 500 if n < (2 if r.state == "created" else 1) else 204))
    server = one_call(world, receiver)
    receiver.wait_taken(7)
    server.stop()
    assert states(receiver, "/hook") == ["created", "ringing", "answered", "ended"]
    assert states(receiver, "/status") == ["connecting", "connected", "disconnected"]
    keys = {}
    for r in receiver.requests:
        keys.setdefault((r.path, r.state), []).append(r)
    for (_, state), attempts in keys.items():
        assert len(attempts) == (3 if state == "created" else 2), state
        assert len({r.key for r in attempts}) == 1 and len({r.body for r in attempts}) == 1
        assert 0.9 < attempts[1].at - attempts[0].at < 3
    assert len({r.key for r in receiver.requests}) == 7


def test_slow_receivers_keep_the_order_and_disturb_no_call(world):
    def slow(request, n):
        time.sleep(random.uniform(0.05, 0.6))
        return 200

    receiver = world.add(Receiver(slow))
    server = one_call(world, receiver, calls=10)
    receiver.wait_taken(70)
    assert assert_in_order(receiver.taken) == 20
    assert len({r.key for r in receiver.requests}) == len(receiver.requests) == 70
    server.assert_all_legs_ended_once()
    server.stop()


def test_broken_answers_are_failures(world):
    for behaviour in ("close", "lie", "flood"):
        receiver = world.add(Receiver(lambda r, n, b=behaviour: b if n == 0 else 200))
        server = one_call(world, receiver, events="[ended]")
        receiver.wait_taken(4)
        server.stop()
        assert len(receiver.requests) == 8, behaviour
        assert states(receiver, "/hook") == ["ended"]
        assert states(receiver, "/status") == ["connecting", "connected", "disconnected"]


def test_nobody_there_is_given_up_and_said(world):
    receiver = Receiver()
    receiver.kill()
    server = one_call(world, receiver, events="[ended]", user="me:hunter2@")
    lines = given_up(server, 4)
    assert all(e["attempts"] == "3" and e["url"].startswith("http://***@127.0.0.1") and e["event"] for e in lines)
    server.assert_all_legs_ended_once()
    server.stop()
    assert "hunter2" not in "\n".join(server.raw)


def test_a_receiver_that_hangs_ends_after_ten_seconds(world):
    receiver = world.add(Receiver(lambda r, n: "hang"))
    server = one_call(world, receiver, events="[ended]")
    given_up(server, 2)
    first = [r for r in receiver.requests if r.state == "connecting"]
    assert len(first) == 3 and first[2].at - first[0].at < 9.9
    receiver.behave = lambda r, n: 200
    server.stop()


def test_redirects_are_followed_three_times(world):
    final = world.add(Receiver())
    receiver = world.add(Receiver(lambda r, n: final.url("/there") if r.path == "/hook" else receiver.url("/status")))
    server = one_call(world, receiver, events="[ended]")
    final.wait_taken(1)
    lines = given_up(server, 3)
    server.stop()
    assert [r.state for r in final.taken] == ["ended"] and final.taken[0].headers["Idempotency-Key"]
    assert len([r for r in receiver.requests if r.state == "connecting"]) == 3 * 4, "each attempt: four requests"
    assert all("redirect" in e["why"] for e in lines)


def test_private_targets_are_refused_unless_allowed(world):
    receiver = world.add(Receiver())
    server = one_call(world, receiver, events="[ended]", settings="")
    lines = given_up(server, 4)
    assert all(e["attempts"] == "1" for e in lines)
    server.stop()
    assert not receiver.requests


def test_credentials_become_basic_auth_and_are_never_logged(world):
    receiver = world.add(Receiver())
    server = one_call(world, receiver, user="me:hunter2@", path="/hook?a=b%20c", level="debug")
    receiver.wait_taken(7)
    server.stop()
    expected = "Basic " + base64.b64encode(b"me:hunter2").decode()
    for r in receiver.taken:
        assert r.headers["Authorization"] == expected
        assert_signed(r, receiver.url(r.path))
    assert {r.path for r in receiver.taken} == {"/hook?a=b%20c", "/status"}
    assert "hunter2" not in "\n".join(server.raw)


def test_a_stop_waits_for_what_is_on_its_way(world):
    def slow(request, n):
        time.sleep(0.7)
        return 200

    receiver = world.add(Receiver(slow))
    server = one_call(world, receiver)
    server.assert_all_legs_ended_once()
    server.stop()
    assert len(receiver.taken) >= 6 and len({r.key for r in receiver.taken}) == len(receiver.taken)
    rest = 7 - len(receiver.taken)
    assert rest == 0 or any("are not delivered" in e.get("message", "") for e in server.events)


def told(server):
    """What the log says that happened and has a webhook: (call, state)."""
    out = set()
    for e in list(server.events):
        state = e.get("message")
        leg = state in ("created", "ringing", "answered", "ended") and e.get("direction") == "outbound"
        if leg or state in ("connecting", "connected", "disconnected", "failed"):
            out.add((e["call_id"], state))
    return out


def test_ten_kills_lose_and_reorder_nothing_that_was_accepted(world):
    """Every event that is in the log was accepted."""
    mode = {"now": "down"}

    def moody(request, n):
        if mode["now"] == "down":
            return random.choice([500, "hang", "close", 503])
        if mode["now"] == "moody":
            time.sleep(random.uniform(0, 0.05))
            return random.choice([200, 200, 500, "close"])
        return 200

    receiver = world.add(Receiver(moody))
    peer = world.sipp("uas_answer", calls=100000)
    text = document(peer.port, receiver.url(), receiver.url("/status"))
    accepted, undelivered = set(), 0
    folder = world.folder / "killed"

    def taken():
        return {(r.call, r.state) for r in list(receiver.taken)}

    for kill in range(10):
        mode["now"] = "moody" if kill % 3 == 2 else "down"
        server = world.add(harness.Server(folder, {"main.yaml": text}, extra=SETTINGS))
        caller = world.sipp("uac_talk", target=f"127.0.0.1:{server.sip_port}", calls=10, rate=50)
        server.wait_event("ended", random.randrange(1, 16))
        server.kill()
        server.reader.join(10)
        caller.kill()
        events = told(server)
        accepted |= events
        undelivered += len(events - taken())
    mode["now"] = "up"
    server = world.add(harness.Server(folder, {"main.yaml": text}, extra=SETTINGS))
    try:
        receiver.wait("what was accepted", lambda: accepted <= taken(), 60)
    except AssertionError:
        raise AssertionError(f"{len(accepted - taken())} of {len(accepted)} lost: {sorted(accepted - taken())}") from None
    calls = assert_in_order(receiver.taken)
    keys = {}
    for r in receiver.taken:
        keys.setdefault((r.call, r.state), set()).add(r.key)
    print(f"\n10 kills: {len(accepted)} events in the log, {undelivered} not delivered at the kill; 0 lost, "
          f"0 reordered in {calls} calls, {len(receiver.taken) - len(keys)} sent again with the same key")
    assert undelivered >= 10, "the kills came too late to show anything"
    assert all(len(k) == 1 for k in keys.values())
    server.stop()


def test_what_no_row_was_written_for_survives_a_kill(world):
    """Nothing reaches the database while somebody else has locked it: then the journal alone has the events."""
    receiver = world.add(Receiver(lambda r, n: 503))
    peer = world.sipp("uas_answer", calls=20)
    text = document(peer.port, receiver.url(), receiver.url("/status"))
    folder = world.folder / "locked"
    server = world.add(harness.Server(folder, {"main.yaml": text}, extra=SETTINGS))
    with sqlite3.connect(folder / "data" / "crosspoint.db", isolation_level=None) as db:
        db.execute("BEGIN IMMEDIATE")
        caller = world.sipp("uac_talk", target=f"127.0.0.1:{server.sip_port}", calls=10, rate=50)
        server.wait_event("ended", 20)
        server.kill()
        server.reader.join(10)
        caller.kill()
        assert db.execute("SELECT count(*) FROM hooks").fetchone() == (0,)
        db.execute("ROLLBACK")
    db.close()
    accepted = told(server)
    assert len(accepted) >= 60 and not receiver.taken
    first = {(r.call, r.state): r.key for r in receiver.requests}
    receiver.behave = lambda r, n: 200
    server = world.add(harness.Server(folder, {"main.yaml": text}, extra=SETTINGS))
    receiver.wait_taken(len(accepted))
    assert {(r.call, r.state) for r in receiver.taken} == accepted
    assert assert_in_order(receiver.taken) == 20
    assert all(first.get((r.call, r.state), r.key) == r.key for r in receiver.taken)
    server.stop()
    with sqlite3.connect(folder / "data" / "crosspoint.db") as db:
        assert db.execute("SELECT count(*) FROM hooks").fetchone() == (0,)
    db.close()
    server = world.add(harness.Server(folder, {"main.yaml": text}, extra=SETTINGS))
    assert not any("from before the start" in e.get("message", "") for e in server.events)
    server.stop()
