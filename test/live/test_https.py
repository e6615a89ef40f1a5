"""https: listeners of the control API, with curl, OpenSSL and the verbs: who is trusted, what is refused, what stays."""
import json
import os
import socket
import ssl
import subprocess
import time

import pytest

import harness
from test_control import ACCESS, PROJECT, TOKEN, WAITING, verb
from test_tls import Authority, rss_kib


@pytest.fixture
def authority(world):
    return Authority(world.folder / "authority")


def complaints(events):
    """What the log warns of, but for that this machine is busy."""
    return [e for e in events if e.get("level") in ("warn", "error") and "held the signalling loop" not in e["message"]]


class Https:
    """A server whose API is on https alone, but for the listener that the harness asks whether it is ready."""

    def __init__(self, world, authority, name="server", san="IP:127.0.0.1"):
        authority.issue(name, san)
        self.authority = authority
        self.port = harness.free_port()
        self.folder = authority.folder
        self.server = world.server({"main.yaml": WAITING}, extra=ACCESS)
        self.use(name, f"'http:127.0.0.1:{self.server.http_port}', ")
        self.reload(2)
        self.server.wait("the listener", lambda events: [e for e in events if e.get("message", "") ==
                                                         f"https: 127.0.0.1:{self.port} takes requests"])

    def use(self, name, plain=""):
        """Another certificate; the reload is the caller's."""
        lines = [line for line in self.server.config.read_text().splitlines() if not line.startswith("http:")]
        lines.append(f"http: {{listen: [{plain}'https:127.0.0.1:{self.port}'], tls: {{cert: {self.folder}/{name}.pem, "
                     f"key: {self.folder}/{name}.key, ca: {self.folder}/ca.pem}}}}")
        self.server.config.write_text("\n".join(lines) + "\n")

    def reload(self, number):
        self.server.process.send_signal(1)
        self.server.wait("the reload", lambda events: [e for e in events
                                                       if f"configuration {number}" in e.get("message", "")])

    def curl(self, *args, path="/readyz", ca=True, host="127.0.0.1"):
        done = subprocess.run(["curl", "-sS", "-m", "20", *(["--cacert", str(self.authority.ca)] if ca else []), *args,
                               f"https://{host}:{self.port}{path}"], capture_output=True, text=True, timeout=30)
        return done.returncode, done.stdout, done.stderr

    def context(self):
        return ssl.create_default_context(cafile=str(self.authority.ca))

    def subject(self):
        with socket.create_connection(("127.0.0.1", self.port), 20) as s, \
                self.context().wrap_socket(s, server_hostname="127.0.0.1") as tls:
            return dict(pair for part in tls.getpeercert()["subject"] for pair in part)["commonName"]


def test_curl_is_served_and_strangers_are_not(world, authority):
    w = Https(world, authority)
    assert w.curl()[:2] == (0, '{"status":"ready"}\n')
    for version in ("--tls-max 1.2", "--tlsv1.3"):
        assert w.curl(*version.split())[0] == 0, version
    code, out, _ = w.curl("-u", f"{PROJECT}:{TOKEN}", path="/api/crosspoint/calls")
    assert code == 0 and json.loads(out) == []
    assert w.curl("-o", "/dev/null", "-w", "%{http_code}", path="/api/crosspoint/calls")[1] == "401"

    # One connection carries many requests, HTTP/2 is not agreed on, and a body of some size comes whole.
    assert w.curl("-o", "/dev/null", "-o", "/dev/null", "-w", "%{num_connects} %{http_version} ",
                  f"https://127.0.0.1:{w.port}/healthz")[1] == "1 1.1 0 1.1 "
    large = world.folder / "large.json"
    large.write_text(json.dumps({"command": "dial", "params": {"to": "x" * 900000}}))
    code, out, _ = w.curl("-u", f"{PROJECT}:{TOKEN}", "-d", f"@{large}", path="/api/calling/calls")
    assert code == 0 and "errors" in json.loads(out)

    # Whoever does not trust the authority, or means another name, says nothing to it: curl's own codes.
    assert w.curl(ca=False)[0] == 60
    code, _, err = w.curl("--resolve", f"pbx.example.test:{w.port}:127.0.0.1", host="pbx.example.test")
    assert code == 60 and "pbx.example.test" in err
    with socket.create_connection(("127.0.0.1", w.port), 20) as s:
        s.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            assert b"HTTP" not in s.recv(4096)
        except ConnectionResetError:
            pass
    old = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{w.port}", "-tls1_1", "-cipher",
                          "DEFAULT@SECLEVEL=0"], stdin=subprocess.DEVNULL, capture_output=True, timeout=20)
    assert old.returncode and b"alert protocol version" in old.stderr
    assert not complaints(w.server.events)
    w.server.stop()


def test_verbs_ask_by_https(world, authority):
    """With the configuration alone, with options alone; an authority that is not known, and a name that is not its."""
    w = Https(world, authority)
    w.use("server")
    w.reload(3)
    code, out, err = verb(w.server, "calls", "--json")
    assert code == 0 and json.loads(out) == [], err
    code, out, err = verb(w.server, "call", "--json", "--to", "sip:nobody@127.0.0.1:9;transport=tcp", "--swml",
                          str(w.server.folder / "main.yaml"))
    assert code == 1 and [json.loads(line)["type"] for line in out.splitlines()][-1] == "ended", err

    def calls(*args, host="127.0.0.1", env=None):
        done = subprocess.run([str(harness.BINARY), "calls", "--server", f"https://{host}:{w.port}", "--project", PROJECT,
                               "--token", TOKEN, *args], capture_output=True, text=True, timeout=30, cwd=world.folder,
                              env={**os.environ, **(env or {})})
        return done.returncode, done.stderr

    assert calls("--ca", str(authority.ca)) == (0, "")
    assert calls(env={"SSL_CERT_FILE": str(authority.ca)}) == (0, "")
    code, err = calls()
    assert code == 3 and "unable to get local issuer certificate" in err and "--ca FILE" in err
    code, err = calls("--ca", str(authority.ca), host="localhost")
    assert code == 3 and "localhost" in err and "subject" in err
    w.server.stop()


def test_a_reload_takes_another_certificate(world, authority):
    w = Https(world, authority)
    assert w.subject() == "server"
    authority.issue("renewed")
    with socket.create_connection(("127.0.0.1", w.port), 20) as s, \
            w.context().wrap_socket(s, server_hostname="127.0.0.1") as kept:
        w.use("renewed")
        code, out, err = verb(w.server, "reload")
        assert code == 0, err
        deadline = time.monotonic() + harness.DEADLINE
        while w.subject() != "renewed":
            assert time.monotonic() < deadline
        kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert kept.recv(100).startswith(b"HTTP/1.1 200"), "a connection that stands keeps its certificate"

    # One that cannot be used changes nothing, and says so.
    (authority.folder / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    (authority.folder / "broken.key").write_text((authority.folder / "server.key").read_text())
    w.use("broken")
    code, _, err = verb(w.server, "reload")
    assert code == 1 and f"certificate {authority.folder}/broken.pem" in err, err
    assert w.subject() == "renewed"

    # The address stays, TLS goes: it is still taken by the listener that goes, so this needs two reloads.
    text = w.server.config.read_text()
    w.server.config.write_text(text.replace(f"'https:127.0.0.1:{w.port}'", f"'http:127.0.0.1:{w.port}'"))
    w.server.process.send_signal(1)
    w.server.wait("the refusal", lambda events: [e for e in events if f"http:127.0.0.1:{w.port}: Address already in use"
                                                 in json.dumps(e)])
    assert w.curl()[0] == 0
    w.server.stop()


def test_a_start_without_a_usable_key_is_refused(world, authority):
    authority.issue("server")
    authority.issue("other")
    folder = world.folder / "start"
    folder.mkdir()
    config = folder / "crosspoint.yaml"
    for key, want in ((f"{authority.folder}/other.key", "http.tls: key"), ("/nowhere.key", "http.tls: key /nowhere.key: ")):
        config.write_text(f"data: ./data\nsip: {{listen: ['udp:127.0.0.1:{harness.free_port()}']}}\n"
                          f"http: {{listen: 'https:127.0.0.1:{harness.free_port()}', "
                          f"tls: {{cert: {authority.folder}/server.pem, key: {key}}}}}\n")
        done = subprocess.run([str(harness.BINARY), "serve", "-c", str(config)], capture_output=True, text=True, timeout=30)
        assert done.returncode == 1 and want in done.stderr, done.stderr


def test_broken_handshakes_cost_nothing_that_stays(world, authority):
    w = Https(world, authority)
    at = ("127.0.0.1", w.port)
    hello_in, hello_out = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        w.context().wrap_bio(hello_in, hello_out, server_hostname="x.test").do_handshake()
    hello = hello_out.read()
    variants = [hello[:len(hello) // 2], hello, hello[:20] + b"\xff" * 40 + hello[60:], hello + b"\x00" * 500,
                b"GET / HTTP/1.0\r\n\r\n"]

    def descriptors():
        return len(os.listdir(f"/proc/{w.server.process.pid}/fd"))

    def broken(count):
        for i in range(count):
            with socket.create_connection(at, timeout=20) as s:
                s.sendall(variants[i % len(variants)])
                if i % len(variants):  # one by one, so that how many are open at once does not depend on the machine
                    try:
                        s.recv(1)
                    except ConnectionResetError:
                        pass
                if i % 2:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

    # Who says nothing, or half of a hello, is closed after 5 s; others are served meanwhile.
    began = time.monotonic()
    idle = [socket.create_connection(at, timeout=20) for _ in range(40)]
    for s in idle[::2]:
        s.sendall(hello[:50])
    assert w.curl()[0] == 0
    for s in idle:
        try:
            assert s.recv(100)[:1] in (b"", b"\x15")
        except ConnectionResetError:
            pass
        s.close()
    assert 4 < time.monotonic() - began < 9

    # What forty at once have taken from the allocator it may keep; a thousand more, one behind the other, add nothing.
    broken(200)
    before, open_before = rss_kib(w.server), descriptors()
    broken(1000)
    assert w.curl()[0] == 0
    deadline = time.monotonic() + harness.DEADLINE
    while descriptors() > open_before:
        assert time.monotonic() < deadline, f"{descriptors()} descriptors, {open_before} before"
        time.sleep(0.05)
    grown = rss_kib(w.server) - before
    print(f"1000 broken handshakes: {grown} KiB more")
    if b"__asan_init" not in harness.BINARY.read_bytes():  # that keeps what was freed
        assert grown <= 1024, f"{grown} KiB stay"
    assert not complaints(w.server.events)
    w.server.stop()
