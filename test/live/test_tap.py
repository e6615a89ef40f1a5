"""Taps of real calls: RTP judged by ffmpeg (what is heard) and tshark (how it comes), WebSockets by Node's ws and by a server
that stops reading."""
import base64
import hashlib
import json
import pathlib
import socket
import struct
import subprocess
import threading
import time

import harness
import phone
import web_phone
from test_recording import SETTINGS, Call, channels, tone, wait_until
from test_tls import Authority

SDP = """v=0
o=- 0 0 IN IP4 127.0.0.1
s=-
c=IN IP4 127.0.0.1
t=0 0
m=audio {port} RTP/AVP {payload_type}
"""


def tapped(world, taps, codecs="PCMU/8000/1", steps=None, env=None):
    """Alice (440 Hz) talks to Bob (1000 Hz), with these taps."""
    bob = world.add(phone.Phone(world.folder, "bob", 1000, codecs))
    call = Call(world, [{"tap": t} for t in taps]
                + (steps or [{"connect": {"to": f"sip:bob@127.0.0.1:{bob.port};transport=udp"}}]), codecs, env=env)
    call.bob = bob
    return call


class Ear:
    """ffmpeg as the receiver of RTP."""

    def __init__(self, folder, payload_type=0):
        self.port = harness.free_pair()
        self.wav = folder / f"{self.port}.wav"
        sdp = folder / f"{self.port}.sdp"
        sdp.write_text(SDP.format(port=self.port, payload_type=payload_type))
        self.process = subprocess.Popen(["timeout", "60", "ffmpeg", "-v", "error", "-protocol_whitelist", "file,udp,rtp",
                                         "-i", str(sdp), "-t", "3", "-acodec", "pcm_s16le", str(self.wav)],
                                        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)

    def heard(self):
        _, errors = self.process.communicate(timeout=harness.DEADLINE)
        assert self.process.returncode == 0, errors
        (mono,), rate = channels(self.wav)
        assert rate == 8000 and len(mono) > 2.5 * rate
        return mono

    def kill(self):
        harness.kill_group(self.process)


def test_rtp_has_the_right_voices(world):
    ears = {d: world.add(Ear(world.folder, 8 if d == "listen" else 0)) for d in ("speak", "listen", "both")}
    call = tapped(world, [{"uri": f"rtp://127.0.0.1:{e.port}", "direction": d, "control_id": d,
                           "codec": "PCMA" if d == "listen" else "PCMU"} for d, e in ears.items()])
    told = [r.json()["params"] for r in call.hooks.wait("/r", 3)]
    assert [(p["state"], p["control_id"]) for p in told] == [("tapping", d) for d in ears]
    assert told[1]["device"] == {"type": "rtp", "params": {"addr": "127.0.0.1", "port": ears["listen"].port,
                                                           "codec": "PCMA", "ptime": 20, "rate": 8000}}
    assert told[2]["tap"] == {"type": "audio", "params": {"direction": "both"}}
    call.server.wait_event("connected")
    heard = {d: e.heard() for d, e in ears.items()}
    # Alice's and Bob's, each alone, then half and half.
    assert tone(heard["speak"], 8000, 440) > 0.8 and tone(heard["speak"], 8000, 1000) < 0.05
    assert tone(heard["listen"], 8000, 1000) > 0.8 and tone(heard["listen"], 8000, 440) < 0.05
    assert tone(heard["both"], 8000, 440) > 0.3 and tone(heard["both"], 8000, 1000) > 0.3
    call.hang_up()
    done = [r.json()["params"] for r in call.hooks.wait("/r", 6)][3:]
    assert {p["control_id"] for p in done} == set(ears) and {p["state"] for p in done} == {"finished"}
    # They talked through it all, and the taps' last events come before the call's own.
    call.alice.quit()
    samples, rate = call.alice.heard()
    assert tone(samples, rate, 1000) > 0.8
    order = [e["message"] for e in call.server.events if e.get("call_id") == done[0]["call_id"]
             and (e["message"] == "ended" or e.get("state") == "finished")]
    assert order == ["operation"] * 3 + ["ended"]
    call.server.stop()


class Tape:
    """Keeps packets with the time they came at."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.packets = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while True:
            try:
                data, sender = self.socket.recvfrom(4096)
            except OSError:
                return
            self.packets.append((time.time(), sender, data))

    def kill(self):
        self.socket.close()

    def write(self, path):
        """As a capture file: IPv4 without a link layer."""
        out = struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 228)
        for at, sender, data in self.packets:
            udp = struct.pack(">HHHH", sender[1], self.port, 8 + len(data), 0) + data
            ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, socket.inet_aton(sender[0]),
                             socket.inet_aton("127.0.0.1")) + udp
            out += struct.pack("<IIII", int(at), int(at % 1 * 1e6), len(ip), len(ip)) + ip
        path.write_bytes(out)


def test_rtp_as_the_analyser_wants_it(world):
    tape = world.add(Tape())
    call = Call(world, [{"tap": {"uri": f"rtp://127.0.0.1:{tape.port}", "rtp_ptime": 40}},
                        {"set": {"s": "${tap_result} ${tap_rtp_src_addr}:${tap_rtp_src_port} ${tap_ptime} ${tap_rate}"}},
                        {"sleep": 3000}, {"stop_tap": {}}, {"connect": {"to": "sip:${s}@127.0.0.1:9"}}])
    call.told("finished")
    call.hang_up()
    call.server.stop()
    assert 60 <= len(tape.packets) <= 78  # 75, and what a busy machine leaves out
    capture = world.folder / "tap.pcap"
    tape.write(capture)
    out = subprocess.run(["tshark", "-r", str(capture), "-d", f"udp.port=={tape.port},rtp", "-q", "-z", "rtp,streams"],
                         capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL).stdout
    (line,) = [text.split() for text in out.splitlines() if "127.0.0.1" in text]
    assert "g711U" in line and str(len(tape.packets)) in line
    at = line.index("g711U")
    assert line[at + 1] == str(len(tape.packets)) and line[at + 2] == "0"  # lost
    # Its mean distance of packets, from a machine that does other things too.
    assert abs(float(line[line.index("(0.0%)") + 2]) - 40) < 2, line
    assert all(sender == tape.packets[0][1] and len(data) == 12 + 320 for _, sender, data in tape.packets)


class Audio(web_phone.Script):
    """The WebSocket server of node/tap_server.mjs."""

    def __init__(self, folder, *args, secure=False):
        self.folder = folder / "ws"
        self.folder.mkdir()
        super().__init__("tap_server.mjs", "--folder", self.folder, *args)
        self.url = f"{'wss://localhost' if secure else 'ws://127.0.0.1'}:{self.wait('ready')['port']}"

    def heard(self, n=0, kind="ul"):
        wav = self.folder / f"{n}.wav"
        subprocess.run(["sox", "-t", kind, "-r", "8000", "-c", "1", str(self.folder / f"{n}.raw"), "-e", "signed", "-b",
                        "16", str(wav)], check=True)
        (mono,), rate = channels(wav)
        return mono


def test_a_websocket_hears_the_call(world):
    audio = world.add(Audio(world.folder))
    call = tapped(world, [{"uri": audio.url.replace("//", "//me:pass%3a@") + "/audio?x=1", "direction": "both",
                           "control_id": "first"},
                          {"uri": audio.url, "direction": "listen", "codec": "PCMA"}])
    call.server.wait_event("connected")
    audio.wait("open", 2)
    opened = [e for e in audio.events if e["event"] == "open"]
    assert opened[0]["url"] == "/audio?x=1" and opened[1]["url"] == "/"
    assert opened[0]["headers"]["authorization"] == "Basic " + base64.b64encode(b"me:pass:").decode()
    assert "authorization" not in opened[1]["headers"] and opened[0]["headers"]["host"] == audio.url[5:]
    begun = call.told("tapping")
    assert begun["device"] == {"type": "ws", "params": {"uri": audio.url + "/audio?x=1", "codec": "PCMU", "rate": 8000}}
    wait_until("3 s of audio", lambda: {e["n"] for e in audio.events if e.get("frames", 0) >= 150} == {0, 1})
    call.hang_up()
    hello = [e for e in audio.events if e["event"] == "text"]
    assert [e["frames"] for e in hello] == [0, 0]  # before any audio
    assert json.loads(hello[0]["text"]) == {
        "event": "start", "call_id": begun["call_id"], "control_id": "first", "direction": "both", "codec": "PCMU",
        "rate": 8000, "channels": 1, "ptime": 20}
    assert {e["bytes"] for e in audio.events if e["event"] == "audio"} == {160}
    assert audio.wait("close", 2)["code"] == 1000
    both, heard = audio.heard(), audio.heard(1, "al")
    assert tone(both, 8000, 440) > 0.3 and tone(both, 8000, 1000) > 0.3
    assert tone(heard, 8000, 1000) > 0.8 and tone(heard, 8000, 440) < 0.05
    assert "lost" not in call.told("finished")
    assert not any("pass" in line for line in call.server.raw)
    call.server.stop()


def test_tls_is_verified(world):
    authority = Authority(world.folder / "ca")
    authority.issue("good", "DNS:localhost")
    authority.issue("other", "DNS:other.test")
    steps = [{"switch": {"variable": "tap_result", "case": {"success": [{"sleep": 1000}, {"hangup": "busy"}],
                                                            "failed": [{"hangup": "decline"}]}}}]
    for name, ca, result in (("good", True, "success"), ("good", False, "failed"), ("other", True, "failed")):
        folder = world.folder / f"{name}{ca}"
        folder.mkdir()
        audio = world.add(Audio(folder, "--cert", authority.folder / f"{name}.pem", "--key",
                                authority.folder / f"{name}.key", secure=True))
        caller = Call(world, [{"tap": {"uri": audio.url}}, *steps], env={"SSL_CERT_FILE": str(authority.ca)} if ca else {},
                      name=f"alice-{name}-{ca}", settings=SETTINGS.replace("127.0.0.1]", "127.0.0.1, localhost]"))
        ended = caller.server.wait_event("ended")[0]
        states = [e["state"] for e in caller.server.named("operation")]
        if result == "success":
            assert states == ["tapping", "finished"] and audio.wait("close")["frames"] > 40
        else:
            assert states == ["finished"] and not [e for e in audio.events if e["event"] == "open"]
            (warning,) = caller.server.named("warning")
            assert "the certificate of the server: " in warning["text"], warning
        assert ended["ended_by"] == "document"
        caller.server.stop()


def test_servers_that_fail(world):
    audio = world.add(Audio(world.folder))
    (world.folder / "no").mkdir()
    no = world.add(Audio(world.folder / "no", "--status", "403"))
    dead = harness.free_port()
    call = tapped(world, [{"uri": f"ws://127.0.0.1:{dead}"}, {"uri": no.url}, {"uri": "ws://10.9.9.9"},
                          {"uri": audio.url, "control_id": "last"}])
    call.server.wait_event("connected")
    assert [w["text"] for w in call.server.named("warning")] == [
        "the tap could not be started: cannot connect: Unable to connect",
        "the tap could not be started: the server answered 403 to the WebSocket handshake",
        "the tap could not be started: 10.9.9.9 is a private address and 10.9.9.9 is not in webhooks.allow_hosts"]
    audio.wait("audio")
    audio.say("close 4001")
    assert audio.wait("close")["code"] == 4001
    call.told("finished", 4)
    # They still talk.
    dump = sorted(call.bob.folder.glob("dump-*-dec.wav"))[-1]
    size = dump.stat().st_size
    wait_until("more at bob's", lambda: dump.stat().st_size > size + 16000)
    assert not call.server.named("ended")
    call.hang_up()
    call.server.stop()


class Staller(threading.Thread):
    """A WebSocket server that agrees, and then reads nothing until it is told to."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen()
        self.url = f"ws://127.0.0.1:{self.listener.getsockname()[1]}"
        self.read_on = threading.Event()
        self.data = b""
        self.start()

    def run(self):
        connection, _ = self.listener.accept()
        request = b""
        while b"\r\n\r\n" not in request:
            request += connection.recv(4096)
        key = request.split(b"Sec-WebSocket-Key: ")[1].split(b"\r\n")[0]
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        connection.sendall(b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
                           + accept + b"\r\n\r\n")
        self.read_on.wait(60)
        while chunk := connection.recv(65536):
            self.data += chunk
        connection.close()

    def kill(self):
        self.read_on.set()
        self.listener.close()


def test_one_that_stops_reading(world):
    staller = world.add(Staller())
    call = tapped(world, [{"uri": staller.url}, {"uri": f"rtp://127.0.0.1:{harness.free_port()}"}])
    call.server.wait_event("connected")
    dump = []

    def talked(seconds):
        dump[:] = sorted(call.bob.folder.glob("dump-*-dec.wav"))
        return dump and dump[-1].stat().st_size > seconds * 16000
    wait_until("12 s of talk", lambda: talked(12))  # beside all of that, undisturbed
    call.hang_up()
    done = [p for p in (r.json()["params"] for r in call.hooks.wait("/r", 4)) if p["state"] == "finished"]
    lost = {p["device"]["type"]: p.get("lost", 0) for p in done}
    assert 3 < lost["ws"] < 12 and lost["rtp"] > 0, lost
    staller.read_on.set()
    staller.join(harness.DEADLINE)
    assert len(staller.data) < 9 * 8000  # what comes late is not all of it
    call.bob.quit()
    samples, rate = call.bob.heard()
    assert tone(samples, rate, 440) > 0.8
    call.server.stop()


def test_reload_changes_where_taps_may_go(world):
    tape = world.add(Tape())
    call = Call(world, [{"sleep": 100}, {"tap": {"uri": f"rtp://127.0.0.1:{tape.port}"}}, {"sleep": 200}])
    call.told("finished")
    call.server.assert_all_legs_ended_once()
    assert tape.packets
    config = pathlib.Path(call.server.config)
    config.write_text(config.read_text().replace("allow_hosts: [127.0.0.1]", "allow_hosts: []"))
    subprocess.run([str(harness.BINARY), "reload", "-c", str(config)], check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL)
    call.alice.command("dial", f"sip:main@127.0.0.1:{call.server.sip_port};transport=udp")
    (warning,) = call.server.wait_event("warning")
    assert "127.0.0.1 is not in webhooks.allow_hosts" in warning["text"]
    call.server.assert_all_legs_ended_once()
    call.server.stop()


