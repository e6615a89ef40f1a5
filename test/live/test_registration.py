"""Trunks that are registered at and probed: Kamailio and SIPp are the registrars, carriers die and come back, and what
a trunk says and is told of the caller."""
import json
import re
import signal
import socket
import threading
import time

import pytest

import harness
from registrar import Registrar
from test_control import ACCESS, ask, verb
from test_trunks import digest_is_right, document, header, trunk

NOBODY = "127.9.9.9/32"  # no address of a test


def registering(port, password="s3samopen", transport="udp", extra=""):
    return trunk("carrier", port, transport=transport,
                 extra=f", register: true, username: acme, password: {password}{extra}")


def state(server):
    """What all who ask are told of the trunk."""
    code, out, _ = verb(server, "trunks", "--json")
    assert code == 0
    one = next(t for t in json.loads(out) if t["name"] == "carrier")
    ready = server.http("/readyz")
    up = f'crosspoint_trunk_up{{trunk="carrier"}} {int(one["state"] == "up")}\n'
    assert up in server.http("/metrics")[1]
    assert (ready[0] == 200) == (one["state"] == "up"), ready
    return one


@pytest.mark.parametrize("algorithm,transport", [("MD5", "udp"), ("SHA-256", "tcp")])
def test_kamailio_is_registered_at_and_calls_come_in_from_there(world, algorithm, transport):
    kamailio = world.add(Registrar(world.folder / "kamailio", algorithm=algorithm))
    server = world.server({"acme.yaml": "sections: {main: [answer: {}, sleep: 60000]}\n"}, accept=NOBODY, extra=ACCESS,
                          trunks=registering(kamailio.port, transport=transport))
    assert server.wait_event("trunk.up")[0]["trunk"] == "carrier"
    [(expires, contact)] = kamailio.registers()
    suffix = ";transport=tcp" if transport == "tcp" else ""
    assert (expires, contact) == ("600", f"<sip:acme@127.0.0.1:{server.sip_port}{suffix}>")
    one = state(server)
    assert one["registered"] and one["registers"] and not one["probed"] and one["why"] == ""
    # through the registrar to our Contact; the source is known because we are registered there
    caller = world.sipp("uac_talk", target=f"127.0.0.1:{kamailio.port}", user="acme")
    caller.done()
    assert server.assert_all_legs_ended_once() == 1
    # who is not the registrar is nobody, but he has the same address here: so ask from another one
    stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stranger.bind(("127.0.0.7", 0))
    stranger.settimeout(harness.DEADLINE)
    stranger.sendto((f"OPTIONS sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.7:{stranger.getsockname()[1]}"
                     ";branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:x@127.0.0.1>\r\nCall-ID: c\r\n"
                     "CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n").encode(),
                    ("127.0.0.1", server.sip_port))
    assert b"403" in stranger.recv(4096).split(b"\r\n")[0]
    stranger.close()
    server.stop()
    assert [e for e, _ in kamailio.registers()] == ["600", "0"], "and unregistered at the end"
    assert "s3samopen" not in "\n".join(server.raw)


def test_short_registrations_long_ones_and_new_nonces(world):
    """3 s at most, so a refresh comes within a few seconds; nonces that live for 1 s are stale by then."""
    kamailio = world.add(Registrar(world.folder / "kamailio", max_expires=3, nonce_expire=1))
    server = world.server({"main.yaml": document()}, trunks=registering(kamailio.port))
    kamailio.wait_registers(3)
    assert kamailio.challenges() >= 3 and not server.named("trunk.down")
    server.stop()
    patient = world.add(Registrar(world.folder / "patient", min_expires=1200))
    server = world.server({"main.yaml": document()}, trunks=registering(patient.port))
    assert server.wait_event("trunk.up")
    server.stop()


def test_a_reload_with_the_right_password_registers_at_once(world):
    kamailio = world.add(Registrar(world.folder / "kamailio"))
    server = world.server({"main.yaml": document()}, trunks=registering(kamailio.port), extra=ACCESS)
    server.wait_event("trunk.up")
    good = server.config.read_text()
    server.config.write_text(good.replace("s3samopen", "wr0ng"))
    assert verb(server, "reload")[0] == 0
    down = server.wait_event("trunk.down")[0]
    assert down["why"] == "not registered: 401 Unauthorized: the credentials were refused"
    assert state(server)["state"] == "down"
    assert json.loads(server.http("/readyz")[1]) == {"status": "trunks down", "trunks": ["carrier"]}
    server.config.write_text(good)
    assert verb(server, "reload")[0] == 0
    server.wait_event("trunk.up", count=2)
    assert state(server)["state"] == "up"
    # taken out of the configuration
    server.config.write_text(re.sub(r".*name: carrier.*\n", "", good))
    assert verb(server, "reload")[0] == 0
    assert [e for e, _ in kamailio.wait_registers(3)][-1] == "0"
    assert "wr0ng" not in "\n".join(server.raw)
    server.stop()


def test_a_registrar_that_restarts_has_us_again(world):
    """Over TCP the connection goes with it, which is noticed at once."""
    kamailio = world.add(Registrar(world.folder / "kamailio"))
    server = world.server({"main.yaml": document()}, trunks=registering(kamailio.port, transport="tcp"))
    server.wait_event("trunk.up")
    port = kamailio.port
    server.process.send_signal(signal.SIGSTOP)  # it may only look when the next one is there
    kamailio.kill()
    again = world.add(Registrar(world.folder / "again", port=port))
    server.process.send_signal(signal.SIGCONT)
    assert again.wait_registers(1)[0][0] == "600"
    assert not server.named("trunk.down")
    server.stop()


def test_sipp_as_registrar(world):
    sipp = world.sipp("uas_register", keys={"algorithm": "SHA-256"})
    server = world.server({"main.yaml": document()}, trunks=registering(sipp.port, password="tops3cret"))
    server.wait_event("trunk.up")
    server.wait("the refresh", lambda _: len(header(sipp.messages(), "CSeq")) >= 3)
    server.stop()
    sipp.done()
    sent, lives = header(sipp.messages(), "Authorization"), header(sipp.messages(), "Expires")
    assert [e for _, e in lives] == ["600", "600", "600", "0"] and sent[0][1] is None
    for at, count in ((1, "00000001"), (2, "00000002"), (3, "00000003")):
        fields, right = digest_is_right(*sent[at], "tops3cret")
        assert right and fields["nc"] == count and fields["username"] == "acme"
    assert len({v for _, v in header(sipp.messages(), "Call-ID")}) == 1
    assert "tops3cret" not in sipp.messages() + "\n".join(server.raw)


class Answerer:
    """A trunk that answers OPTIONS, until it is silenced."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.silent, self.invites = False, 0
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while True:
            try:
                data, source = self.socket.recvfrom(65536)
            except OSError:
                return
            text = data.decode(errors="replace")
            if text == "end":
                return
            self.invites += text.startswith("INVITE")
            if text.startswith("OPTIONS") and not self.silent:
                lines = [line for line in text.split("\r\n") if re.match("(Via|From|To|Call-ID|CSeq):", line)]
                self.socket.sendto(("\r\n".join(["SIP/2.0 404 Not Found", *lines, "Content-Length: 0"]) +
                                    "\r\n\r\n").encode(), source)

    def kill(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"end", ("127.0.0.1", self.port))
        self.thread.join(5)
        self.socket.close()


def test_a_dead_trunk_is_noticed_passed_over_and_taken_back(world):
    first = world.add(Answerer())
    second = world.sipp("uas_answer")
    server = world.server({"main.yaml": document()}, extra=ACCESS,
                          trunks=trunk("carrier", first.port, extra=", probe: 1") + trunk("backup", second.port))
    assert state(server)["state"] == "up"
    first.silent = True
    down = server.wait_event("trunk.down")[0]
    assert down["trunk"] == "carrier" and down["why"] == "OPTIONS: no answer within 5 s" and down["level"] == "warn"
    assert state(server)["state"] == "down"
    began = time.monotonic()
    world.sipp("uac_talk", target=f"127.0.0.1:{server.sip_port}").done()
    assert time.monotonic() - began < 4, "the 5 s were not waited for"
    second.done()
    server.assert_all_legs_ended_once()
    assert not first.invites and not server.named("trunk failed")
    first.silent = False
    server.wait_event("trunk.up")
    assert state(server)["state"] == "up"
    server.stop()


def test_what_a_trusted_trunk_says_and_another_is_told(world):
    carrier = world.sipp("uas_answer")
    body = f"sections: {{main: [connect: {{answer_on_bridge: true, to: '+15551234567'}}]}}\n"
    extra = ", accept_from: 127.0.0.1/32, trust_identity: true"
    told = ", identity: pai, pass_headers: [Diversion, History-Info]"
    server = world.server({"main.yaml": body}, accept=NOBODY,
                          trunks=trunk("in", 9, prefix="+99", extra=extra) + trunk("out", carrier.port, extra=told))
    world.sipp("uac_identity", target=f"127.0.0.1:{server.sip_port}").done()
    carrier.done()
    assert server.assert_all_legs_ended_once() == 2
    assert {e["from"] for e in server.named("created")} == {"sip:+15557770000@carrier.test", "+15557770000"}
    got = carrier.messages()
    assert re.search(r"^From: <sip:\+15557770000@", got, re.M)
    assert re.search(r"^P-Asserted-Identity: <sip:\+15557770000@127.0.0.1>", got, re.M)
    assert "Diversion: <sip:+15558880000@carrier.test>;reason=unconditional" in got
    assert re.search(r"^History-Info: <sip:\+15558880000@carrier.test>;index=1, +<sip:main@carrier.test>;index=1.1", got,
                     re.M)
    for hidden in ("X-Secret", "inside", "P-Charging-Vector", "Wonderland"):
        assert hidden not in got
    server.stop()


def test_nobody_else_is_believed_and_nothing_is_passed_on_unasked(world):
    carrier = world.sipp("uas_answer")
    body = f"sections: {{main: [connect: {{answer_on_bridge: true, to: '+15551234567'}}]}}\n"
    server = world.server({"main.yaml": body}, trunks=trunk("out", carrier.port))
    world.sipp("uac_identity", target=f"127.0.0.1:{server.sip_port}").done()
    carrier.done()
    got = carrier.messages()
    assert re.search(r"^From: <sip:alice@", got, re.M)
    for hidden in ("P-Asserted-Identity", "+15557770000", "Diversion", "History-Info", "X-Secret", "P-Charging"):
        assert hidden not in got
    server.stop()


def test_a_redirect_is_followed_only_when_the_trunk_says_so(world):
    for follow in (True, False):
        moved = world.sipp("uas_answer")
        first = world.sipp("uas_302", keys={"next_port": moved.port})
        extra = ", follow_redirects: true" if follow else ""
        server = world.server({"main.yaml": document()}, trunks=trunk("first", first.port, extra=extra))
        world.sipp("uac_talk" if follow else "uac_480", target=f"127.0.0.1:{server.sip_port}").done()
        first.done()
        server.assert_all_legs_ended_once()
        assert len(server.named("created", direction="outbound")) == 1
        if follow:
            moved.done()
            assert f"INVITE sip:moved@127.0.0.1:{moved.port} SIP/2.0" in moved.messages()
        else:
            assert moved.messages() == ""
        server.stop()
        moved.kill()


def test_the_losers_of_a_race_are_told_that_it_was_answered_elsewhere(world):
    loser, winner = world.sipp("uas_ring"), world.sipp("uas_answer_slow")
    body = ("sections:\n  main:\n    - connect:\n        answer_on_bridge: true\n        parallel:\n"
            f"          - to: 'sip:a@127.0.0.1:{loser.port};transport=udp'\n"
            f"          - to: 'sip:b@127.0.0.1:{winner.port};transport=udp'\n")
    server = world.server({"main.yaml": body})
    world.sipp("uac_talk", target=f"127.0.0.1:{server.sip_port}").done()
    loser.done()
    winner.done()
    reasons = dict((line.split()[0], value) for line, value in header(loser.messages(), "Reason"))
    assert reasons["CANCEL"] == 'SIP;cause=200;text="Call completed elsewhere"'
    assert dict((line.split()[0], v) for line, v in header(winner.messages(), "Reason"))["BYE"] == \
        'Q.850;cause=16;text="Normal call clearing"'
    server.assert_all_legs_ended_once()
    server.stop()
