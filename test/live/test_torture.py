"""The 49 messages of RFC 4475 against the built server, over UDP and over TCP.

Messages are sent as they are. Their Vias name hosts that do not exist, so answers must come to the address the
message came from: to the port of the Via's sent-by, or to the very source when rport asked for it (RFC 3261
§18.2.2, RFC 3581). After each one the server still answers OPTIONS; since it takes messages of a socket in order,
that answer also proves that nothing more will come for what it has discarded.
"""
import contextlib
import os
import pathlib
import select
import socket
import time

import pytest

import harness

CORPUS = pathlib.Path(os.environ.get("CROSSPOINT_CORPUS", harness.ROOT / ".." / "shared" / "corpus")) / "sip-torture"
HERE = "127.4.75.1"  # an address of our own: the default SIP ports have to be free on it

# Final statuses that are right for the whole server; none = discard without a word. No route leads anywhere, so an
# INVITE without a fault is 404. There is no subscriber, so REGISTER is 405.
EXPECTED = {
    "wsinv": {481},  # its To has a tag: a dialog that we do not know
    "intmeth": {405, 501},
    "esc01": {404},
    "escnull": {405},
    "esc02": {405, 501},  # the method is RE%47IST%45R, not REGISTER
    "lwsdisp": {200, 404},
    "longreq": {404},
    "dblreq": {405},
    "semiuri": {200, 404},
    "transports": {200, 404},
    "mpart01": {405},
    "unreason": set(),
    "noreason": set(),
    "badinv01": {400},
    "clerr": {400},
    "ncl": {400},
    "scalar02": {400},
    "scalarlg": set(),
    "quotbal": {400},
    "ltgtruri": {400},
    "lwsruri": {400},
    "lwsstart": {400},
    "trws": {400},
    "escruri": {400, 404},  # or the headers of the Request-URI are ignored
    "baddate": {400, 404},  # or the Date is ignored
    "regbadct": {400},
    "badaspec": {400},
    "baddn": {400},
    "badvers": {505},
    "mismatch01": {400},
    "mismatch02": {400, 501},
    "bigcode": set(),
    "badbranch": {200, 400, 404},
    "insuf": {400},
    "unkscm": {416},
    "novelsc": {416},
    "unksm2": {405},
    "bext01": {404, 420},
    "invut": {404, 415},
    "regaut01": {405},
    "multi01": {400},
    "mcl01": {400},
    "bcast": set(),
    "zeromf": {200, 404, 483},
    "cparam01": {405},
    "cparam02": {405},
    "regescrt": {405},
    "sdp01": {404, 406},
    "inv2543": {404},
}

# With a registrar for the domain of the messages: nobody has shown a password that we know.
REGISTERS = {"regaut01": 401, "escnull": 401, "dblreq": 401, "cparam01": 401, "cparam02": 401, "regescrt": 401,
             "unksm2": 404}
SUBSCRIBER = "resources: {/public/watson: {subscriber: {password: secret}}}\n"

# Over a stream Content-Length decides, so: clerr and baddn (whose file ends inside the headers) are waited for,
# inv2543 has no Content-Length, and the INVITE behind dblreq is a request of its own.
EXPECTED_TCP = dict(EXPECTED, clerr=set(), baddn=set(), inv2543={400})
THEN_TCP = {"dblreq": {400, 404}}  # it has no Contact
CLOSED_TCP = {"ncl", "mcl01", "inv2543"}  # where the next message starts cannot be known

# Header that an answer of the status must carry.
OWED = {405: "allow", 501: "allow", 420: "unsupported", 415: "accept"}

DOCUMENTS = {"nobody.yaml": "sections:\n  main:\n    - hangup\n"}

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="corpus absent")


class Answer:
    def __init__(self, text, socket_name=None):
        head = text.split("\r\n\r\n", 1)[0].split("\r\n")
        version, status, self.reason = head[0].split(" ", 2)
        assert version == "SIP/2.0"
        self.status = int(status)
        self.headers = {}
        for line in head[1:]:
            name, value = line.split(":", 1)
            self.headers.setdefault(name.strip().lower(), []).append(value.strip())
        self.socket_name = socket_name

    def has(self, name):
        return name in self.headers

    def first(self, name):
        return self.headers.get(name, [""])[0]


def options(call_id, transport):
    return (f"OPTIONS sip:ping@127.0.0.1 SIP/2.0\r\n"
            f"Via: SIP/2.0/{transport} {HERE};branch=z9hG4bK-{call_id};rport\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:torture@{HERE}>;tag=1\r\nTo: <sip:ping@127.0.0.1>\r\n"
            f"Call-ID: {call_id}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n").encode()


def load(name):
    return (CORPUS / f"{name}.dat").read_bytes()


def call_id_of(data):
    """The first Call-ID as it is written; absent in insuf."""
    for line in data.decode("latin-1").split("\r\n\r\n", 1)[0].split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() in ("call-id", "i"):
            return value.strip()
    return ""


def via_of(data):
    """Sent-by port of the top Via and whether it asks for rport; None when no server could read it."""
    text = data.decode("latin-1").split("\r\n\r\n", 1)[0].replace("\r\n ", " ")
    for line in text.split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() not in ("via", "v"):
            continue
        value = value.split(",")[0]
        if "2.0" not in value or ";;" in value:
            return None
        sent_by = value.split(";")[0].split()[-1]
        port = int(sent_by.rpartition(":")[2]) if ":" in sent_by else 5060
        return port, ";rport" in value
    return None


def check_answer(name, data, answer, allowed):
    assert answer.status in allowed, f"{name}: {answer.status} {answer.reason}, not one of {sorted(allowed)}"
    if answer.status in OWED:
        assert answer.has(OWED[answer.status]), f"{name}: {answer.status} without {OWED[answer.status]}"
    if answer.status == 420:
        unsupported = ", ".join(answer.headers["unsupported"]).lower()
        assert "nothingsupportsthis" in unsupported and "noproxiessupportthis" not in unsupported
    if answer.status == 400:
        assert answer.reason not in ("", "Bad Request"), f"{name}: the 400 does not say why"
    assert answer.first("call-id") == call_id_of(data)
    assert answer.has("via") and answer.first("content-length").isdigit()
    if answer.has("to"):
        assert "tag" in answer.first("to").lower()


class Udp:
    """A client at HERE: a socket that sends, and listeners where Vias without rport want their answers."""

    def __init__(self, server, stack):
        self.target = ("127.0.0.1", server.sip_port)
        self.sockets = {}
        self.pings = 0
        for port in (0, 5050, 5060):
            s = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            try:
                s.bind((HERE, port))
            except OSError as err:
                pytest.skip(f"{HERE}:{port}: {err}")
            self.sockets[s] = port or "source"
        self.source = next(iter(self.sockets))

    def send(self, data):
        self.source.sendto(data, self.target)

    def receive(self, ok):
        """The first answer that ok() takes; others are answers of earlier messages, sent again."""
        end = time.monotonic() + harness.DEADLINE
        seen = []
        while (left := end - time.monotonic()) > 0:
            for s in select.select(list(self.sockets), [], [], left)[0]:
                answer = Answer(s.recv(65536).decode("latin-1"), self.sockets[s])
                if ok(answer):
                    return answer
                seen.append(answer)
        raise AssertionError(f"waited in vain for an answer; got {[(a.status, a.first('call-id')) for a in seen]}")

    def ping(self):
        """OPTIONS is answered with 200. Returns the answers that came before it."""
        self.pings += 1
        name = f"ping-{self.pings}"
        before = []

        def ok(answer):
            if answer.first("call-id") != name:
                before.append(answer)
            return answer.first("call-id") == name

        self.send(options(name, "UDP"))
        assert self.receive(ok).status == 200
        return before


# A server for each transport: over the second one, the INVITEs of the first would be retransmissions (§17.2.3).
@pytest.fixture(scope="module")
def udp_server(tmp_path_factory):
    s = harness.Server(tmp_path_factory.mktemp("torture-udp"), DOCUMENTS)
    yield s
    s.kill()


@pytest.fixture(scope="module")
def tcp_server(tmp_path_factory):
    s = harness.Server(tmp_path_factory.mktemp("torture-tcp"), DOCUMENTS)
    yield s
    s.kill()


@pytest.fixture
def udp(udp_server):
    with contextlib.ExitStack() as stack:
        yield Udp(udp_server, stack)


def test_the_table_covers_the_corpus():
    assert {p.stem for p in CORPUS.glob("*.dat")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_udp(udp_server, udp, name):
    data = load(name)
    call_id = call_id_of(data)
    udp.send(data)
    if EXPECTED[name]:
        answer = udp.receive(lambda a: a.first("call-id") == call_id and a.status >= 200)
        check_answer(name, data, answer, EXPECTED[name])
        via = via_of(data)
        if via:
            port, rport = via
            assert answer.socket_name == ("source" if rport else port)
            assert f"received={HERE}" in answer.first("via").replace(" ", "")
        udp.ping()
    else:
        assert not [a for a in udp.ping() if a.first("call-id") == call_id], f"{name}: a response was answered"
    assert udp_server.process.poll() is None


@pytest.fixture(scope="module")
def registrar(tmp_path_factory):
    s = harness.Server(tmp_path_factory.mktemp("torture-registrar"), DOCUMENTS, domain="example.com", extra=SUBSCRIBER)
    yield s
    s.kill()


@pytest.mark.parametrize("name", REGISTERS)
def test_registers_are_challenged(registrar, name):
    data = load(name)
    with contextlib.ExitStack() as stack:
        udp = Udp(registrar, stack)
        udp.send(data)
        answer = udp.receive(lambda a: a.first("call-id") == call_id_of(data) and a.status >= 200)
        check_answer(name, data, answer, {REGISTERS[name]})
        assert (answer.status == 401) == answer.has("www-authenticate")
        udp.ping()
    assert registrar.process.poll() is None


class Tcp:
    """One connection; messages are cut by Content-Length."""

    def __init__(self, server, stack):
        self.socket = stack.enter_context(
            socket.create_connection(("127.0.0.1", server.sip_port), harness.DEADLINE, (HERE, 0)))
        self.data = b""

    def receive(self):
        """The next answer; None at the end of the connection."""
        while True:
            head, gap, rest = self.data.partition(b"\r\n\r\n")
            if gap:
                answer = Answer(head.decode("latin-1"))
                length = int(answer.first("content-length"))
                if len(rest) >= length:
                    self.data = rest[length:]
                    return answer
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                return None
            self.data += more

    def final(self):
        while (answer := self.receive()) and answer.status < 200:
            pass
        return answer


@pytest.mark.parametrize("name", EXPECTED_TCP)
def test_tcp(tcp_server, name):
    data = load(name)
    with contextlib.ExitStack() as stack:
        tcp, udp = Tcp(tcp_server, stack), Udp(tcp_server, stack)
        tcp.socket.sendall(data)
        if EXPECTED_TCP[name]:
            answer = tcp.final()
            assert answer, f"{name}: closed without an answer"
            check_answer(name, data, answer, EXPECTED_TCP[name])
        if name in THEN_TCP:
            answer = tcp.final()
            assert answer and answer.status in THEN_TCP[name]
        if name in CLOSED_TCP:
            assert tcp.final() is None, f"{name}: what follows cannot be a message"
        if not EXPECTED_TCP[name] and name not in ("clerr", "baddn"):
            tcp.socket.sendall(options("tcp-" + name, "TCP"))
            answer = tcp.final()
            assert answer and answer.first("call-id") == "tcp-" + name and answer.status == 200
        udp.ping()
    assert tcp_server.process.poll() is None


def test_rport_and_port_of_the_via_decide_where_answers_go(udp):
    """The same request with and without rport: to the source, and to the port that the Via names."""
    udp.send(options("with-rport", "UDP"))
    answer = udp.receive(lambda a: a.first("call-id") == "with-rport")
    assert answer.socket_name == "source"
    assert f"rport={udp.source.getsockname()[1]}" in answer.first("via") and f"received={HERE}" in answer.first("via")
    udp.send(options("without", "UDP").replace(b";rport", b"").replace(HERE.encode() + b";", HERE.encode() + b":5050;"))
    answer = udp.receive(lambda a: a.first("call-id") == "without")
    assert answer.socket_name == 5050
    assert "received" not in answer.first("via") and "rport" not in answer.first("via")
