"""Messages that have killed other servers, one packet each: each is answered, and costs nothing that stays."""
import selectors

import harness
import sip_peer


def rss_kib(server):
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


def test_bytes_over_0x7f_in_the_m_line(world):
    """One such byte in the protocol of an m= line, and a parser that many use takes all memory there is."""
    selector, seen = selectors.DefaultSelector(), {}

    def handle(peer, m, source):
        if m.status >= 200:
            seen[m.call_id] = m.status

    peer = sip_peer.Peer(selector, handle)
    server = world.server({"main.yaml": "sections:\n  main:\n    - answer\n"})
    before = rss_kib(server)
    good = b"m=audio 4000 RTP/AVP 0"
    # Not in the middle of "m=", which would be another line.
    lines = [good[:at] + bytes([byte]) + good[at:] for at in range(2, len(good) + 1) for byte in (0x80, 0xAC, 0xFF)]
    for n, line in enumerate(lines):
        body = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n" + line + b"\r\n"
        here = f"127.0.0.1:{peer.port}"
        head = (f"INVITE sip:main@127.0.0.1:{server.sip_port} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bKk{n}\r\n"
                f"From: <sip:k@{here}>;tag=k\r\nTo: <sip:main@127.0.0.1>\r\nCall-ID: k{n}\r\nCSeq: 1 INVITE\r\n"
                f"Contact: <sip:k@{here}>\r\nMax-Forwards: 70\r\nContent-Type: application/sdp\r\n"
                f"Content-Length: {len(body)}\r\n\r\n")
        peer.socket.sendto(head.encode() + body, ("127.0.0.1", server.sip_port))
    assert sip_peer.run(selector, [], lambda: len(seen) == len(lines), harness.DEADLINE), seen
    assert set(seen.values()) <= {400, 488}, seen
    assert rss_kib(server) - before < 64 * 1024  # the defect takes gigabytes; a sanitizer and the trace take some
    server.kill()
