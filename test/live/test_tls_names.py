"""SIP over TLS beyond one certificate: names, certificates of callers, resumption, a reload of all that under a connection."""
import socket
import ssl

import pytest

from test_tls import Authority

FLOW = {"main.yaml": "sections: {main: [answer: {}, sleep: 60000]}\n"}
OPTIONS = ("OPTIONS sip:main@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:9;branch=z9hG4bK{n}\r\nMax-Forwards: 70\r\n"
           "From: <sip:x@127.0.0.1>;tag=1\r\nTo: <sip:main@127.0.0.1>\r\nCall-ID: c{n}\r\nCSeq: 1 OPTIONS\r\n"
           "Content-Length: 0\r\n\r\n")


@pytest.fixture
def authority(world):
    return Authority(world.folder / "ca")


class Caller:
    """One TLS connection; ask() is an OPTIONS with its answer."""

    def __init__(self, server, authority, name, cert=None, session=None):
        context = ssl.create_default_context(cafile=str(authority.ca))
        if cert:
            context.load_cert_chain(f"{cert}.pem", f"{cert}.key")
        if session:
            context = session[0]
        self.context = context
        self.s = context.wrap_socket(socket.create_connection(("127.0.0.1", server.tls_port), 30), server_hostname=name,
                                     session=session[1] if session else None)
        self.count = 0

    def ask(self):
        self.count += 1
        self.s.sendall(OPTIONS.format(n=self.count).encode())
        return self.s.recv(65536).decode().split("\r\n")[0]

    def kept(self):
        return self.context, self.s.session

    def close(self):
        self.s.close()


def settings(authority, first="first", more="", extra=""):
    text = authority.issue(first, san="DNS:first.test,IP:127.0.0.1").rstrip("}")
    return f"{text}{more}{extra}}}"


def test_names_choose_certificates_and_sessions_resume(world, authority):
    authority.issue("second", san="DNS:second.test")
    more = f", certs: [{{cert: {authority.folder}/second.pem, key: {authority.folder}/second.key}}]"
    server = world.server(FLOW, tls=settings(authority, more=more))
    for name in ("first.test", "second.test"):
        caller = Caller(server, authority, name)
        assert caller.ask() == "SIP/2.0 200 OK"
        assert ("DNS", name) in caller.s.getpeercert()["subjectAltName"] and not caller.s.session_reused
        again = Caller(server, authority, name, session=caller.kept())
        assert again.ask() == "SIP/2.0 200 OK" and again.s.session_reused
        again.close()
        caller.close()
    with pytest.raises(ssl.SSLCertVerificationError):
        Caller(server, authority, "third.test")
    # A reload: the connection that stands goes on, the next one sees the new certificate, an old ticket is worth nothing.
    standing = Caller(server, authority, "first.test")
    assert standing.ask() == "SIP/2.0 200 OK"
    authority.issue("renewed", san="DNS:first.test,DNS:renewed.test")
    server.config.write_text(server.config.read_text().replace("first.pem", "renewed.pem").replace("first.key", "renewed.key"))
    server.process.send_signal(1)
    server.wait("the reload", lambda events: [e for e in events if "configuration 2" in e.get("message", "")])
    assert standing.ask() == "SIP/2.0 200 OK"
    late = Caller(server, authority, "first.test", session=standing.kept())
    assert late.ask() == "SIP/2.0 200 OK" and not late.s.session_reused
    assert ("DNS", "renewed.test") in late.s.getpeercert()["subjectAltName"]
    standing.close()
    late.close()
    server.stop()


def refused(server, authority, cert=None):
    """With TLS 1.3 the caller only learns it when he reads."""
    try:
        caller = Caller(server, authority, "first.test", cert)
        return caller.ask() == ""
    except OSError:
        return True


def test_callers_have_certificates(world, authority):
    authority.issue("phone", san="DNS:phone.test")
    stranger = Authority(world.folder / "other")
    stranger.issue("phone", san="DNS:phone.test")
    good, bad = f"{authority.folder}/phone", f"{stranger.folder}/phone"
    for mode, without in (("optional", False), ("required", True)):
        server = world.server(FLOW, tls=settings(authority, extra=f", client: {mode}"))
        caller = Caller(server, authority, "first.test", good)
        assert caller.ask() == "SIP/2.0 200 OK"
        again = Caller(server, authority, "first.test", session=caller.kept())
        assert again.ask() == "SIP/2.0 200 OK" and again.s.session_reused
        assert refused(server, authority, bad)
        assert refused(server, authority) == without
        caller.close()
        again.close()
        server.stop()
