"""DNS rebinding: a name that leads to an allowed address at one look-up and to a private one at the next. A name server
of the test's own answers by turns; 127.0.0.2 is allowed here and stands for the world, 127.0.0.3 for what is private."""
import errno
import os
import pathlib
import random
import socket
import struct
import subprocess
import threading

import pytest

import harness
from test_control import verb
from test_webhooks import PROJECT, Receiver, document, given_up

FINE, PRIVATE = "127.0.0.2", "127.0.0.3"
SETTINGS = f"projects:\n  - {{id: {PROJECT}, token: PT-x}}\nwebhooks: {{allow_hosts: [{FINE}/32]}}\n"


class Turns:
    """A name server: each name has a list of answers, one a look-up (a list of IPv4 addresses); the last goes on."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.address = self._bind()
        self.names, self.asked = {}, {}
        self.over = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _bind(self):
        while True:  # one that nobody beside us has taken
            address = f"127.{random.randrange(1, 255)}.{random.randrange(255)}.{random.randrange(1, 255)}"
            try:
                self.socket.bind((address, 53))
                return address
            except OSError as e:
                if e.errno != errno.EADDRINUSE:
                    raise

    def _run(self):
        while True:
            data, who = self.socket.recvfrom(4096)
            if self.over:
                return
            self.socket.sendto(self._answer(data, who), who)

    def _answer(self, data, who):
        at, labels = 12, []
        while data[at]:
            labels.append(data[at + 1:at + 1 + data[at]].decode().lower())
            at += 1 + data[at]
        question, (kind,) = data[12:at + 5], struct.unpack(">H", data[at + 1:at + 3])
        turns = self.names.get(".".join(labels))
        addresses = []
        if turns and kind == 1:
            seen = self.asked.setdefault(".".join(labels), [])
            if (who, data[:2]) not in seen:  # a repetition is no other look-up
                seen.append((who, data[:2]))
            addresses = turns[min(seen.index((who, data[:2])), len(turns) - 1)]
        head = data[:2] + struct.pack(">HHHHH", 0x8180 if turns else 0x8183, 1, len(addresses), 0, 0)
        return head + question + b"".join(b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 0, 4) + socket.inet_aton(a)
                                          for a in addresses)

    def kill(self):
        self.over = True
        self.socket.sendto(b"", (self.address, 53))
        self.thread.join()
        self.socket.close()


class Private:
    """Listens and takes nothing: whoever connects has gone where he may not."""

    def __init__(self, port):
        self.socket = socket.create_server((PRIVATE, port), backlog=16)
        self.socket.setblocking(False)

    def was_met(self):
        try:
            self.socket.accept()[0].close()
        except BlockingIOError:
            return False
        return True

    def kill(self):
        self.socket.close()


def may_bind_resolv_conf():
    return os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0


@pytest.fixture
def stage(world):
    """The server asks our name server, in a mount namespace of its own; both addresses listen on two ports."""
    if not may_bind_resolv_conf():
        pytest.skip("another resolv.conf for the server alone takes root and mount namespaces")

    class Stage:
        def __init__(self):
            self.names = world.add(Turns())
            self.names.names["fine.test"] = [[FINE]]
            self.first, self.second = world.add(Receiver(host=FINE)), world.add(Receiver(host=FINE))
            self.private = [world.add(Private(r.port)) for r in (self.first, self.second)]
            resolv = pathlib.Path(world.folder / "resolv.conf")
            resolv.write_text(f"nameserver {self.names.address}\noptions timeout:5 attempts:2\n")
            self.prefix = ["unshare", "--mount", "--propagation", "private", "sh", "-c",
                           'mount --bind "$0" /etc/resolv.conf && exec "$@"', str(resolv)]

        def call(self, hook, status):
            """One call: its connect tells one URL; when that is over it is hung up, and its leg's end goes to another."""
            peer = world.sipp("uas_ring")
            server = world.server({"main.yaml": document(peer.port, hook, status, events="[ended]")}, extra=SETTINGS,
                                  prefix=self.prefix)
            world.sipp("uac_listen", target=f"127.0.0.1:{server.sip_port}")
            server.wait("the first webhook", lambda _: self.first.taken or self.second.taken
                        or server.named("webhook given up"))
            done = verb(server, "hangup", server.wait_event("created", direction="inbound")[0]["call_id"])
            assert done[0] == 0, done
            server.wait_event("ended", 2)
            return server

        def end(self, server):
            server.stop()
            assert not any(p.was_met() for p in self.private), "somebody connected to the private address"

    return Stage()


def refused(name, address=PRIVATE):
    return f"{address} is a private address and {name} is not in webhooks.allow_hosts"


def test_allowed_at_first_then_private(stage):
    """connecting is delivered; the leg's end goes by another port, which libcurl looks up anew."""
    stage.names.names["turn.test"] = [[FINE], [PRIVATE]]
    server = stage.call(f"http://turn.test:{stage.second.port}/hook", f"http://turn.test:{stage.first.port}/status")
    line = given_up(server, 1)[0]
    stage.first.wait_taken(2)
    assert len(stage.names.asked["turn.test"]) == 2
    stage.end(server)
    assert line["why"] == refused("turn.test") and line["attempts"] == "1"
    assert [r.state for r in stage.first.taken] == ["connecting", "failed"] and not stage.second.requests
    assert len(server.named("webhook given up")) == 1


def test_private_at_first_then_allowed(stage):
    """What was refused once is judged anew by what it leads to then, and nothing else is."""
    stage.names.names["turn.test"] = [[PRIVATE], [FINE]]
    server = stage.call(f"http://turn.test:{stage.second.port}/hook", f"http://turn.test:{stage.first.port}/status")
    stage.second.wait_taken(1)
    lines = given_up(server, 2)
    stage.end(server)
    assert {line["why"] for line in lines} == {refused("turn.test")}
    assert [r.state for r in stage.second.taken] == ["ended"] and not stage.first.requests


def test_both_in_one_answer(stage):
    """The private one is left out, whichever comes first."""
    stage.names.names["both.test"] = [[PRIVATE, FINE]]
    stage.names.names["htob.test"] = [[FINE, PRIVATE]]
    server = stage.call(f"http://both.test:{stage.second.port}/hook", f"http://htob.test:{stage.first.port}/status")
    stage.first.wait_taken(2)
    stage.second.wait_taken(1)
    stage.end(server)
    assert not server.named("webhook given up")


@pytest.mark.parametrize("turns, location", [
    ([[FINE], [PRIVATE]], "http://turn.test:{port}/there"),
    ([[FINE]], "http://TURN2.test.:{port}/there"),
    ([[FINE]], "http://127.0.0.3:{port}/there"),
    ([[FINE]], "http://2130706435:{port}/there"),
    ([[FINE]], "http://0x7f.3:{port}/there"),
    ([[FINE]], "http://[::ffff:127.0.0.3]:{port}/there"),
], ids=["same-name", "other-name", "literal", "decimal", "hexadecimal", "mapped"])
def test_a_redirect_is_judged_anew(stage, turns, location):
    stage.names.names["turn.test"] = turns
    stage.names.names["turn2.test"] = [[PRIVATE]]
    there = location.format(port=stage.second.port)
    stage.first.behave = lambda request, n: there if request.path == "/hook" else 200
    server = stage.call(f"http://turn.test:{stage.first.port}/hook", f"http://fine.test:{stage.first.port}/status")
    line = given_up(server, 1)[0]
    stage.first.wait_taken(2)
    stage.end(server)
    assert " is a private address and " in line["why"] and line["attempts"] == "1", line
    assert not stage.second.requests and [r.path for r in stage.first.requests].count("/hook") == 1


def test_a_redirect_may_go_where_the_name_leads_now(stage):
    stage.names.names["turn.test"] = [[FINE]]
    there = f"http://turn.test:{stage.second.port}/there"
    stage.first.behave = lambda request, n: there if request.path == "/hook" else 200
    server = stage.call(f"http://turn.test:{stage.first.port}/hook", f"http://fine.test:{stage.first.port}/status")
    stage.second.wait_taken(1)
    stage.end(server)
    assert not server.named("webhook given up") and len(stage.names.asked["turn.test"]) == 2
