"""What our SDP says of Opus: baresip takes it, is told anew after a transfer, and codes what it was told to and no more."""
import json
import re
import selectors
import socket

import pytest

import phone
import sip_peer
from test_audio import module_of
from test_control import ACCESS, verb
from test_hold import wait_until_it_hears

# Of one channel: with opus_stereo no, baresip knows no other, and offers all that it has when it knows none of its account's.
OPUS, PCMU = "opus/48000/1", "PCMU/8000/1"
DOCUMENT = ("sections:\n  main:\n    - connect: {{to: 'sip:bob@127.0.0.1:{port};transport=udp', answer_on_bridge: true}}\n")
SDP = ("v=0\r\no=- 1 {version} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
       "m=audio {port} RTP/AVP 96\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 {fmtp}\r\n")


def serve(world, port):
    return world.server({"main.yaml": DOCUMENT.format(port=port)}, extra=ACCESS)


def party(world, name, hz, codecs, auto=True):
    return world.add(phone.Phone(world.folder, name, hz, codecs, auto=auto, codec_module=module_of(codecs)))


def told(server, who):
    """What the SDPs that a phone got say of Opus, one after the other."""
    items = {}
    for call in server.named("created"):
        traced = json.loads(verb(server, "trace", call["call_id"], "--json")[1])["items"]
        items.update((i["text"], i) for i in traced if i["type"] == "message")
    texts = [i["text"] for i in items.values() if i["direction"] == "out" and i["remote"].endswith(f":{who.port}")]
    found = [(t, re.search(r"a=rtpmap:(\d+) opus/", t)) for t in texts]
    says = [re.search(rf"a=fmtp:{m[1]} (.*?)\r?\n", t) for t, m in found if m]
    return [s[1] if s else "" for s in says]


NARROW = "maxplaybackrate=8000;sprop-maxcapturerate=8000;useinbandfec=1"


@pytest.mark.parametrize("alices, bobs", [(OPUS, PCMU), (PCMU, OPUS)], ids=["caller", "callee"])
def test_who_talks_to_a_telephone_is_told_so_and_anew_after_a_transfer(world, alices, bobs):
    bob, carol = party(world, "bob", 1000, bobs), party(world, "carol", 800, OPUS)
    alice = party(world, "alice", 440, alices, auto=False)
    server = serve(world, bob.port)
    alice.command("dial", f"sip:main@127.0.0.1:{server.sip_port};transport=udp")
    wait_until_it_hears(alice, 1000)
    wait_until_it_hears(bob, 440)
    with_opus, other = (alice, bob) if alices == OPUS else (bob, alice)
    assert told(server, with_opus) == [NARROW]
    # Who speaks PCMU leaves: the two that stay speak Opus.
    other.command("transfer", f"sip:carol@127.0.0.1:{carol.port};transport=udp")
    wait_until_it_hears(with_opus, 800)
    wait_until_it_hears(carol, 440 if with_opus is alice else 1000)
    server.wait_event("transfer", state="success")
    says = told(server, with_opus)
    assert says[0] == NARROW and "maxplaybackrate=8000" not in says[-1] and len(says) == 2, says
    assert not any("maxplaybackrate=8000" in s for s in told(server, carol))
    carol.command("hangup")
    with_opus.command("hangup")
    server.assert_all_legs_ended_once()
    server.stop()


class Listener:
    """A party of Opus with a wish, whose packets tell what the other end codes: RFC 6716 §3.1."""

    BANDS = [0] * 4 + [1] * 4 + [2] * 4 + [3] * 2 + [4] * 2 + [0] * 4 + [2] * 4 + [3] * 4 + [4] * 4

    def __init__(self, selector, wish):
        self.wish, self.selector, self.version = wish, selector, 1
        self.rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.rtp.bind(("127.0.0.1", 0))
        self.rtp.setblocking(False)
        self.bands, self.invite, self.over = [], None, False
        self.peer = sip_peer.Peer(selector, self.take)
        selector.register(self.rtp, selectors.EVENT_READ, self)
        self.read()

    def read(self):
        while True:
            try:
                data = self.rtp.recv(2048)
            except BlockingIOError:
                return
            if len(data) > 13 and data[1] & 0x7f == 96:
                self.bands.append(self.BANDS[data[12] >> 3])

    def sdp(self):
        return SDP.format(version=self.version, port=self.rtp.getsockname()[1], fmtp=self.wish)

    def take(self, peer, m, source):
        if m.method == "INVITE":
            self.invite, self.source = m, source
            peer.respond(m, 200, "OK", source, tag="listener", body=self.sdp())
        elif m.method == "BYE":
            peer.respond(m, 200, "OK", source)
            self.over = True
        elif m.status == 200:
            self.request("ACK")

    def request(self, method, body=""):
        """Inside the dialog that the server began."""
        m, target = self.invite, re.search("<(.*?)>", self.invite.get("Contact"))[1]
        lines = [f"{method} {target} SIP/2.0", f"Via: SIP/2.0/UDP 127.0.0.1:{self.peer.port};branch=z9hG4bK{method}{self.version}",
                 "Max-Forwards: 70", f"From: {m.get('To')};tag=listener", f"To: {m.get('From')}", f"Call-ID: {m.call_id}",
                 f"CSeq: {self.version} {method}", f"Contact: <sip:bob@127.0.0.1:{self.peer.port}>"]
        lines += ["Content-Type: application/sdp"] if body else []
        self.peer.send("\r\n".join([*lines, f"Content-Length: {len(body)}", "", body]), self.source)

    def wants(self, wish):
        self.wish, self.version, self.bands = wish, self.version + 1, []
        self.request("INVITE", self.sdp())

    def kill(self):
        self.peer.socket.close()
        self.rtp.close()


def test_a_phone_codes_what_the_other_one_can_play_and_no_more(world):
    with selectors.DefaultSelector() as selector:
        bob = world.add(Listener(selector, "maxplaybackrate=8000"))
        alice = party(world, "alice", 440, OPUS, auto=False)
        server = serve(world, bob.peer.port)
        alice.command("dial", f"sip:main@127.0.0.1:{server.sip_port};transport=udp")
        assert sip_peer.run(selector, [], lambda: len(bob.bands) > 50, 20)
        assert set(bob.bands) == {0}, "it codes what cannot be played"
        bob.wants("maxplaybackrate=48000")
        assert sip_peer.run(selector, [], lambda: bob.bands[-50:].count(0) == 0 and len(bob.bands) > 50, 20), bob.bands[-50:]
        assert [s.split(";")[0] for s in told(server, alice)] == ["maxplaybackrate=8000", "maxplaybackrate=48000"]
        alice.command("hangup")
        assert sip_peer.run(selector, [], lambda: bob.over, 20)
        server.assert_all_legs_ended_once()
        server.stop()
