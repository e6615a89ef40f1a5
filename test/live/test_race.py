"""Calls whose CANCEL crosses the 200: no leg is left, each has one terminal event, whoever wins."""
import os
import selectors
import time

import pytest

import sip_peer

CALLS = int(os.environ.get("RACE_CALLS", "2000"))
ROUND = 10000  # calls of one server, whose events are kept until its end
PARALLEL = 20


class Race:
    """Caller and callee in one thread. The callee sends its 200, and the caller its CANCEL offset_ms later (or
    earlier): the CANCEL and the 200 meet inside the server, or its CANCEL meets the callee's 200 on the way."""

    def __init__(self, count):
        self.count = count
        self.server = None
        self.selector = selectors.DefaultSelector()
        self.caller = sip_peer.Peer(self.selector, self.at_caller)
        self.callee = sip_peer.Peer(self.selector, self.at_callee)
        self.timers = []
        self.calls = {}     # the caller's Call-ID -> state
        self.legs = {}      # the callee's Call-ID -> state
        self.crossed = 0
        self.answered = 0
        self.finished = 0
        self.started = 0

    def start(self):
        n = self.started
        self.started += 1
        # -2.0 … +2.0 ms in steps of 0.1 ms, each offset about equally often
        offset_ms = (n % 41 - 20) / 10
        call_id = f"race{n}"
        self.calls[call_id] = {"n": n, "offset": offset_ms / 1000, "cancelled": False, "done": False, "crossed": False,
                               "branch": f"z9hG4bKrace{n}"}
        body = sip_peer.SDP.format(port=40000)
        self.caller.send(
            f"INVITE sip:main{n}@127.0.0.1:{self.server[1]} SIP/2.0\r\n" + self.heads(call_id, "1 INVITE") +
            f"Contact: <sip:caller@127.0.0.1:{self.caller.port}>\r\nContent-Type: application/sdp\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}", self.server)

    def heads(self, call_id, cseq, to_tag="", branch=None):
        call = self.calls[call_id]
        return (f"Via: SIP/2.0/UDP 127.0.0.1:{self.caller.port};branch={branch or call['branch']}\r\n"
                f"From: <sip:caller@127.0.0.1>;tag=c{call['n']}\r\nTo: <sip:main{call['n']}@127.0.0.1>{to_tag}\r\n"
                f"Call-ID: {call_id}\r\nCSeq: {cseq}\r\nMax-Forwards: 70\r\nX-N: {call['n']}\r\n")

    def request(self, call_id, method, cseq, to_tag="", branch=None):
        n = self.calls[call_id]["n"]
        self.caller.send(f"{method} sip:main{n}@127.0.0.1:{self.server[1]} SIP/2.0\r\n" +
                         self.heads(call_id, f"{cseq} {method}", to_tag, branch) + "Content-Length: 0\r\n\r\n",
                         self.server)

    def cancel(self, call_id):
        self.calls[call_id]["cancelled"] = True
        self.request(call_id, "CANCEL", 1)

    def at_caller(self, peer, m, source):
        if m.method == "BYE":
            peer.respond(m, 200, "OK", source)
            self.finish(m.call_id)
        if not m.status or m.call_id not in self.calls:
            return
        call = self.calls[m.call_id]
        if m.cseq[1] == "BYE":
            self.finish(m.call_id)
        if m.cseq[1] != "INVITE" or m.status < 200:
            return
        tag = ";tag=" + m.get("To").split(";tag=")[1] if ";tag=" in m.get("To") else ""
        if m.status == 200:
            if call["cancelled"]:
                call["crossed"] = True
            self.answered += 1
            self.request(m.call_id, "ACK", 1, tag, call["branch"] + "a")
            self.request(m.call_id, "BYE", 2, tag, call["branch"] + "b")
        else:
            self.request(m.call_id, "ACK", 1, tag)
            self.finish(m.call_id)

    def at_callee(self, peer, m, source):
        if m.method == "INVITE" and m.call_id not in self.legs:
            n = int(m.get("To").split("leg")[1].split("@")[0])
            call_id = f"race{n}"
            leg = self.legs[m.call_id] = {"answered": False, "cancelled": False, "invite": m, "call": call_id}
            peer.respond(m, 180, "Ringing", source, tag="t")
            at = time.monotonic() + 0.05
            self.timers.append((at, lambda: self.answer(leg, source)))
            self.timers.append((at + self.calls[call_id]["offset"], lambda: self.cancel(call_id)))
        elif m.method == "CANCEL":
            leg = self.legs[m.call_id]
            if leg["answered"]:
                self.calls[leg["call"]]["crossed"] = True
            leg["cancelled"] = True
            peer.respond(m, 200, "OK", source, tag="t")
            if not leg["answered"]:
                peer.respond(leg["invite"], 487, "Request Terminated", source, tag="t")
        elif m.method == "BYE":
            peer.respond(m, 200, "OK", source)

    def answer(self, leg, source):
        if leg["cancelled"]:
            return
        leg["answered"] = True
        self.callee.respond(leg["invite"], 200, "OK", source, tag="t", body=sip_peer.SDP.format(port=40002))

    def finish(self, call_id):
        call = self.calls.get(call_id)
        if call and not call["done"]:
            call["done"] = True
            self.finished += 1
            self.crossed += call["crossed"]
            if self.started < self.count:
                self.start()


DOCUMENT = """sections:
  main:
    - connect:
        answer_on_bridge: true
        to: 'sip:leg${{call.headers[0].value}}@127.0.0.1:{port};transport=udp'
"""


@pytest.mark.parametrize("count", [min(ROUND, CALLS - first) for first in range(0, CALLS, ROUND)])
def test_cancel_crosses_200(world, count):
    race = Race(count)
    server = world.server({"main.yaml": DOCUMENT.format(port=race.callee.port)}, routes=[("*", "main.yaml")])
    race.server = ("127.0.0.1", server.sip_port)
    for _ in range(min(PARALLEL, count)):
        race.start()
    over = sip_peer.run(race.selector, race.timers, lambda: race.finished == count, 100 + count / 50)
    assert over, f"{race.finished} of {count} calls came to an end"
    print(f"{count} calls, {race.crossed} crossings, {race.answered} answered")
    assert race.crossed > 0, "no CANCEL crossed a 200: the test shows nothing"
    assert 0 < race.answered < count, "only one side ever won"
    assert server.assert_all_legs_ended_once(60) == 2 * count
    server.stop(60)
