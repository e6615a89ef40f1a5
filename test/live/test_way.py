"""Where requests go: a real name server whose first targets are dead, large requests, IPv6, keep-alives, thousands of
idle connections. SIPp is the far end."""
import os
import pathlib
import resource
import socket
import ssl
import struct
import subprocess
import time

import pytest

import harness
import phone
from test_audio import assert_tone, wait_for_sound
from test_tls import authority  # noqa: F401, a fixture


def document(uri, extra=""):
    return f"sections:\n  main:\n    - connect:\n        answer_on_bridge: true\n        to: '{uri}'\n{extra}"


class NameServer:
    """dnsmasq with the records of one test and nothing else."""

    def __init__(self, folder, records):
        self.port = harness.free_port()
        self.log = pathlib.Path(folder) / "dnsmasq.log"
        command = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
                   f"--port={self.port}", "--listen-address=127.0.0.1", "--bind-interfaces", "--pid-file=",
                   "--local=/test/", "--log-queries", f"--log-facility={self.log}"] + list(records)
        if os.geteuid() == 0:
            command += ["--user=root"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        start_new_session=True)
        self._wait()

    def _wait(self):
        question = struct.pack(">HHHHHH", 1, 256, 1, 0, 0, 0) + b"\1x\4test\0" + struct.pack(">HH", 1, 1)
        end = time.monotonic() + harness.DEADLINE
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.2)
            s.connect(("127.0.0.1", self.port))
            while time.monotonic() < end:
                try:
                    s.send(question)
                    s.recv(512)
                    return
                except OSError:
                    assert self.process.poll() is None, "dnsmasq went"
        raise AssertionError("dnsmasq does not answer")

    def config(self):
        return f"dns: {{servers: ['127.0.0.1:{self.port}']}}\n"

    def asked(self, kind, name):
        return self.log.read_text().count(f"query[{kind}] {name} ")

    def kill(self):
        harness.kill_group(self.process)


def srv(service, target, port, priority, weight=0):
    return f"--srv-host={service},{target},{port},{priority},{weight}"


@pytest.fixture
def names(world):
    return lambda *records: world.add(NameServer(world.folder, records))


@pytest.fixture
def dead():
    """Somebody listens and says nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        s.setblocking(False)
        yield s


def heard(s):
    """Datagrams that came since the last look."""
    count = 0
    while True:
        try:
            count += s.recv(65536).startswith(b"INVITE")
        except BlockingIOError:
            return count


def call(world, server, **kw):
    caller = world.sipp("uac_talk", target=f"127.0.0.1:{server.sip_port}", **kw)
    caller.done()


def test_a_dead_first_target_and_the_second_call(world, names, dead):
    good = world.sipp("uas_answer", calls=2)
    dns = names(srv("_sip._udp.svc.test", "a.test", dead.getsockname()[1], 10),
                srv("_sip._udp.svc.test", "b.test", good.port, 20),
                "--host-record=a.test,127.0.0.1", "--host-record=b.test,127.0.0.1")
    server = world.server({"main.yaml": document("sip:bob@svc.test;transport=udp")}, extra=dns.config())
    call(world, server)
    assert heard(dead) == 3  # at 0, 0.5 and 1.5 s
    call(world, server)  # within half a minute: not asked again
    assert heard(dead) == 0
    good.done()
    assert server.assert_all_legs_ended_once() == 4
    assert {e["cause"] for e in server.named("ended")} == {"hangup"}
    passed = [e for e in server.events if "is passed over for" in e.get("message", "")]
    assert len(passed) == 1 and passed[0]["message"].endswith(": no response")
    assert dns.asked("NAPTR", "svc.test") == 0  # the URI names the transport
    server.stop()


def test_a_503_and_a_refused_connection_are_followed(world, names):
    overloaded, good = world.sipp("uas_503", transport="t1"), world.sipp("uas_answer", transport="t1")
    closed = harness.free_port()
    dns = names(srv("_sip._tcp.svc.test", "a.test", closed, 10), srv("_sip._tcp.svc.test", "a.test", overloaded.port, 20),
                srv("_sip._tcp.svc.test", "a.test", good.port, 30), "--host-record=a.test,127.0.0.1")
    server = world.server({"main.yaml": document("sip:bob@svc.test;transport=tcp")}, extra=dns.config())
    call(world, server)
    overloaded.done()  # it had its ACK
    good.done()
    assert server.assert_all_legs_ended_once() == 2
    assert len([e for e in server.events if "is passed over for" in e.get("message", "")]) == 2
    server.stop()


def test_all_targets_dead_is_one_failed_leg(world, names):
    first, second = harness.free_port(), harness.free_port()
    dns = names(srv("_sip._tcp.svc.test", "a.test", first, 10), srv("_sip._tcp.svc.test", "a.test", second, 20),
                "--host-record=a.test,127.0.0.1")
    server = world.server({"main.yaml": document("sip:bob@svc.test;transport=tcp")}, extra=dns.config())
    world.sipp("uac_480", target=f"127.0.0.1:{server.sip_port}").done()
    server.assert_all_legs_ended_once()
    end = server.named("ended", direction="outbound")
    assert len(end) == 1 and end[0]["cause"] == "error"
    assert f"127.0.0.1:{second}" in end[0]["why"] and "refused" in end[0]["why"]
    server.stop()


@pytest.mark.parametrize("uri,transport,asked", [("sip:bob@svc.test", "t1", 1), ("sip:bob@svc.test;transport=udp", "u1", 0)])
def test_naptr_decides_where_the_uri_does_not(world, names, uri, transport, asked):
    good = world.sipp("uas_answer", transport=transport)
    dns = names("--naptr-record=svc.test,20,10,s,SIP+D2U,,_sip._udp.svc.test",
                "--naptr-record=svc.test,10,10,s,SIP+D2T,,_sip._tcp.svc.test",
                "--naptr-record=svc.test,5,10,s,SIPS+D2T,,_sips._tcp.svc.test",  # there is no TLS listener here
                srv("_sip._tcp.svc.test", "a.test", good.port, 10), srv("_sip._udp.svc.test", "a.test", good.port, 10),
                "--host-record=a.test,127.0.0.1")
    server = world.server({"main.yaml": document(uri)}, extra=dns.config())
    call(world, server)
    good.done()
    assert dns.asked("NAPTR", "svc.test") == asked
    server.assert_all_legs_ended_once()
    server.stop()


LARGE = "        headers: {" + ", ".join(f'X-Large-{i}: "{"x" * 200}"' for i in range(6)) + "}\n"


def test_a_large_invite_goes_over_tcp(world):
    callee = world.sipp("uas_answer", transport="t1")
    server = world.server({"main.yaml": document(f"sip:bob@127.0.0.1:{callee.port};transport=udp", LARGE)}, level="debug")
    call(world, server)
    callee.done()
    assert "Via: SIP/2.0/TCP " in callee.messages() and "X-Large-5: xxx" in callee.messages()
    assert [e for e in server.events if "bytes goes to 127.0.0.1" in e.get("message", "")]
    server.assert_all_legs_ended_once()
    server.stop()


def test_a_large_invite_falls_back_to_udp(world):
    callee = world.sipp("uas_answer", calls=2)
    server = world.server({"main.yaml": document(f"sip:bob@127.0.0.1:{callee.port};transport=udp", LARGE)})
    call(world, server)
    call(world, server)
    callee.done()
    assert "Via: SIP/2.0/UDP " in callee.messages() and "X-Large-5: xxx" in callee.messages()
    assert len([e for e in server.events if "takes no TCP" in e.get("message", "")]) == 1
    server.assert_all_legs_ended_once()
    server.stop()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_ipv6_by_name(world, names, transport):
    """IPv4 comes first in the list, and there is no listener for it."""
    sipp = {"udp": "u1", "tcp": "t1"}[transport]
    callee = world.sipp("uas_answer", host="::1", transport=sipp)
    dns = names("--host-record=dual.test,127.0.0.1,::1", srv(f"_sip._{transport}.svc.test", "dual.test", callee.port, 10))
    server = world.server({"main.yaml": document(f"sip:bob@svc.test;transport={transport}")}, sip_host="::1",
                          extra=dns.config())
    world.sipp("uac_talk", target=f"[::1]:{server.sip_port}", host="::1", transport=sipp).done()
    callee.done()
    text = callee.messages()
    assert f"Via: SIP/2.0/{transport.upper()} [::1]:{server.sip_port};" in text and "c=IN IP6 ::1" in text
    assert "Contact: <sip:[::1]:" in text
    server.assert_all_legs_ended_once()
    server.stop()


def test_phones_hear_each_other_over_ipv6(world):
    bob = world.add(phone.Phone(world.folder, "bob", 1000, host="::1"))
    alice = world.add(phone.Phone(world.folder, "alice", 440, auto=False, host="::1"))
    server = world.server({"main.yaml": document(f"sip:bob@[::1]:{bob.port};transport=udp")}, sip_host="::1")
    alice.command("dial", f"sip:main@[::1]:{server.sip_port};transport=udp")
    server.wait_event("connected")
    wait_for_sound(alice, 1.5)
    wait_for_sound(bob, 1.5)
    alice.command("hangup")
    server.wait_event("ended", count=2)
    alice.quit()
    bob.quit()
    server.assert_all_legs_ended_once()
    assert_tone(alice, 1000, 440)
    assert_tone(bob, 440, 1000)
    server.stop()


def test_tls_over_ipv6(world, authority):
    server = world.server({"main.yaml": document("sip:bob@127.0.0.1:9")}, sip_host="::1",
                          tls=authority.issue("server", san="IP:::1"))
    context = ssl.create_default_context(cafile=str(authority.ca))
    with socket.create_connection(("::1", server.tls_port), timeout=harness.DEADLINE) as raw:
        with context.wrap_socket(raw, server_hostname="::1") as s:
            s.sendall(b"OPTIONS sip:[::1] SIP/2.0\r\nVia: SIP/2.0/TLS [2001:db8::9];branch=z9hG4bK1;rport\r\n"
                      b"From: <sip:a@[::1]>;tag=1\r\nTo: <sip:[::1]>\r\nCall-ID: six\r\nCSeq: 1 OPTIONS\r\n"
                      b"Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n")
            answer = s.recv(4096).decode()
            port = s.getsockname()[1]
    assert answer.startswith("SIP/2.0 200 ") and ";received=::1" in answer and f";rport={port}" in answer
    server.stop()


def test_keep_alives_are_answered(world):
    server = world.server({"main.yaml": document("sip:bob@127.0.0.1:9")})
    with socket.create_connection(("127.0.0.1", server.sip_port), timeout=harness.DEADLINE) as s:
        s.sendall(b"\r\n\r\n")
        assert s.recv(10) == b"\r\n"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(harness.DEADLINE)
        s.connect(("127.0.0.1", server.sip_port))
        s.send(struct.pack(">HHI", 1, 0, 0x2112A442) + b"0123456789ab")
        answer = s.recv(512)
        assert answer[:2] == b"\1\1" and answer[8:20] == b"0123456789ab"
        port, = struct.unpack(">H", answer[26:28])
        assert port ^ 0x2112 == s.getsockname()[1]
    server.stop()


def resident_kib(pid):
    return int(next(line.split()[1] for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
                    if line.startswith("VmRSS")))


def test_5000_idle_and_slow_connections_do_not_disturb_calls(world):
    """100 each from 50 addresses: half say nothing, half have sent part of a request and go on byte by byte."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 11000:
        pytest.skip("the limit of open files is too low")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    part = b"INVITE sip:main@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK"
    callee = world.sipp("uas_answer", calls=5)
    server = world.server({"main.yaml": document(f"sip:bob@127.0.0.1:{callee.port};transport=udp")})
    before = resident_kib(server.process.pid)
    idle, slow = [], []
    try:
        for host in range(50):
            for i in range(100):
                s = socket.socket()
                s.bind((f"127.0.1.{host + 1}", 0))
                s.connect(("127.0.0.1", server.sip_port))
                (slow if i % 2 else idle).append(s)
                if i % 2:
                    s.sendall(part)
        for s in slow:
            s.send(b"x")
        call(world, server, calls=5)
        for s in slow:
            s.send(b"y")
        callee.done()
        alive = [s for s in idle + slow if not is_closed(s)]
        assert len(alive) == 5000
        # the 101st of an address is turned away
        with socket.socket() as s:
            s.bind(("127.0.1.1", 0))
            s.connect(("127.0.0.1", server.sip_port))
            s.settimeout(harness.DEADLINE)
            assert s.recv(1) == b""
        # the buffer of a half message and what the sanitizers add; one real kilobyte a connection otherwise
        assert resident_kib(server.process.pid) - before < 100 * 1024
        assert server.assert_all_legs_ended_once() == 10
    finally:
        for s in idle + slow:
            s.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    server.stop()


def is_closed(s):
    s.setblocking(False)
    try:
        return s.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
