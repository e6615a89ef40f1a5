"""SIP over WebSocket with real parts: JsSIP and SIP.js call, SIPp answers over UDP, bare sockets misbehave."""
import base64
import os
import signal
import socket
import ssl
import struct
import threading
import time

import pytest

import harness
from test_tls import Authority
from web_phone import WebPhone

CLIENTS = ["jssip", "sipjs"]
HANGS_UP = "sections:\n  main:\n    - answer\n    - sleep: 300\n    - hangup\n"
STAYS = "sections:\n  main:\n    - answer\n    - sleep: 60000\n"
TO_BOB = "sections:\n  main:\n    - connect:\n        to: 'sip:bob@127.0.0.1:{port}'\n        answer_on_bridge: true\n"


class World:
    """A server that listens for ws and wss, with an authority of its own."""

    def __init__(self, world, document, level="info"):
        self.world = world
        self.authority = Authority(world.folder / "authority")
        self.tls = self.authority.issue("server")
        self.ws_port = harness.free_pair()
        self.wss_port = self.ws_port + 1
        self.server = world.server({"main.yaml": document}, tls=self.tls, level=level,
                                   listen=[f"ws:127.0.0.1:{self.ws_port}", f"wss:127.0.0.1:{self.wss_port}"])

    def phone(self, client, secure=True, **kw):
        url = f"wss://127.0.0.1:{self.wss_port}" if secure else f"ws://127.0.0.1:{self.ws_port}"
        p = self.world.add(WebPhone(client, url, ca=self.authority.ca if secure else None, **kw))
        p.wait("open")
        return p


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
@pytest.mark.parametrize("client", CLIENTS)
def test_a_document_answers_and_hangs_up(world, client, secure):
    w = World(world, HANGS_UP)
    phone = w.phone(client, secure)
    phone.say("call sip:main@127.0.0.1")
    accepted = phone.wait("accepted")
    assert accepted["contact"] == f"<sip:127.0.0.1:{w.wss_port if secure else w.ws_port};transport=ws>"
    assert phone.wait("ended")["by"] == "remote"
    end = w.server.wait_event("ended")[0]
    assert end["cause"] == "hangup" and end["ended_by"] == "document", end
    if client == "sipjs":
        phone.wait("pong")  # of its CRLF keep-alive
    w.server.stop()


@pytest.mark.parametrize("client", CLIENTS)
def test_a_call_goes_on_over_udp(world, client):
    """Hung up by the browser, then by the callee; audio goes both ways through the server."""
    bob = world.sipp("uas_answer", args=["-rtp_echo"])
    w = World(world, TO_BOB.format(port=bob.port))
    phone = w.phone(client)
    phone.say("call sip:main@127.0.0.1")
    phone.wait("confirmed")
    phone.hears()
    phone.say("hangup")
    assert phone.wait("ended")["by"] == "local"
    bob.done()
    ends = w.server.wait_event("ended", count=2)
    assert {e["cause"] for e in ends} == {"hangup"}, ends
    w.server.stop()

    bob = world.sipp("uas_hangup")
    port = harness.free_port()
    server = world.server({"main.yaml": TO_BOB.format(port=bob.port)}, listen=[f"ws:127.0.0.1:{port}"])
    phone = world.add(WebPhone(client, f"ws://127.0.0.1:{port}"))
    phone.wait("open")
    phone.say("call sip:main@127.0.0.1")
    assert phone.wait("ended")["by"] == "remote"
    bob.done()
    server.assert_all_legs_ended_once()
    server.stop()


@pytest.mark.parametrize("client", CLIENTS)
def test_the_browser_gives_up(world, client):
    bob = world.sipp("uas_ring")
    w = World(world, TO_BOB.format(port=bob.port))
    phone = w.phone(client)
    phone.say("call sip:main@127.0.0.1")
    phone.wait("progress")
    phone.say("hangup")
    assert phone.wait("failed")
    bob.done()
    inbound = w.server.wait_event("ended", direction="inbound")[0]
    assert inbound["cause"] == "cancel" and inbound["ended_by"] == "peer", inbound
    w.server.assert_all_legs_ended_once()
    w.server.stop()


@pytest.mark.parametrize("client", CLIENTS)
def test_a_connection_that_breaks_ends_the_call(world, client):
    bob = world.sipp("uas_answer")
    w = World(world, TO_BOB.format(port=bob.port))
    phone = w.phone(client, args=["--reconnect", "30"])
    phone.say("call sip:main@127.0.0.1")
    phone.wait("confirmed")
    w.server.wait_event("connected")
    phone.say("drop")
    bob.done()  # gets its BYE
    end = w.server.wait_event("ended", direction="inbound")[0]
    assert end["ended_by"] == "transport" and end["why"] == "the WebSocket connection broke", end
    w.server.assert_all_legs_ended_once()
    w.server.stop()


# --- bare sockets ---

class Closed(Exception):
    pass


class Raw:
    """A WebSocket client that can misbehave."""

    def __init__(self, at, source="127.0.0.1", context=None, protocol="sip", shake=True):
        self.socket = socket.create_connection(at, timeout=harness.DEADLINE, source_address=(source, 0))
        if context:
            self.socket = context.wrap_socket(self.socket)
        self.data = b""
        self.head = b""
        if shake:
            self.shake(protocol)

    def shake(self, protocol="sip", upgrade="websocket", connection="Upgrade", extra=""):
        offer = f"Sec-WebSocket-Protocol: {protocol}\r\n" if protocol else ""
        self.socket.sendall((f"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: {upgrade}\r\nConnection: {connection}\r\n"
                             f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n{offer}{extra}"
                             "Sec-WebSocket-Version: 13\r\n\r\n").encode())
        while b"\r\n\r\n" not in self.data:
            self.fill()
        self.head, _, self.data = self.data.partition(b"\r\n\r\n")
        self.status = int(self.head.split()[1])

    def fill(self):
        try:
            more = self.socket.recv(65536)
        except ConnectionResetError:
            more = b""
        if not more:
            raise Closed
        self.data += more

    def frame(self, payload, opcode=1, final=True):
        n = len(payload)
        head = bytes([(0x80 if final else 0) | opcode])
        head += (bytes([0x80 | n]) if n < 126 else b"\xfe" + struct.pack("!H", n) if n < 65536
                 else b"\xff" + struct.pack("!Q", n))
        self.socket.sendall(head + b"\0\0\0\0" + payload)

    def read(self):
        """The next frame: opcode and payload."""
        while True:
            n, at = (self.data[1] & 127, 2) if len(self.data) > 1 else (0, 0)
            if at and n == 126:
                n, at = (struct.unpack("!H", self.data[2:4])[0], 4) if len(self.data) >= 4 else (0, 0)
            if at and len(self.data) >= at + n:
                frame = self.data[0] & 15, self.data[at:at + n]
                self.data = self.data[at + n:]
                return frame
            self.fill()

    def closed(self):
        """Wait until the server has closed."""
        try:
            while True:
                self.fill()
        except Closed:
            return True

    def close(self):
        self.socket.close()


def options(call_id="x", extra="", transport="WS"):
    return (f"OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/{transport} a.invalid;branch=z9hG4bK{call_id};rport\r\n"
            f"From: <sip:a@x>;tag=1\r\nTo: <sip:x>\r\nCall-ID: {call_id}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n"
            f"{extra}\r\n").encode()


def asks(raw, call_id="x"):
    raw.frame(options(call_id))
    opcode, answer = raw.read()
    assert opcode == 1 and answer.startswith(b"SIP/2.0 200 "), answer
    return answer


def test_handshakes(world):
    w = World(world, STAYS)
    at = ("127.0.0.1", w.ws_port)
    good = Raw(at)
    assert good.status == 101
    assert b"sec-websocket-protocol: sip\r\n" in (good.head + b"\r\n").lower()
    port = good.socket.getsockname()[1]
    assert b";received=127.0.0.1" in asks(good) and f";rport={port}".encode() in asks(good, "y")
    assert Raw(at, protocol="chat, sip").status == 101
    for offer in (None, "chat", "SIP", "sipx", "s" * 300):
        assert Raw(at, protocol=offer).status == 400, offer
    for upgrade, connection in (("h2c", "Upgrade"), ("websocket", "close")):
        raw = Raw(at, shake=False)
        raw.shake(upgrade=upgrade, connection=connection)
        assert raw.status == 400, raw.head
    rich = Raw(at, shake=False)
    rich.shake(extra=f"Cookie: {'c' * 10000}\r\n")
    assert rich.status == 101
    asks(rich, "rich")
    huge = Raw(at, shake=False)
    with pytest.raises((Closed, OSError)):
        huge.shake(extra=f"Cookie: {'c' * 200000}\r\n")
    plain = Raw(at, shake=False)
    plain.socket.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    plain.fill()
    assert plain.data.split()[1] == b"426"
    assert plain.closed()
    # Who does not finish has 10 s; who drips, too.
    began = time.monotonic()
    silent, half, drip = (Raw(at, shake=False) for _ in range(3))
    tls = Raw(("127.0.0.1", w.wss_port), shake=False)
    tls.socket.sendall(b"\x16\x03\x01\x02\x00\x01")
    half.socket.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nUpgr")

    def drips():
        try:
            for byte in b"GET / HTTP/1.1\r\nX-Y: " + b"z" * 1000:
                drip.socket.sendall(bytes([byte]))
                time.sleep(0.2)
        except OSError:
            pass
    threading.Thread(target=drips, daemon=True).start()
    assert silent.closed() and half.closed() and tls.closed() and drip.closed()
    assert 8 < time.monotonic() - began < 25, time.monotonic() - began
    asks(good, "z")
    w.server.stop()
    assert not [line for line in w.server.raw if "libwebsockets" in line], w.server.raw


def test_frames(world):
    w = World(world, STAYS)
    context = ssl.create_default_context(cafile=w.authority.ca)
    context.check_hostname = False
    for at, with_tls in ((("127.0.0.1", w.ws_port), None), (("127.0.0.1", w.wss_port), context)):
        raw = Raw(at, context=with_tls)
        asks(raw)
        # binary frames are read, too; answers are text
        raw.frame(options("b"), opcode=2)
        assert raw.read()[0] == 1
        # in pieces, with a PING between them
        data = options("f", extra="X-Long: " + "y" * 9000 + "\r\n")
        for i in range(0, len(data), 1000):
            raw.frame(data[i:i + 1000], opcode=0 if i else 1, final=False)
            if i == 5000:
                raw.frame(b"ping", opcode=9)
                assert raw.read() == (10, b"ping")
        raw.frame(b"", opcode=0)
        assert raw.read()[1].startswith(b"SIP/2.0 200 ")
        # bytes that are no text come back in a binary frame, which no browser closes for
        raw.frame(options("caf\u00e9").replace("\u00e9".encode(), b"\xe9"), opcode=2)
        opcode, answer = raw.read()
        assert opcode == 2 and b"Call-ID: caf\xe9" in answer
        # more than one message in a frame: the first counts
        raw.frame(options("one", extra="Content-Length: 0\r\n") + options("two"))
        assert b"Call-ID: one" in raw.read()[1]
        # garbage and CRLF
        raw.frame(b"hello")
        raw.frame(b"\r\n\r\n")
        assert raw.read() == (1, b"\r\n")
        raw.frame(b"")
        asks(raw, "still")
        # a message may have 64 KiB, not more, in whatever pieces
        raw.frame(b"x" * 65536)
        asks(raw, "after")
        raw.frame(b"x" * 40000, final=False)
        raw.frame(b"x" * 40000, opcode=0)
        opcode, reason = raw.read()
        assert opcode == 8 and reason[:2] == struct.pack("!H", 1009)
        # a frame of 1 MiB, and one that claims more than there is
        for claim in (1 << 20, 1 << 40):
            raw = Raw(at, context=with_tls)
            try:
                raw.socket.sendall(b"\x81\xff" + struct.pack("!Q", claim) + b"\0\0\0\0" + b"x" * (1 << 20))
            except OSError:
                pass
            assert raw.read()[0] == 8
            raw.close()
    w.server.stop()


def test_two_hundred_at_once(world):
    """100 are let in from one address; all of two addresses are served, and a call is not disturbed."""
    w = World(world, STAYS)
    phone = w.phone("jssip", args=["--local-address", "127.0.0.9"])
    phone.say("call sip:main@127.0.0.1")
    phone.wait("confirmed")
    context = ssl.create_default_context(cafile=w.authority.ca)
    context.check_hostname = False
    many = []

    def connect(source, secure):
        for _ in range(50):
            at = ("127.0.0.1", w.wss_port if secure else w.ws_port)
            many.append(Raw(at, source=source, context=context if secure else None))
    threads = [threading.Thread(target=connect, args=(source, secure))
               for source in ("127.0.0.2", "127.0.0.3") for secure in (False, True)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(many) == 200
    for i, raw in enumerate(many):
        raw.frame(options(f"m{i}"))
    for i, raw in enumerate(many):
        assert f"Call-ID: m{i}\r\n".encode() in raw.read()[1]
    with pytest.raises((Closed, OSError)):
        Raw(("127.0.0.1", w.ws_port), source="127.0.0.2")
    for raw in many:
        raw.close()
    end = time.monotonic() + harness.DEADLINE
    while True:  # they make room as fast as the server sees them go
        try:
            asks(Raw(("127.0.0.1", w.ws_port), source="127.0.0.2"), "last")
            break
        except (Closed, OSError):
            assert time.monotonic() < end
            time.sleep(0.05)
    phone.say("hangup")
    assert phone.wait("ended")["by"] == "local"
    w.server.assert_all_legs_ended_once()
    w.server.stop()


# --- reload ---

def reload(server, ok=True):
    count = len([e for e in server.events if e.get("message", "").startswith("reload")])
    server.process.send_signal(signal.SIGHUP)
    told = server.wait("the reload", lambda events: (r := [e for e in events if e.get("message", "").startswith("reload")
                                                         and not e["message"].startswith("reload: ")]) and
                       len(r) > count and r)
    assert told[-1]["message"].startswith("reloaded") == ok, told[-1]


def test_reload_changes_certificate_and_listeners(world):
    w = World(world, STAYS)
    server = w.server
    phone = w.phone("sipjs")
    phone.say("call sip:main@127.0.0.1")
    phone.wait("confirmed")

    def certificate():
        return ssl.get_server_certificate(("127.0.0.1", w.wss_port), timeout=harness.DEADLINE)

    before = certificate()
    original = server.config.read_text()
    other = w.authority.issue("other")
    # a listener that cannot be opened: nothing changes, the certificate neither
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server.config.write_text(original.replace(w.tls, other)
                                 .replace(f"'ws:127.0.0.1:{w.ws_port}'", f"'ws:127.0.0.1:{port}'"))
        reload(server, ok=False)
    assert certificate() == before
    # a new certificate and another port for ws; the call goes on
    new = harness.free_port()
    server.config.write_text(original.replace(w.tls, other)
                             .replace(f"'ws:127.0.0.1:{w.ws_port}'", f"'ws:127.0.0.1:{new}'"))
    reload(server)
    assert certificate() != before
    asks(Raw(("127.0.0.1", new)))
    fresh = w.phone("jssip")
    fresh.say("call sip:main@127.0.0.1")
    fresh.wait("confirmed")
    for p in (phone, fresh):
        p.say("hangup")
        p.wait("ended")
    server.assert_all_legs_ended_once()
    server.stop()


def test_reload_brings_the_first_listener_and_takes_it_away(world):
    server = world.server({"main.yaml": STAYS})
    original = server.config.read_text()
    port = harness.free_port()
    server.config.write_text(original.replace("listen: ['udp", f"listen: ['ws:127.0.0.1:{port}', 'udp"))
    reload(server)
    raw = Raw(("127.0.0.1", port))
    asks(raw)
    server.config.write_text(original)
    reload(server)
    raw.frame(options("late"))
    assert raw.read()[1].startswith(b"SIP/2.0 503 ")
    server.stop()
