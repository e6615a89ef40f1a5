"""SIP over TLS with real parts: baresip calls and is called, OpenSSL and bare sockets misbehave."""
import pathlib
import socket
import ssl
import subprocess
import threading
import time

import pytest

import harness
import phone
from test_audio import assert_tone, wait_for_sound

TO_BOB = "sections:\n  main:\n    - connect:\n        to: '{uri}'\n        answer_on_bridge: true\n"


def openssl(*args, cwd):
    subprocess.run(["openssl", *args], cwd=cwd, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.PIPE)


class Authority:
    """A certificate authority in a folder, and what it signs."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        self.ca = self.folder / "ca.pem"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", "/CN=Test CA", "-keyout", "ca.key", "-out", "ca.pem", cwd=self.folder)

    def issue(self, name, san="IP:127.0.0.1", days=2):
        """name.pem, name.key and both in name.both; returns the settings for sip.tls."""
        (self.folder / f"{name}.ext").write_text(f"subjectAltName={san}\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                "-keyout", f"{name}.key", "-out", f"{name}.csr", cwd=self.folder)
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-days", str(days), "-extfile", f"{name}.ext", "-out", f"{name}.pem", cwd=self.folder)
        (self.folder / f"{name}.both").write_text((self.folder / f"{name}.pem").read_text()
                                                  + (self.folder / f"{name}.key").read_text())
        return (f"{{cert: {self.folder}/{name}.pem, key: {self.folder}/{name}.key, ca: {self.ca}}}")


class TlsPhone(phone.Phone):
    """A baresip with a certificate; its TLS port is the one above its port."""

    def __init__(self, folder, name, tone, authority, auto=True):
        self.folder = pathlib.Path(folder) / name
        self.folder.mkdir(parents=True)
        self.port = harness.free_pair()
        self.tls_port = self.port + 1
        self.control = harness.free_port()
        phone.write_tone(self.folder / "tone.wav", tone)
        rtp = harness.free_port() & ~1
        (self.folder / "config").write_text(phone.CONFIG.format(
            host="127.0.0.1", port=self.port, folder=self.folder, rtp=rtp, rtp_end=rtp + 40,
            control=self.control, name=name, codec_module="g722.so")
            + f"sip_certificate {authority.folder}/{name}.both\nsip_cafile {authority.ca}\n")
        (self.folder / "accounts").write_text(
            f"<sip:{name}@127.0.0.1:{self.tls_port};transport=tls>;regint=0;"
            f"answermode={'auto' if auto else 'manual'};audio_codecs=PCMU/8000/1\n")
        (self.folder / "contacts").write_text("")
        self.log = open(self.folder / "log", "w")
        self.process = subprocess.Popen(["timeout", "-k", "2", "120", "baresip", "-4", "-f", str(self.folder)],
                                        stdout=self.log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                        cwd=self.folder)
        self.socket = self._connect()


@pytest.fixture
def authority(world):
    return Authority(world.folder / "authority")


def hear_each_other(world, server, alice, bob, dial):
    alice.command("dial", dial)
    server.wait_event("connected")
    wait_for_sound(alice, 2.0)
    wait_for_sound(bob, 2.0)


def hang_up(server, alice, bob):
    alice.command("hangup")
    server.wait_event("ended", count=2)
    alice.quit()
    bob.quit()
    server.assert_all_legs_ended_once()
    assert_tone(alice, 1000, 440)
    assert_tone(bob, 440, 1000)
    server.stop()


def test_baresip_calls_and_is_called_over_tls(world, authority):
    """Both legs are TLS; the one out by default_transport, without ;transport= in the document."""
    tls = authority.issue("server")
    authority.issue("alice")
    authority.issue("bob")
    bob = world.add(TlsPhone(world.folder, "bob", 1000, authority))
    alice = world.add(TlsPhone(world.folder, "alice", 440, authority, auto=False))
    server = world.server({"main.yaml": TO_BOB.format(uri=f"sip:bob@127.0.0.1:{bob.tls_port}")}, tls=tls,
                          default_transport="tls")
    hear_each_other(world, server, alice, bob, f"sip:main@127.0.0.1:{server.tls_port};transport=tls")
    hang_up(server, alice, bob)


def test_the_server_ends_a_call_that_came_over_tls(world, authority):
    """Its BYE takes the caller's own connection: the caller's certificate is for nobody we could name."""
    tls = authority.issue("server")
    authority.issue("alice", san="DNS:elsewhere.test")
    alice = world.add(TlsPhone(world.folder, "alice", 440, authority, auto=False))
    server = world.server({"main.yaml": "sections:\n  main:\n    - answer\n    - hangup\n"}, tls=tls)
    alice.command("dial", f"sip:main@127.0.0.1:{server.tls_port};transport=tls")
    ended = server.wait_event("ended")[0]
    assert ended["cause"] == "hangup", ended
    end = time.monotonic() + harness.DEADLINE
    while "session closed" not in alice.text():
        assert time.monotonic() < end, alice.text()
        time.sleep(0.05)
    server.stop()


def failed_why(world, authority, tls, uri, env=None):
    server = world.server({"main.yaml": TO_BOB.format(uri=uri)}, tls=tls, default_transport="tls", env=env)
    world.sipp("uac_480", target=f"127.0.0.1:{server.sip_port}").done()
    why = server.wait_event("failed")[0]["why"]
    server.stop()
    assert why.endswith("; or write ;transport=udp"), why
    return why


@pytest.mark.parametrize("san, uri, want", [
    ("DNS:other.test", "sip:bob@127.0.0.1:{port}", "TLS: certificate of 127.0.0.1:{port} is not for 127.0.0.1"),
    ("DNS:other.test", "sip:bob@localhost:{port}", "TLS: certificate of 127.0.0.1:{port} is not for localhost"),
    ("DNS:other.test", "sips:bob@localhost:{port}", "TLS: certificate of 127.0.0.1:{port} is not for localhost"),
])
def test_wrong_names_are_told(world, authority, san, uri, want):
    tls = authority.issue("server")
    authority.issue("bob", san=san)
    bob = world.add(TlsPhone(world.folder, "bob", 1000, authority))
    why = failed_why(world, authority, tls, uri.format(port=bob.tls_port))
    assert why.startswith(want.format(port=bob.tls_port)), why


def test_unknown_authority_is_told(world, authority):
    tls = authority.issue("server")
    stranger = Authority(world.folder / "stranger")
    stranger.issue("bob")
    bob = world.add(TlsPhone(world.folder, "bob", 1000, stranger))
    why = failed_why(world, authority, tls, f"sip:bob@127.0.0.1:{bob.tls_port}")
    # baresip sends its authority along, OpenSSL's wording for that is this one.
    assert why.startswith("TLS: self-signed certificate in certificate chain"), why


def test_no_fallback_to_another_transport(world, authority):
    """A peer that speaks SIP over TCP on that port gets no SIP in the clear."""
    tls = authority.issue("server")
    heard = []
    with socket.create_server(("127.0.0.1", 0)) as s:
        def answer():
            conn, _ = s.accept()
            heard.append(conn.recv(4096))
            conn.sendall(b"SIP/2.0 400 Bad Request\r\n\r\n")
            conn.close()
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        why = failed_why(world, authority, tls, f"sip:bob@127.0.0.1:{s.getsockname()[1]}")
        thread.join(5)
    assert "does not speak it" in why
    assert heard and heard[0][:1] == b"\x16" and b"INVITE" not in heard[0]


def rss_kib(server):
    for line in pathlib.Path(f"/proc/{server.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


def s_client(server, authority, *args):
    return subprocess.Popen(["timeout", "40", "openssl", "s_client", "-quiet", "-CAfile", str(authority.ca), "-connect",
                             f"127.0.0.1:{server.tls_port}", *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)


def test_abuse_does_not_disturb_a_call(world, authority):
    """With a call up: broken hellos by the thousand, silent peers, old versions, connections over the cap."""
    tls = authority.issue("server")
    authority.issue("alice")
    authority.issue("bob")
    bob = world.add(TlsPhone(world.folder, "bob", 1000, authority))
    alice = world.add(TlsPhone(world.folder, "alice", 440, authority, auto=False))
    server = world.server({"main.yaml": TO_BOB.format(uri=f"sip:bob@127.0.0.1:{bob.tls_port};transport=tls")}, tls=tls)
    hear_each_other(world, server, alice, bob, f"sip:main@127.0.0.1:{server.tls_port};transport=tls")
    at = ("127.0.0.1", server.tls_port)

    # OpenSSL itself: a good one is heard and answered, an old version is not.
    good = s_client(server, authority)
    good.stdin.write(b"OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1;branch=z9hG4bKx\r\nFrom: <sip:a@x>;tag=1\r\n"
                     b"To: <sip:x>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n")
    good.stdin.flush()
    assert good.stdout.readline().startswith(b"SIP/2.0 200")
    good.kill()
    assert good.wait() is not None
    old = s_client(server, authority, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")
    assert b"alert protocol version" in old.communicate(timeout=20)[1]

    # A real hello, to be cut and damaged.
    hello_in, hello_out = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls_object = ssl.create_default_context().wrap_bio(hello_in, hello_out, server_hostname="sip.example.test")
    with pytest.raises(ssl.SSLWantReadError):
        tls_object.do_handshake()
    hello = hello_out.read()
    variants = [hello[:len(hello) // 2], hello, hello[:20] + b"\xff" * 40 + hello[60:], hello + b"\x00" * 500,
                b"GET / HTTP/1.0\r\n\r\n"]

    def broken(count):
        for i in range(count):
            with socket.create_connection(at, timeout=5) as s:
                s.sendall(variants[i % len(variants)])
                if i % 3 == 0:
                    s.settimeout(5)
                    try:
                        s.recv(1) if i % len(variants) else None
                    except OSError:
                        pass
                if i % 2:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

    broken(300)
    before = rss_kib(server)
    broken(3000)
    grown = rss_kib(server) - before
    print(f"3000 broken handshakes: {grown} KiB more")
    if b"__asan_init" not in harness.BINARY.read_bytes():  # that keeps what was freed
        assert grown <= 1024, f"{grown} KiB stay"

    # Who says nothing is closed, and no more than 100 are let in.
    began = time.monotonic()
    idle = [socket.create_connection(at, timeout=5) for _ in range(110)]
    half = idle[50]
    half.sendall(hello[:50])
    for s in reversed(idle):
        s.settimeout(20)
        try:
            assert s.recv(1) == b""
        except ConnectionResetError:
            pass
        s.close()
        if s is idle[-5]:
            assert time.monotonic() - began < 5, "the cap did not refuse the last ones at once"
    took = time.monotonic() - began
    assert 9 < took < 20, took

    assert not server.named("ended")
    hang_up(server, alice, bob)
