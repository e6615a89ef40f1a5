"""sip_peer: a bare SIP speaker for what SIPp cannot time or say: both ends of many calls in one thread."""
import re
import selectors
import socket
import time

SDP = ("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
       "m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n")


class Message:
    def __init__(self, data):
        text = data.decode("utf-8", "replace")
        head, _, self.body = text.partition("\r\n\r\n")
        lines = re.sub(r"\r\n[ \t]+", " ", head).split("\r\n")
        self.first = lines[0]
        self.headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:] if ":" in line]
        self.status = int(self.first.split()[1]) if self.first.startswith("SIP/2.0 ") else 0
        self.method = "" if self.status else self.first.split(" ")[0]

    def all(self, name):
        return [v for n, v in self.headers if n.lower() == name.lower()]

    def get(self, name):
        values = self.all(name)
        return values[0] if values else ""

    @property
    def call_id(self):
        return self.get("Call-ID")

    @property
    def cseq(self):
        return self.get("CSeq").split()


class Peer:
    """One UDP socket with a handler per message and timed actions."""

    def __init__(self, selector, handler, host="127.0.0.1"):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.bind((host, 0))
        self.socket.setblocking(False)
        self.port = self.socket.getsockname()[1]
        self.handler = handler
        selector.register(self.socket, selectors.EVENT_READ, self)

    def read(self):
        while True:
            try:
                data, source = self.socket.recvfrom(65536)
            except BlockingIOError:
                return
            if data.strip():
                self.handler(self, Message(data), source)

    def send(self, text, to):
        self.socket.sendto(text.encode(), to)

    def respond(self, request, status, phrase, to, tag="", body="", extra=""):
        lines = [f"SIP/2.0 {status} {phrase}"]
        lines += [f"Via: {v}" for v in request.all("Via")]
        suffix = f";tag={tag}" if tag and ";tag=" not in request.get("To") else ""
        lines += [f"From: {request.get('From')}", f"To: {request.get('To')}{suffix}", f"Call-ID: {request.call_id}",
                  f"CSeq: {request.get('CSeq')}"]
        lines += [f"Record-Route: {v}" for v in request.all("Record-Route")]
        if status > 100:
            lines.append(f"Contact: <sip:peer@127.0.0.1:{self.port}>")
        if body:
            lines.append("Content-Type: application/sdp")
        lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines) + "\r\n" + extra + "\r\n" + body, to)


def run(selector, timers, done, deadline):
    """Turn until done(); timers is a list of (when, function), kept sorted here. False = the deadline came first."""
    end = time.monotonic() + deadline
    while not done():
        now = time.monotonic()
        if now > end:
            return False
        timers.sort(key=lambda t: t[0])
        while timers and timers[0][0] <= time.monotonic():
            timers.pop(0)[1]()
        wait = min(0.2, max(0.0, timers[0][0] - time.monotonic())) if timers else 0.2
        # Sleep in the kernel only for what is left beyond a millisecond: the offsets are finer than that.
        for key, _ in selector.select(wait - 0.001 if wait > 0.001 else 0):
            key.data.read()
    return True
