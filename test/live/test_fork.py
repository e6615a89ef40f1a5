"""Reliable provisional responses and forks, with SIPp on both sides and Kamailio in between."""
import selectors
import socket

import pytest

import harness
import kamailio_peer
import sip_peer

DOCUMENT = """version: 1.0.0
sections:
  main:
    - connect:
        to: 'sip:bob@127.0.0.1:{port};transport=udp'
        answer_on_bridge: true
"""


def both_ended(server):
    server.wait_event("ended", 2)
    assert server.assert_all_legs_ended_once() == 2


def talk(world, caller, callee):
    """A call through the server; how often each request came to each side."""
    far = world.sipp(callee)
    server = world.server({"main.yaml": DOCUMENT.format(port=far.port)})
    near = world.sipp(caller, target=f"127.0.0.1:{server.sip_port}")
    near.done()
    far.done()
    both_ended(server)
    ended = {e["direction"]: e for e in server.named("ended")}
    assert ended["inbound"]["cause"] == ended["outbound"]["cause"] == "hangup"
    server.stop()
    return near.messages(), far.messages()


def test_reliable_183_in_and_out(world):
    near, far = talk(world, "uac_100rel", "uas_100rel")
    assert far.count("\nPRACK ") == 1 and near.count("\nPRACK ") == 1
    assert near.count("\nSIP/2.0 183 ") == 1 and far.count("\nBYE ") == 1


def test_offer_in_the_180_and_answer_in_the_prack(world):
    near, _ = talk(world, "uac_100rel_offerless", "uas_answer_slow")
    assert near.count("\nSIP/2.0 180 ") == 1


def test_two_dialogs_of_one_invite(world):
    """183 of two callees, each with its PRACK; both answer, the second gets ACK and BYE."""
    near, far = talk(world, "uac_early", "uas_fork")
    assert far.count("\nPRACK ") == 2 and far.count("\nBYE ") == 2
    assert near.count("\nSIP/2.0 200 ") == 2  # of INVITE and BYE: the caller hears nothing of it


class Callee:
    """Rings with early media, and answers when told to: by itself, or because the CANCEL came a moment too late."""

    def __init__(self, selector, name, media_port, extra=""):
        self.extra = extra
        self.host = "127.0.0.1"
        self.name = name
        self.media_port = media_port
        self.seen = []
        self.messages = []
        self.invite = self.source = None
        self.peer = sip_peer.Peer(selector, self.handle)

    def handle(self, peer, m, source):
        self.seen.append(m.method)
        self.messages.append(m)
        if m.method == "INVITE":
            self.invite, self.source = m, source
            self.ring()
        elif m.method == "CANCEL":
            peer.respond(m, 200, "OK", source, tag=self.name)
            self.answer()
        elif m.method == "BYE":
            peer.respond(m, 200, "OK", source)

    def ring(self):
        self.peer.respond(self.invite, 183, "Session Progress", self.source, tag=self.name, body=self.sdp(),
                          extra=self.extra)

    def sdp(self):
        return sip_peer.SDP.format(port=self.media_port).replace("127.0.0.1", self.host)

    def answer(self):
        self.peer.respond(self.invite, 200, "OK", self.source, tag=self.name, body=self.sdp())

    def count(self, method):
        return self.seen.count(method)


def test_the_callee_misses_the_first_prack(world):
    """SIPp takes the second PRACK for a repetition that it has answered; so a peer by hand."""
    selector = selectors.DefaultSelector()
    callee = Callee(selector, "one", harness.free_pair(), extra="Require: 100rel\r\nRSeq: 4711\r\n")
    server = world.server({"main.yaml": DOCUMENT.format(port=callee.peer.port)})
    caller = world.sipp("uac_early", target=f"127.0.0.1:{server.sip_port}")

    def wait(what, ok):
        assert sip_peer.run(selector, [], ok, harness.DEADLINE), \
            f"waited in vain for {what}: {callee.seen}\n{caller.report()}"

    wait("the PRACK", lambda: callee.count("PRACK") == 1)
    callee.ring()
    wait("the PRACK again", lambda: callee.count("PRACK") == 2)
    assert callee.messages[-1].get("RAck") == callee.messages[-2].get("RAck") == "4711 1 INVITE"
    assert callee.messages[-1].get("CSeq") == callee.messages[-2].get("CSeq") == "2 PRACK"
    callee.peer.respond(callee.messages[-1], 200, "OK", callee.source)
    callee.answer()
    wait("the end", lambda: callee.count("BYE"))
    caller.done()
    assert caller.messages().count("\nSIP/2.0 183 ") == 1  # said once, and he does not know 100rel
    assert "RSeq" not in caller.messages()
    both_ended(server)
    server.stop()


class Voice:
    """A UDP socket that says one letter and counts what it hears."""

    def __init__(self, letter, host="127.0.0.1"):
        self.letter = letter
        self.host = host
        self.port = harness.free_pair(host)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, self.port))
        self.sent = 0

    def say(self, port):
        head = bytes([0x80, 0]) + self.sent.to_bytes(2, "big") + (160 * self.sent).to_bytes(4, "big") + bytes(4)
        self.sent += 1
        self.socket.sendto(head + self.letter.encode() * 160, ("127.0.0.1", port))

    def heard(self):
        """Letters of what has come."""
        letters = ""
        self.socket.setblocking(False)
        try:
            while True:
                letters += self.socket.recv(2048)[12:13].decode()
        except BlockingIOError:
            return letters

    def hears_only(self, other, port, selector):
        """Sends other's packets until one arrives."""
        def arrived():
            other.say(port)
            letters.append(self.heard())
            return other.letter in letters[-1]
        letters = []
        assert sip_peer.run(selector, [], arrived, harness.DEADLINE), f"{other.letter} is not heard"

    def hears_not(self, other, port, selector, proof):
        """What other says does not arrive, while what proof says behind it does."""
        for _ in range(5):
            other.say(port)
        letters = ""
        while proof.letter not in letters:
            proof.say(port)
            sip_peer.run(selector, [], lambda: True, 1)
            letters += self.heard()
        assert other.letter not in letters


def media_port(message):
    return int(message.body.split("m=audio ")[1].split()[0])


def test_the_last_one_with_sdp_is_heard_until_one_answers(world):
    """docs/calls.md: two phones of one INVITE play into one call."""
    selector = selectors.DefaultSelector()
    one, two, near = Voice("1", "127.0.0.2"), Voice("2", "127.0.0.3"), Voice("n")
    callee = Callee(selector, "one", one.port)
    other = Callee(selector, "two", two.port)
    callee.host, other.host = one.host, two.host
    other.peer = callee.peer  # both behind one address
    caller = Caller(selector, deaf=0)
    caller.media_port = near.port
    server = world.server({"main.yaml": DOCUMENT.format(port=callee.peer.port)})
    caller.call(server.sip_port)

    def wait(what, ok):
        assert sip_peer.run(selector, [], ok, harness.DEADLINE), f"waited in vain for {what}: {caller.seen} {callee.seen}"

    wait("early media", lambda: caller.rows(200, "PRACK"))
    to = media_port(callee.invite)
    near.hears_only(one, to, selector)
    other.invite, other.source = callee.invite, callee.source
    other.ring()
    near.hears_only(two, to, selector)
    near.hears_not(one, to, selector, two)
    callee.ring()  # once more: nothing new
    near.hears_only(two, to, selector)
    near.hears_not(one, to, selector, two)
    caller.stay = True
    callee.answer()
    wait("the answer", lambda: caller.rows(200, "INVITE"))
    near.hears_only(one, to, selector)
    near.hears_not(two, to, selector, one)
    caller.bye()
    wait("the end", lambda: caller.over and callee.count("BYE"))
    both_ended(server)
    server.stop()


class Caller:
    """Calls with 100rel, and lets the first `deaf` of our 183 go by."""

    def __init__(self, selector, deaf):
        self.peer = sip_peer.Peer(selector, self.handle)
        self.deaf = deaf
        self.seen = []
        self.server = None
        self.over = self.stay = False
        self.media_port = harness.free_pair()
        self.tag = self.offer = ""
        self.answers = {}

    def request(self, method, cseq, to_tag="", extra="", body=""):
        here = f"127.0.0.1:{self.peer.port}"
        kind = "Content-Type: application/sdp\r\n" if body else ""
        self.peer.send(f"{method} sip:main@127.0.0.1:{self.server[1]} SIP/2.0\r\n"
                       f"Via: SIP/2.0/UDP {here};branch=z9hG4bK{method}{cseq}\r\nFrom: <sip:c@{here}>;tag=c\r\n"
                       f"To: <sip:main@127.0.0.1>{to_tag}\r\nCall-ID: c{self.peer.port}\r\nCSeq: {cseq} {method}\r\n"
                       f"Contact: <sip:c@{here}>\r\nMax-Forwards: 70\r\n{extra}{kind}Content-Length: {len(body)}\r\n\r\n"
                       + body, self.server)

    def call(self, port):
        self.server = ("127.0.0.1", port)
        self.request("INVITE", 1, extra="Supported: 100rel\r\n", body=sip_peer.SDP.format(port=self.media_port))

    def bye(self):
        self.request("BYE", 3, self.tag)

    def handle(self, peer, m, source):
        self.seen.append((m.status, *m.cseq, m.get("RSeq"), len(m.body)))
        tag = ";tag=" + m.get("To").split(";tag=")[1] if ";tag=" in m.get("To") else ""
        if m.cseq[1] == "PRACK":
            self.answers[m.status] = m.body
        if m.status == 183:
            self.deaf -= 1
            if self.deaf < 0:
                self.request("PRACK", 2, tag, f"RAck: {m.get('RSeq')} 1 INVITE\r\n", self.offer)
        elif m.status == 200 and m.cseq[1] == "INVITE":
            self.request("ACK", 1, tag)
            self.tag = tag
            if not self.stay:
                self.bye()
        elif m.status == 200 and m.cseq[1] == "BYE":
            self.over = True

    def rows(self, status, method):
        return [row for row in self.seen if row[0] == status and row[2] == method]


@pytest.mark.parametrize("payload, status", [(0, 200), (18, 488)])
def test_an_offer_in_the_prack(world, payload, status):
    """Sound moves to another port with the PRACK; an offer without the codec that was agreed changes nothing."""
    selector = selectors.DefaultSelector()
    caller, near, moved, far = Caller(selector, deaf=0), Voice("n"), Voice("m"), Voice("f", "127.0.0.2")
    caller.media_port = near.port
    caller.offer = sip_peer.SDP.format(port=moved.port).replace("AVP 0", f"AVP {payload}").replace(
        "a=rtpmap:0 PCMU", f"a=rtpmap:{payload} {'G729' if payload else 'PCMU'}")
    callee = Callee(selector, "one", far.port)
    callee.host = far.host
    server = world.server({"main.yaml": DOCUMENT.format(port=callee.peer.port)})
    caller.call(server.sip_port)

    def wait(what, ok):
        assert sip_peer.run(selector, [], ok, harness.DEADLINE), f"waited in vain for {what}: {caller.seen} {callee.seen}"

    wait("the answer to the PRACK", lambda: caller.rows(status, "PRACK"))
    assert ("m=audio " in caller.answers[status]) == (status == 200)
    (moved if status == 200 else near).hears_only(far, media_port(callee.invite), selector)
    callee.answer()
    wait("the end", lambda: caller.over and callee.count("BYE"))
    assert len(caller.rows(183, "INVITE")) == 1
    both_ended(server)
    server.stop()


def test_our_183_is_repeated_until_its_prack(world):
    selector = selectors.DefaultSelector()
    caller = Caller(selector, deaf=2)
    callee = world.sipp("uas_early")
    server = world.server({"main.yaml": DOCUMENT.format(port=callee.port)})
    caller.call(server.sip_port)
    assert sip_peer.run(selector, [], lambda: caller.over, harness.DEADLINE), caller.seen
    callee.done()
    assert len(caller.rows(183, "INVITE")) == 3
    assert len({row[3] for row in caller.rows(183, "INVITE")}) == 1
    assert [row[4] for row in caller.rows(200, "INVITE")] == [0]  # the answer was in the 183, and the 200 has waited
    assert caller.seen.index(caller.rows(200, "PRACK")[0]) < caller.seen.index(caller.rows(200, "INVITE")[0])
    both_ended(server)
    server.stop()


@pytest.mark.parametrize("winner", [0, 1])
def test_kamailio_forks_and_both_answer(world, winner):
    selector = selectors.DefaultSelector()
    callees = [Callee(selector, "one", harness.free_pair()), Callee(selector, "two", harness.free_pair())]
    proxy = world.add(kamailio_peer.Kamailio(world.folder, "fork", {
        "FIRST": f'"sip:one@127.0.0.1:{callees[0].peer.port}"',
        "SECOND": f'"sip:two@127.0.0.1:{callees[1].peer.port}"'}))
    server = world.server({"main.yaml": DOCUMENT.format(port=proxy.port)})
    caller = world.sipp("uac_early", target=f"127.0.0.1:{server.sip_port}")
    won, lost = callees[winner], callees[1 - winner]

    def wait(what, ok):
        assert sip_peer.run(selector, [], ok, harness.DEADLINE), \
            f"waited in vain for {what}: {won.seen} {lost.seen}\n{proxy.report()}\n{caller.report()}"

    wait("both to ring", lambda: won.invite and lost.invite)
    won.answer()
    wait("the loser's ACK and BYE", lambda: lost.count("ACK") and lost.count("BYE"))
    wait("the winner's ACK and BYE", lambda: won.count("ACK") and won.count("BYE"))
    caller.done()
    assert lost.count("BYE") == 1 and won.count("BYE") == 1
    assert won.count("CANCEL") == 0 and lost.count("CANCEL") >= 1
    both_ended(server)
    assert {e["cause"] for e in server.named("ended")} == {"hangup"}
    server.stop()
