"""Strangers send 20,000 messages a second from many addresses, over UDP and TCP; the calls of a trunk do not notice."""
import multiprocessing
import re
import socket
import time

import harness

RATE, SECONDS, SOURCES = 20000, 5, 50
MESSAGE = ("{method} sip:{n}@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;rport;branch=z9hG4bK{n}\r\nMax-Forwards: 70\r\n"
           "From: <sip:100@127.0.0.1>;tag={n}\r\nTo: <sip:{n}@127.0.0.1>\r\nCall-ID: {n}\r\nCSeq: 1 {method}\r\n"
           "Contact: <sip:100@127.0.0.1>\r\nContent-Length: 0\r\n\r\n")


def flood(port, sent):
    sockets = []
    for i in range(SOURCES):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind((f"127.0.1.{i + 1}", 0))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        s.connect(("127.0.0.1", port))
        sockets.append(s)
    bodies = [MESSAGE.format(method=m, n=i).encode() for i, m in enumerate(("INVITE", "REGISTER", "OPTIONS") * 300)]
    bodies += [b"\r\n", b"GET / HTTP/1.1\r\n\r\n", bytes(1200)]
    start, n = time.monotonic(), 0
    while (now := time.monotonic() - start) < SECONDS:
        while n < now * RATE:
            try:
                sockets[n % SOURCES].send(bodies[n % len(bodies)])
            except OSError:
                pass
            n += 1
        time.sleep(0.001)
    sent.value = n


def metric(server, name):
    return int(re.search(rf"^{name} (\d+)$", server.http("/metrics")[1], re.M).group(1))


def test_a_flood_does_not_touch_the_calls_of_a_trunk(world):
    server = world.server({"main.yaml": "sections: {main: [answer: {}, sleep: 60000]}\n"}, accept="127.0.0.1/32")
    sent = multiprocessing.Value("Q", 0)
    strangers = multiprocessing.Process(target=flood, args=(server.sip_port, sent))
    strangers.start()
    try:
        calls = world.sipp("uac_shed", target=f"127.0.0.1:{server.sip_port}", calls=50 * SECONDS, rate=50,
                           args=("-d", "200"))
        calls.done()
    finally:
        strangers.join(harness.DEADLINE)
        strangers.kill()
    assert server.assert_all_legs_ended_once() == 50 * SECONDS, server.raw[-5:]
    limited = metric(server, "crosspoint_sip_limited_total")
    # What the strangers get together: 2,000 a second. Some of the flood is lost in the kernel.
    assert limited > sent.value / 4 and metric(server, "crosspoint_sip_shed_total") == 0, (limited, sent.value)
    lines = server.wait("the line", lambda events: [e for e in events if "were not read" in e.get("message", "")])
    assert len(lines) <= 2
    server.stop()


def test_a_stranger_over_tcp_is_cut_off(world):
    server = world.server({"main.yaml": "sections: {main: [answer: {}]}\n"}, accept="127.0.0.9/32",
                          extra="limits: {messages_per_second: 10}\n")
    with socket.create_connection(("127.0.0.1", server.sip_port), 30) as s:
        s.settimeout(harness.DEADLINE)
        s.sendall("".join(MESSAGE.format(method="OPTIONS", n=n) for n in range(30)).encode())
        answers = b""
        while data := s.recv(65536):
            answers += data
    assert answers.count(b"SIP/2.0 403") == 20
    assert metric(server, "crosspoint_sip_limited_total") == 1
    # Who is known is not cut off, and without a limit nobody is.
    server.config.write_text(server.config.read_text().replace("messages_per_second: 10", "messages_per_second: 0"))
    server.process.send_signal(1)
    server.wait("the reload", lambda events: [e for e in events if "configuration 2" in e.get("message", "")])
    with socket.create_connection(("127.0.0.1", server.sip_port), 30) as s:
        s.settimeout(harness.DEADLINE)
        s.sendall("".join(MESSAGE.format(method="OPTIONS", n=n) for n in range(100, 130)).encode())
        answers = b""
        while answers.count(b"SIP/2.0 403") < 30:
            answers += s.recv(65536)
    server.stop()
