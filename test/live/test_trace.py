"""The trace of a call: the ladder, whole messages, JSON, a capture file that tshark reads, and copies for a capture
server, decoded here without our code."""
import json
import shutil
import socket
import struct
import subprocess
import threading

import harness
from test_control import ACCESS, ask, verb

NUMBER = "+15551234567"
DOCUMENT = ("sections:\n  main:\n    - connect:\n        answer_on_bridge: true\n"
            f"        to: '{NUMBER}'\n        from: '+15550001111'\n")


def bridged_call(world, extra="", carrier="uas_answer", trunk=""):
    """One call through a trunk, over; its server and the id of the caller's leg."""
    callee = world.sipp(carrier, **({"keys": {"algorithm": "MD5"}} if carrier == "uas_challenge" else {}))
    server = world.server({"main.yaml": DOCUMENT}, extra=ACCESS + extra, trunks=[
        f"  - {{name: carrier, uri: 'sip:{{number}}@127.0.0.1:{callee.port};transport=udp', numbers: ['+1555']{trunk}}}"])
    caller = world.sipp("uac_talk", target=f"127.0.0.1:{server.sip_port}")
    caller.done()
    callee.done()
    server.assert_all_legs_ended_once()
    return server, server.named("created", direction="inbound")[0]["call_id"], caller, callee


def packets(data):
    """The datagrams of a capture file: (source, target, payload)."""
    magic, major, _, _, _, _, link = struct.unpack("<IHHiIII", data[:24])
    assert (magic, major, link) == (0xA1B2C3D4, 2, 101)
    at, found = 24, []
    while at < len(data):
        _, _, n, whole = struct.unpack("<IIII", data[at:at + 16])
        ip = data[at + 16:at + 16 + n]
        assert n == whole == len(ip) and ip[0] == 0x45 and ip[9] == 17
        source, target, length, _ = struct.unpack(">HHHH", ip[20:28])
        assert struct.unpack(">H", ip[2:4])[0] == n and length == n - 20
        found.append(((socket.inet_ntoa(ip[12:16]), source), (socket.inet_ntoa(ip[16:20]), target), ip[28:]))
        at += 16 + n
    return found


def test_a_call_that_has_ended_is_seen(world, tmp_path):
    server, call, caller, callee = bridged_call(world)
    code, ladder, _ = verb(server, "trace", call)
    assert code == 0
    lines = ladder.splitlines()
    assert lines[0] == f"leg 1  {call}" and "dialled by leg 1" in lines[1]
    order = [next(i for i, line in enumerate(lines) if text in line) for text in (
        "-INVITE +SDP sip:main", "* leg 1: created", "* leg 1: step connect, section main, line 3", f"-INVITE +SDP sip:{NUMBER[:10]}", "* leg 2: answered",
        "* leg 1: connected", "-BYE sip:", "* leg 1: ended")]
    assert order == sorted(order)
    assert f"127.0.0.1:{caller.port}" in ladder and f"127.0.0.1:{callee.port}" in ladder and "Crosspoint" in ladder
    assert all(ord(c) < 127 for c in ladder)

    code, text, _ = verb(server, "trace", call, "--json")
    trace = json.loads(text)
    messages = [i for i in trace["items"] if i["type"] == "message"]
    assert code == 0 and [leg["parent_id"] for leg in trace["legs"]] == [None, call] and not trace["cut"]
    for sipp in (caller, callee):  # nothing is missing: as many as SIPp has seen
        mine = [m for m in messages if m["remote"] == f"127.0.0.1:{sipp.port}"]
        assert len(mine) == sipp.messages().count("UDP message ")
    assert len({m["sip_call_id"] for m in messages}) == 2
    assert [m["ms"] for m in messages] == sorted(m["ms"] for m in messages)

    code, text, _ = verb(server, "trace", call, "--messages")
    assert code == 0 and text.count("\nCSeq: ") == len(messages) and "m=audio" in text

    capture = tmp_path / "call.pcap"
    assert verb(server, "trace", call, "--pcap", str(capture))[0] == 0
    found = packets(capture.read_bytes())
    assert [p[2].decode() for p in found] == [m["text"] for m in messages]
    if shutil.which("tshark"):
        shown = subprocess.run(["tshark", "-r", str(capture), "-d", f"udp.port=={server.sip_port},sip", "-o",
                                "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-T", "fields", "-e",
                                "sip.CSeq.method", "-e", "ip.checksum.status", "-e", "udp.checksum.status"],
                               capture_output=True, text=True, timeout=60).stdout.split("\n")[:-1]
        assert [line.split("\t")[0] for line in shown] == [
            next(x.split()[2] for x in m["text"].splitlines() if x.startswith("CSeq:")) for m in messages]
        assert {line.split("\t", 1)[1] for line in shown} == {"1\t1"}
    server.stop()


def test_the_format_is_asked_for(world):
    server, call, _, _ = bridged_call(world)
    path = f"/api/crosspoint/calls/{call}/trace"
    for query, kind, begin in (("", "text/plain; charset=utf-8", "leg 1"), ("?format=json", "application/json", "{"),
                               ("?format=messages", "text/plain; charset=utf-8", "--- 0 ms")):
        status, headers, text = ask(server, "GET", path + query)
        assert status == 200 and headers["content-type"] == kind and text.startswith(begin)
    assert ask(server, "GET", path + "?format=xml")[0] == 400
    assert ask(server, "GET", path, credentials="p-1:no")[0] == 401
    status, _, text = ask(server, "GET", "/api/crosspoint/calls/nothing/trace")
    assert status == 404 and "no such call, or its trace has been overwritten" in text
    code, out, err = verb(server, "trace", "nothing")
    assert code == 1 and out == "" and "overwritten" in err
    server.stop()


def test_off_means_off(world):
    server, call, _, _ = bridged_call(world, extra="trace: {memory_mb: 0}\n")
    code, _, err = verb(server, "trace", call)
    assert code == 1 and "trace.memory_mb is 0" in err
    server.stop()


def decode_hep(data):
    assert data[:4] == b"HEP3" and struct.unpack(">H", data[4:6])[0] == len(data)
    at, chunks = 6, {}
    while at < len(data):
        vendor, kind, n = struct.unpack(">HHH", data[at:at + 6])
        assert vendor == 0 and n >= 6 and kind not in chunks
        chunks[kind] = data[at + 6:at + n]
        at += n
    assert at == len(data)
    return chunks


def test_a_capture_server_gets_a_copy_without_secrets(world):
    got = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        s.settimeout(30)

        def collect():
            try:
                while (data := s.recv(65536)) != b"end":
                    got.append(decode_hep(data))
            except OSError:
                pass

        thread = threading.Thread(target=collect)
        thread.start()
        server, call, caller, callee = bridged_call(
            world, f"trace: {{hep: 'udp:127.0.0.1:{s.getsockname()[1]}', hep_id: 77}}\n", "uas_challenge",
            ", username: user1, password: 'tops3cret'")
        server.stop()
        s.sendto(b"end", s.getsockname())
        thread.join(30)
    texts = [c[15].decode() for c in got]
    assert len(got) == sum(sipp.messages().count("UDP message ") for sipp in (caller, callee))
    for c, text in zip(got, texts):
        assert (c[1], c[2], c[11], c[12]) == (b"\x02", b"\x11", b"\x01", struct.pack(">I", 77))
        assert c[3] == c[4] == socket.inet_aton("127.0.0.1")
        ports = {struct.unpack(">H", c[7])[0], struct.unpack(">H", c[8])[0]}
        assert server.sip_port in ports and ports & {caller.port, callee.port}
        assert c[17].decode() == next(x.split(": ")[1] for x in text.splitlines() if x.lower().startswith("call-id:"))
    answers = [t for t in texts if "response=" in t and t.startswith("INVITE")]
    assert answers and all('response="' + 32 * "x" + '"' in t for t in answers)
    assert harness.BINARY and call


def test_the_verb_masks_as_well(world):
    server, call, _, callee = bridged_call(world, "", "uas_challenge", ", username: user1, password: 'tops3cret'")
    assert 'response="xxxxxxx' not in callee.messages()  # the carrier got the real one
    for how in ("--messages", "--json"):
        text = verb(server, "trace", call, how)[1].replace('\\"', '"')
        assert 'response="' + 32 * "x" + '"' in text
    server.stop()
