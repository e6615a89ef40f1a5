"""registrant: a phone by hand that registers with SHA-256 or MD5, for what SIPp and baresip cannot say."""
import hashlib
import re
import socket
import uuid

import harness
import sip_peer


class Registrant:
    """One UDP socket, or one connection, of one user. Requests wait for their final response."""

    def __init__(self, server, user, password, tcp=False, host="127.0.0.1"):
        self.server, self.user, self.password, self.tcp = (server.host, server.sip_port), user, password, tcp
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
        self.socket.settimeout(harness.DEADLINE)
        self.socket.bind((host, 0))
        self.host, self.port = self.socket.getsockname()
        self.data = b""
        if tcp:
            self.socket.connect(self.server)
        self.call_id = str(uuid.uuid4())
        self.cseq = self.nc = 0
        self.nonce = self.realm = None

    def kill(self):
        self.socket.close()

    def send(self, text):
        if self.tcp:
            self.socket.sendall(text.encode())
        else:
            self.socket.sendto(text.encode(), self.server)

    def receive(self):
        """The next message."""
        if not self.tcp:
            return sip_peer.Message(self.socket.recv(65536))
        while b"\r\n\r\n" not in self.data:
            self._read()
        head, _, rest = self.data.partition(b"\r\n\r\n")
        length = int(re.search(rb"(?im)^content-length:\s*(\d+)", head).group(1))
        while len(rest) < length:
            self._read()
            rest = self.data.partition(b"\r\n\r\n")[2]
        whole = len(head) + 4 + length
        message, self.data = self.data[:whole], self.data[whole:]
        return sip_peer.Message(message)

    def _read(self):
        data = self.socket.recv(65536)
        assert data, "the server has closed the connection"
        self.data += data

    def credentials(self, method, uri, algorithm="SHA-256", **changes):
        values = dict(user=self.user, password=self.password, nonce=self.nonce, nc=self.nc)
        values.update(changes)
        digest = hashlib.sha256 if algorithm == "SHA-256" else hashlib.md5

        def h(text):
            return digest(text.encode()).hexdigest()

        first = h(f"{values['user']}:{self.realm}:{values['password']}")
        nc = f"{values['nc']:08x}"
        response = h(f"{first}:{values['nonce']}:{nc}:cn:auth:{h(f'{method}:{uri}')}")
        return (f"Authorization: Digest username=\"{values['user']}\", realm=\"{self.realm}\", "
                f"nonce=\"{values['nonce']}\", uri=\"{uri}\", response=\"{response}\", algorithm={algorithm}, "
                f"qop=auth, cnonce=\"cn\", nc={nc}\r\n")

    def request(self, method, uri, lines="", rport=";rport"):
        self.cseq += 1
        self.send(f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{'TCP' if self.tcp else 'UDP'} {self.host}:{self.port}{rport};"
                  f"branch=z9hG4bK{uuid.uuid4().hex}\r\nMax-Forwards: 70\r\n"
                  f"From: <sip:{self.user}@example.test>;tag=1\r\nTo: <sip:{self.user}@example.test>\r\nCall-ID: {self.call_id}\r\n"
                  f"CSeq: {self.cseq} {method}\r\n{lines}Content-Length: 0\r\n\r\n")
        while True:
            m = self.receive()
            if m.status >= 200 and m.call_id == self.call_id and m.cseq == [str(self.cseq), method]:
                return m

    def challenge(self, algorithm="SHA-256", method="REGISTER", uri="sip:example.test"):
        m = self.request(method, uri)
        assert m.status == 401, m.first
        offers = m.all("WWW-Authenticate")
        if len(offers) == 1 and "algorithm=MD5" in offers[0] and algorithm != "MD5":
            return self.challenge(algorithm, method, uri)  # we left a challenge unanswered before
        assert [re.search(r"algorithm=([\w-]+)", o).group(1) for o in offers] in (["SHA-256", "MD5"], ["MD5"])
        mine = next(o for o in offers if f"algorithm={algorithm}" in o)
        self.realm = re.search(r'realm="([^"]*)"', mine).group(1)
        self.nonce = re.search(r'nonce="([^"]*)"', mine).group(1)
        self.nc = 0
        return m

    def register(self, lines=None, algorithm="SHA-256", rport=";rport", **changes):
        if lines is None:
            lines = f"Contact: <sip:{self.user}@{self.host}:{self.port}{';transport=tcp' if self.tcp else ''}>\r\n"
        if not self.nonce:
            self.challenge(algorithm)
        self.nc += 1
        return self.request("REGISTER", "sip:example.test",
                            lines + self.credentials("REGISTER", "sip:example.test", algorithm, **changes), rport)
