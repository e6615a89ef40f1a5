"""Subscribers of the built server: SIPp, baresip and phones by hand register, call and are called; Kamailio stands at
the edge; a guesser is refused in the end."""
import base64
import json
import pathlib
import re
import shutil
import subprocess
import time
import urllib.request

import pytest

import harness
import phone
import registrant

ACCOUNTS = """projects: [{id: p, token: t}]
resources:
  /public/alice: {subscriber: {password: secret}}
  /public/bob: {subscriber: {password: hunter2}}
"""
TO_BOB = "sections:\n  main:\n    - connect: {to: /public/bob, answer_on_bridge: true, timeout: 10}\n"


def start(world, **kw):
    """Nobody is a trunk's but 127.0.0.9: whoever calls from elsewhere is asked for a password."""
    kw.setdefault("accept", "127.0.0.9/32")
    kw.setdefault("routes", [("bob", "bob.yaml")])
    kw.setdefault("sip", "digest: [SHA-256, MD5]")
    return world.server({"bob.yaml": TO_BOB}, domain="example.test", extra=kw.pop("extra", "") + ACCOUNTS, **kw)


# SIPp 3.6 and baresip 1.0 give up when a challenge has more than MD5, against RFC 3261 §22.1.
ONLY_MD5 = "digest: MD5"


def registrations(server):
    r = urllib.request.Request(f"http://127.0.0.1:{server.http_port}/api/crosspoint/registrations",
                               headers={"Authorization": "Basic " + base64.b64encode(b"p:t").decode()})
    with urllib.request.urlopen(r, timeout=harness.DEADLINE) as answer:
        return json.load(answer)


def metric(server, name):
    return int(re.search(rf"^{name} (\d+)$", server.http("/metrics")[1], re.M).group(1))


@pytest.mark.parametrize("algorithm", ["SHA-256", "MD5"])
@pytest.mark.parametrize("tcp", [False, True])
def test_register_fetch_and_leave(world, algorithm, tcp):
    server = start(world)
    p = world.add(registrant.Registrant(server, "bob", "hunter2", tcp=tcp))
    ok = p.register(algorithm=algorithm)
    assert ok.status == 200 and ok.get("Contact").endswith(";expires=3600")
    listed = registrations(server)
    assert [(r["aor"], r["transport"], r["source"]) for r in listed] == [
        ("sip:bob@example.test", "tcp" if tcp else "udp", f"127.0.0.1:{p.port}")]
    assert 3500 < listed[0]["expires"] <= 3600 and "hunter2" not in json.dumps(listed)
    assert metric(server, "crosspoint_sip_registered") == 1
    # the nonce counts on; a question lists, and a second contact joins
    assert p.register("", algorithm=algorithm).get("Contact") == ok.get("Contact")
    more = p.register("Contact: <sip:bob@127.0.0.1:9>;q=0.5;expires=120\r\n", algorithm=algorithm)
    assert len(more.all("Contact")) == 2
    short = p.register("Contact: <sip:bob@127.0.0.1:9>;expires=59\r\n", algorithm=algorithm)
    assert (short.status, short.get("Min-Expires")) == (423, "60")
    assert p.register("Contact: *\r\n", algorithm=algorithm).status == 400
    gone = p.register("Contact: *\r\nExpires: 0\r\n", algorithm=algorithm)
    assert gone.status == 200 and not gone.all("Contact")
    assert registrations(server) == []
    if tcp:  # a connection that goes takes its binding along
        assert p.register(algorithm=algorithm).status == 200
        p.kill()
        server.wait("the end of the binding", lambda _: registrations(server) == [])
    server.stop()


def test_wrong_answers(world):
    server = start(world)
    p = world.add(registrant.Registrant(server, "bob", "hunter2"))
    assert p.register(password="wrong").status == 401
    # replayed, and somebody else's address with one's own password
    p.nonce = None
    assert p.register().status == 200
    p.nc -= 1
    again = p.register()
    assert again.status == 401 and "stale=true" in again.get("WWW-Authenticate")
    p.nonce = None
    assert p.register(user="alice", password="secret").status == 403
    # unknown and wrong look alike
    p.nonce = None
    unknown = p.register(user="nobody")
    wrong = p.register(password="x")
    assert (unknown.first, sorted(n for n, _ in unknown.headers)) == (wrong.first, sorted(n for n, _ in wrong.headers))
    assert "hunter2" not in "\n".join(server.raw) and "secret" not in "\n".join(server.raw)
    server.stop()


def test_a_guesser_is_refused_and_others_are_not(world):
    server = start(world)
    victim = world.add(registrant.Registrant(server, "bob", "hunter2", host="127.0.0.2"))
    assert victim.register().status == 200
    guesser = world.add(registrant.Registrant(server, "bob", "hunter2", host="127.0.0.3"))
    statuses = [guesser.register(password=f"guess{i}").status for i in range(30)]
    assert statuses[:20] == [401] * 20 and statuses[20:] == [403] * 10
    assert guesser.register().status == 403  # the right one says nothing
    victim.nonce = None
    assert victim.register().status == 200
    assert metric(server, "crosspoint_sip_wrong_passwords_total") == 20
    assert len(server.wait_event("refused after too many wrong passwords", source=f"127.0.0.3:{guesser.port}")) == 1
    server.stop()


def test_sipp_registers_many(world):
    """With the digest of somebody else."""
    server = start(world, sip=ONLY_MD5)
    world.sipp("uac_register", target=f"127.0.0.1:{server.sip_port}", user="bob", calls=200, rate=200,
               keys={"seconds": 600}).done()
    assert len(registrations(server)) == 1
    told = subprocess.run([str(harness.BINARY), "registrations", "-c", str(server.config)], capture_output=True, text=True,
                          check=True).stdout.splitlines()
    assert len(told) == 2 and re.match(r"udp +\d+ +127\.0\.0\.1:\d+ +sip:bob@example\.test > sip:bob@127", told[1])
    server.stop()


def test_two_phones_ring_and_one_answers(world):
    server = start(world, accept="127.0.0.0/8")
    answers, rings = world.sipp("uas_answer"), world.sipp("uas_ring")
    p = world.add(registrant.Registrant(server, "bob", "hunter2"))
    # a Via without rport: the phone does not ask for the source port, so the ports of its contacts count
    contacts = ", ".join(f"<sip:bob@127.0.0.1:{s.port}>" for s in (rings, answers))
    assert p.register(f"Contact: {contacts}\r\n", rport="").status == 200
    world.sipp("uac_talk", target=f"127.0.0.1:{server.sip_port}", user="bob").done()
    for s in (answers, rings):
        s.done()
    assert server.assert_all_legs_ended_once() == 3
    assert [e["cause"] for e in server.named("ended", direction="outbound")].count("cancel") == 1
    assert "To: <sip:bob@example.test>" in answers.messages()
    server.stop()


def wait_for_talk(server, *phones):
    """Each has recorded a second of what it hears."""
    server.wait("a second of talk", lambda _: all(
        any(f.stat().st_size > 16044 for f in p.folder.glob("dump-*-dec.wav")) for p in phones))


def account(server, user, password, transport="udp"):
    return (f"<sip:{user}@example.test;transport={transport}>;auth_user={user};auth_pass={password};regint=600;"
            f"outbound=\"sip:127.0.0.1:{server.sip_port};transport={transport}\"")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_baresip_registers_calls_and_is_called(world, transport):
    server = start(world, sip=ONLY_MD5)
    bob = world.add(phone.Phone(world.folder, "bob", 800, account=account(server, "bob", "hunter2", transport)))
    alice = world.add(phone.Phone(world.folder, "alice", 500, account=account(server, "alice", "secret", transport)))
    server.wait("two registrations", lambda _: len(registrations(server)) == 2)
    alice.command("dial", "sip:bob@example.test")
    connected = server.wait_event("connected")[0]
    created = server.named("created", direction="inbound")[0]
    assert created["from"] == "sip:alice@example.test"
    assert connected["to"] == "sip:bob@example.test"
    wait_for_talk(server, alice, bob)
    alice.command("hangup")
    assert server.assert_all_legs_ended_once() == 2
    for p in (alice, bob):
        p.quit()
    for listener, hz in ((alice, 800), (bob, 500)):
        samples, rate = listener.heard()
        assert phone.energy(samples[rate // 4:], rate, hz) > 0.5
    # who quits, unregisters
    server.wait("no registrations", lambda _: registrations(server) == [])
    server.stop()


def test_a_call_without_a_password_is_challenged(world):
    server = start(world)
    p = world.add(registrant.Registrant(server, "alice", "secret"))
    assert p.challenge(method="INVITE", uri="sip:bob@example.test").status == 401
    assert not server.named("created")
    server.stop()


def test_nobody_registered_is_no_answer(world):
    server = start(world, accept="127.0.0.0/8")
    world.sipp("uac_480", target=f"127.0.0.1:{server.sip_port}", user="bob").done()
    assert server.wait_event("failed")[0]["reason"] == "no_answer"
    server.assert_all_legs_ended_once()
    server.stop()


def test_a_route_may_lead_to_an_address(world):
    server = start(world, accept="127.0.0.0/8", extra="  - {match: desk, address: /bob}\n")
    callee = world.sipp("uas_answer")
    p = world.add(registrant.Registrant(server, "bob", "hunter2"))
    assert p.register(f"Contact: <sip:bob@127.0.0.1:{callee.port}>\r\n", rport="").status == 200
    world.sipp("uac_talk", target=f"127.0.0.1:{server.sip_port}", user="desk").done()
    callee.done()
    assert server.assert_all_legs_ended_once() == 2
    server.stop()


KAMAILIO = """#!KAMAILIO
debug=0
log_stderror=yes
fork=no
children=1
listen=udp:127.0.0.1:{port}
mpath="{modules}"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "path.so"
loadmodule "pv.so"
loadmodule "siputils.so"
loadmodule "textops.so"
loadmodule "maxfwd.so"
modparam("path", "use_received", 1)
request_route {{
  if (is_method("REGISTER")) {{
    add_path_received();
    $du = "sip:127.0.0.1:{server}";
    t_relay();
    exit;
  }}
  if (has_totag() || is_method("CANCEL")) {{
    loose_route();
    t_relay();
    exit;
  }}
  loose_route();
  record_route();
  t_relay();
  exit;
}}
"""


class Kamailio:
    def __init__(self, folder, server_port):
        self.port = harness.free_port()
        modules = subprocess.run(["sh", "-c", "ls -d /usr/lib/*/kamailio/modules | head -1"], capture_output=True,
                                 text=True, check=True).stdout.strip()
        config = folder / "kamailio.cfg"
        config.write_text(KAMAILIO.format(port=self.port, server=server_port, modules=modules))
        self.log = open(folder / "kamailio.log", "w")
        self.process = subprocess.Popen(["timeout", "-k", "2", "60", "kamailio", "-f", str(config), "-DD", "-E", "-Y",
                                         str(folder), "-m", "32", "-M", "8"], stdout=self.log, stderr=self.log,
                                        start_new_session=True)
        self._wait_bound()

    def _wait_bound(self):
        """A phone that registers too early tries again half a minute later."""
        end = time.monotonic() + harness.DEADLINE
        while f":{self.port:04X} " not in pathlib.Path("/proc/net/udp").read_text():
            assert self.process.poll() is None and time.monotonic() < end, "kamailio did not start"
            time.sleep(0.02)

    def kill(self):
        harness.kill_group(self.process)
        self.log.close()


@pytest.mark.skipif(not shutil.which("kamailio"), reason="no kamailio")
def test_kamailio_at_the_edge_adds_a_path(world):
    server = start(world, sip=ONLY_MD5)
    edge = world.add(Kamailio(world.folder, server.sip_port))
    line = (f"<sip:bob@example.test;transport=udp>;auth_user=bob;auth_pass=hunter2;regint=600;"
            f"outbound=\"sip:127.0.0.1:{edge.port};transport=udp\"")
    bob = world.add(phone.Phone(world.folder, "bob", 800, account=line))
    server.wait("a registration through the edge", lambda _: registrations(server))
    listed = registrations(server)[0]
    assert listed["path"] and listed["source"] == f"127.0.0.1:{edge.port}"
    alice = world.add(phone.Phone(world.folder, "alice", 500, account=account(server, "alice", "secret")))
    server.wait("two registrations", lambda _: len(registrations(server)) == 2)
    alice.command("dial", "sip:bob@example.test")
    server.wait_event("connected")
    wait_for_talk(server, alice, bob)
    bob.command("hangup")  # its BYE comes by the edge
    assert server.assert_all_legs_ended_once() == 2
    for p in (alice, bob):
        p.quit()
    server.stop()
