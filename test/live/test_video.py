"""Video through the server, judged by the pictures that real phones decode; and its RTCP feedback, judged by the coder
of a real phone and by a reader of RTCP of our own."""
import re
import socket
import struct
import subprocess
import threading
import time

import pytest

import harness
import phone
import sip_peer
from test_audio import assert_tone, wait_for_sound

CONFIG = """module {codec}.so
module avformat.so
module fakevideo.so
module snapshot.so
video_source avformat,{clip}
video_display fakevideo,nil
video_size 176x144
video_fps 10
video_bitrate 200000
"""
DOCUMENT = ("sections:\n  main:\n    - connect:\n        to: 'sip:bob@127.0.0.1:{port};transport=udp'\n"
            "        answer_on_bridge: {wait}\n{extra}")
CODECS = "[PCMU, VP8, H264]"
MODULES = {"VP8": "vp8", "H264": "avcodec"}
COLORS = {"red": (255, 0, 0), "blue": (0, 0, 255)}


def camera(world, name, tone, color, codec="VP8", auto=True, more=""):
    """A phone whose camera sees one color."""
    clip = world.folder / f"{name}.mp4"
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"color={color}:size=176x144:rate=10", "-t", "40",
                    "-c:v", "mpeg4", str(clip)], check=True, timeout=60)
    return world.add(phone.Phone(world.folder, name, tone, auto=auto, more=f";video_codecs={codec}{more}",
                                 config=CONFIG.format(codec=MODULES[codec], clip=clip)))


def picture(who, deadline=harness.DEADLINE):
    """The mean color of what it sees now, and the size: of a snapshot of its own."""
    path = who.folder / "seen.png"
    end = time.monotonic() + deadline
    while f"png: wrote {path}" not in who.text():  # until there is a picture it writes none
        assert time.monotonic() < end, who.text()
        if "receiving with resolution" in who.text():
            who.command("snapshot_recv", str(path))
        time.sleep(0.2)
    size = subprocess.run(["ffprobe", "-v", "error", "-show_entries", "stream=width,height", "-of", "csv=p=0",
                           str(path)], capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    mean = subprocess.run(["ffmpeg", "-v", "error", "-i", str(path), "-vf", "scale=1:1:flags=area", "-f", "rawvideo",
                           "-pix_fmt", "rgb24", "-"], capture_output=True, check=True, timeout=30).stdout
    return tuple(mean[:3]), size


def assert_sees(who, color):
    seen, size = picture(who)
    assert size == "176,144"
    assert max(abs(a - b) for a, b in zip(seen, COLORS[color])) < 60, f"{who.folder.name} sees {seen}"


def streams(event):
    return {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", event["video"])}


@pytest.mark.parametrize("codec, wait, encryption, more", [
    ("VP8", "true", "optional", ""),
    ("H264", "false", "optional", ""),  # answered at once: video follows in a re-INVITE
    ("VP8", "false", "mandatory", ";mediaenc=srtp-mand"),
])
def test_both_see_each_other(world, codec, wait, encryption, more):
    bob = camera(world, "bob", 1000, "blue", codec, more=more)
    alice = camera(world, "alice", 440, "red", codec, auto=False, more=more)
    server = world.server({"main.yaml": DOCUMENT.format(port=bob.port, wait=wait, extra="")}, codecs=CODECS,
                          encryption=encryption)
    alice.command("dial", f"sip:main@127.0.0.1:{server.sip_port};transport=udp")
    server.wait_event("connected")
    assert_sees(alice, "blue")
    assert_sees(bob, "red")
    wait_for_sound(alice, 1.0)
    wait_for_sound(bob, 1.0)
    alice.command("hangup")
    for ended in server.wait_event("ended", count=2):
        seen = streams(ended)
        assert seen["in"] > 5 and seen["out"] > 5 and seen["lost"] == 0, ended
        assert "unauthentic" not in seen
    alice.quit()
    bob.quit()
    assert_tone(alice, 1000, 440)
    assert_tone(bob, 440, 1000)
    assert not any("inline:" in line for line in server.raw), "a key in the log"
    server.assert_all_legs_ended_once()
    server.stop()


@pytest.mark.parametrize("codecs, extra", [(CODECS, ""), ("[PCMU]", ""), (CODECS, "        codecs: PCMU\n")])
def test_one_without_video_has_audio(world, codecs, extra):
    if codecs == CODECS and not extra:
        bob = world.add(phone.Phone(world.folder, "bob", 1000))
    else:
        bob = camera(world, "bob", 1000, "blue")
    alice = camera(world, "alice", 440, "red", auto=False)
    server = world.server({"main.yaml": DOCUMENT.format(port=bob.port, wait="false", extra=extra)}, codecs=codecs)
    alice.command("dial", f"sip:main@127.0.0.1:{server.sip_port};transport=udp")
    server.wait_event("connected")
    wait_for_sound(alice, 2.0)
    wait_for_sound(bob, 2.0)
    alice.command("hangup")
    ended = server.wait_event("ended", count=2)
    alice.quit()
    bob.quit()
    assert_tone(alice, 1000, 440)
    assert_tone(bob, 440, 1000)
    assert "incoming rtp for 'video'" not in alice.text() + bob.text()
    assert all("video" not in e or streams(e)["out"] == 0 for e in ended)
    server.stop()


class Viewer:
    """A party that says little, looks at each packet of video and its RTCP, and can ask for pictures."""

    SSRC = 0x0badcafe

    def __init__(self):
        self.sip, self.audio, self.rtp, self.rtcp = sockets = [self._bind(kind) for kind in range(4)]
        for s in sockets:
            s.settimeout(0.05)
        self.over = False
        self.server = None  # where its video goes
        self.offer = ""
        self.ssrc = None
        self.pictures = []  # (time, is a key frame), of each first packet
        self.reports = []   # parts of RTCP: (type, format or count, bytes)
        self.threads = [threading.Thread(target=f, daemon=True) for f in (self._speak_sip, self._look, self._listen)]
        for t in self.threads:
            t.start()

    def _bind(self, kind):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        if kind == 3:
            s.bind(("127.0.0.1", self.rtp_port + 1))
        elif kind == 2:
            self.rtp_port = harness.free_pair()
            s.bind(("127.0.0.1", self.rtp_port))
        else:
            s.bind(("127.0.0.1", 0))
        return s

    @property
    def port(self):
        return self.sip.getsockname()[1]

    def _packets(self, s):
        while not self.over:
            try:
                yield s.recvfrom(4096)
            except TimeoutError:
                continue
            except OSError:
                return

    def _speak_sip(self):
        answer = ("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
                  "m=audio {} RTP/AVP 0\r\nm=video {} RTP/AVP {}\r\na=rtpmap:{} VP8/90000\r\n"
                  "a=rtcp-fb:* nack pli\r\na=rtcp-fb:* ccm fir\r\n")
        for data, source in self._packets(self.sip):
            m = sip_peer.Message(data)
            lines = [f"Via: {v}" for v in m.all("Via")] + [f"From: {m.get('From')}", f"To: {m.get('To')};tag=v",
                     f"Call-ID: {m.call_id}", f"CSeq: {m.get('CSeq')}", f"Contact: <sip:v@127.0.0.1:{self.port}>"]
            if m.method == "ACK":
                continue
            body = ""
            if m.method == "INVITE":
                self.offer = m.body
                port, pt = re.search(r"m=video (\d+) \S+ (\d+)", m.body).groups()
                self.server, self.pt = int(port), int(pt)
                body = answer.format(self.audio.getsockname()[1], self.rtp_port, pt, pt)
                lines.append("Content-Type: application/sdp")
            head = "SIP/2.0 200 OK\r\n" + "\r\n".join(lines) + f"\r\nContent-Length: {len(body)}\r\n\r\n"
            self.sip.sendto((head + body).encode(), source)

    def _look(self):
        for packet, _ in self._packets(self.rtp):
            self.ssrc = struct.unpack("!I", packet[8:12])[0]
            payload = packet[12:]
            first, at = payload[0], 1
            if first & 0x80:  # RFC 7741 §4.2
                extra, at = payload[1], 2
                at += (payload[at] >> 7) + 1 if extra & 0x80 else 0
                at += bool(extra & 0x40) + bool(extra & 0x30)
            if first & 0x10 and not first & 7:
                self.pictures.append((time.monotonic(), not payload[at] & 1))

    def _listen(self):
        for packet, _ in self._packets(self.rtcp):
            while len(packet) >= 4:
                n = 4 * (struct.unpack("!H", packet[2:4])[0] + 1)
                self.reports.append((packet[1], packet[0] & 0x1f, packet[:n]))
                packet = packet[n:]

    def say(self):
        """A packet of video, so that it is known."""
        self.rtp.sendto(struct.pack("!BBHII", 0x80, 0x80 | self.pt, 1, 9000, self.SSRC) + b"\x10\x00\x00",
                        ("127.0.0.1", self.server))

    def ask(self, compound):
        """For a key frame, by PLI: behind a report, or alone (RFC 5506)."""
        report = struct.pack("!BBHI", 0x80, 201, 1, self.SSRC)
        pli = struct.pack("!BBHII", 0x81, 206, 2, self.SSRC, self.ssrc)
        self.rtcp.sendto((report if compound else b"") + pli, ("127.0.0.1", self.server + 1))

    def wait(self, what, ok):
        end = time.monotonic() + harness.DEADLINE
        while not ok():
            assert time.monotonic() < end, f"{what}: {self.pictures[-5:]} {self.reports[-5:]}"
            time.sleep(0.02)

    def keys(self, since=0.0):
        return [at for at, key in self.pictures if key and at > since]

    def kill(self):
        self.over = True
        for t in self.threads:
            t.join(2)
        for s in (self.sip, self.audio, self.rtp, self.rtcp):
            s.close()


@pytest.mark.parametrize("wait", ["true", "false"])
def test_feedback_reaches_the_coder(world, wait):
    viewer = world.add(Viewer())
    alice = camera(world, "alice", 440, "red", auto=False)
    server = world.server({"main.yaml": DOCUMENT.format(port=viewer.port, wait=wait, extra="")}, codecs=CODECS)
    alice.command("dial", f"sip:main@127.0.0.1:{server.sip_port};transport=udp")
    server.wait_event("connected")
    viewer.wait("a key frame", viewer.keys)
    assert viewer.keys()[0] - viewer.pictures[0][0] < 2.0, "the first picture was long in coming"
    assert "a=rtcp-fb:* nack pli\r\n" in viewer.offer
    # Its coder makes one by itself every 128 pictures: here each comes within a second of being asked for.
    for compound in (True, False):
        viewer.wait("pictures between", lambda: not any(key for _, key in viewer.pictures[-3:]))
        asked = time.monotonic()
        viewer.ask(compound)
        viewer.wait("a key frame", lambda: viewer.keys(asked))
        assert viewer.keys(asked)[0] - asked < 1.0, "by chance?"
    # What the viewer sends is wanted whole, too; and it hears what alice reports of her stream.
    viewer.say()
    viewer.wait("PLI", lambda: any(r[:2] == (206, 1) and struct.unpack("!I", r[2][8:12])[0] == Viewer.SSRC
                                   for r in viewer.reports))
    viewer.wait("a sender's report", lambda: any(r[0] == 200 and struct.unpack("!I", r[2][4:8])[0] == viewer.ssrc
                                                 for r in viewer.reports))
    alice.command("hangup")
    server.wait_event("ended", count=2)
    alice.quit()
    server.stop()
