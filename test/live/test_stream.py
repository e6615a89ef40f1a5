"""Streams of real calls, judged by Node's ws (the messages), sox, ffmpeg and libopus (the audio), and by servers that misbehave."""
import base64
import ctypes
import json
import subprocess
import urllib.parse

import http_peer
import phone
import web_phone
from test_keys import Ear, press
from test_recording import SETTINGS, Call, PROJECT, channels, tone, wait_until
from test_tls import Authority

ALLOWED = SETTINGS.replace("127.0.0.1]", "127.0.0.1, localhost]")


class Server(web_phone.Script):
    """The WebSocket server of node/stream_server.mjs."""

    def __init__(self, folder, authority, *args, name="good"):
        self.folder = folder
        self.folder.mkdir()
        super().__init__("stream_server.mjs", "--folder", self.folder, "--cert", authority.folder / f"{name}.pem", "--key",
                         authority.folder / f"{name}.key", *args)
        self.url = f"wss://localhost:{self.wait('ready')['port']}"

    def messages(self, n, event):
        return [e["message"] for e in self.events if e["event"] == "message" and e["n"] == n and e["message"]["event"] == event]

    def payloads(self, n, track):
        text = (self.folder / f"{n}-{track}.b64").read_text()
        return [base64.b64decode(line) for line in text.split("\n")[:-1]]

    def pcm(self, n, track, *judge):
        """Through sox, or ffmpeg, told what it is."""
        raw, wav = self.folder / f"{n}-{track}.raw", self.folder / f"{n}-{track}.wav"
        raw.write_bytes(b"".join(self.payloads(n, track)))
        where = [str(raw) if part == "RAW" else part for part in judge]
        subprocess.run([*where, str(wav)], check=True, stdin=subprocess.DEVNULL)
        (mono,), rate = channels(wav)
        return mono, rate


def opus(packets, rate):
    """What libopus hears."""
    lib = ctypes.CDLL("libopus.so.0")
    lib.opus_decoder_create.restype = ctypes.c_void_p
    error = ctypes.c_int()
    decoder = ctypes.c_void_p(lib.opus_decoder_create(rate, 1, ctypes.byref(error)))
    assert error.value == 0
    out = []
    for packet in packets:
        buf = (ctypes.c_int16 * 5760)()
        n = lib.opus_decode(decoder, packet, len(packet), buf, 5760, 0)
        assert n > 0
        out += buf[:n]
    lib.opus_decoder_destroy(decoder)
    return out


def authority(world):
    made = Authority(world.folder / "ca")
    made.issue("good", "DNS:localhost")
    made.issue("other", "DNS:other.test")
    return made


def call_with(world, steps, ca, **kw):
    return Call(world, steps, env={"SSL_CERT_FILE": str(ca)}, settings=ALLOWED, **kw)


def to_bob(world):
    bob = world.add(phone.Phone(world.folder, "bob", 1000))
    return {"connect": {"to": f"sip:bob@127.0.0.1:{bob.port};transport=udp"}}


def test_streams_hear_the_call(world):
    ca = authority(world)
    ws = world.add(Server(world.folder / "ws", ca))
    status = world.add(http_peer.Peer())
    status.on("/s", http_peer.answer("ok"))
    secret = "eyJ." + "x" * 2000
    streams = [{"url": ws.url + "/audio?x=1", "control_id": "first", "name": "live", "track": "both_tracks",
                "authorization_bearer_token": secret, "custom_parameters": {"tier": "gold", "q\"": "ä\n"},
                "status_url": status.url("/s?a=b"), "status_url_method": "GET"},
               {"url": ws.url.replace("//", "//me:pass@"), "track": "outbound_track", "codec": "PCMA@40i"},
               {"url": ws.url, "track": "both_tracks", "codec": "L16@24000h@40i"},
               {"url": ws.url, "codec": "G722"},
               {"url": ws.url, "codec": "OPUS@60i", "track": "outbound_track"}]
    call = call_with(world, [*({"stream": s} for s in streams), to_bob(world)], ca.ca)
    ear = Ear(call.alice)
    call.server.wait_event("connected")
    wait_until("4 s of audio", lambda: {e["n"] for e in ws.events if e["event"] == "media" and int(e["timestamp"]) >= 4000}
               == set(range(5)))
    press(call.alice, "15#")
    wait_until("keys", lambda: all(len(ws.messages(n, "dtmf")) == 3 for n in range(5)))
    call.hang_up()
    wait_until("their ends", lambda: len([e for e in ws.events if e["event"] == "close"]) == 5)
    assert not [e for e in ws.events if e["event"] == "error"]

    opened = [e for e in ws.events if e["event"] == "open"]
    assert opened[0]["url"] == "/audio?x=1" and opened[0]["headers"]["authorization"] == f"Bearer {secret}"
    assert opened[1]["headers"]["authorization"] == "Basic " + base64.b64encode(b"me:pass").decode()
    assert "authorization" not in opened[2]["headers"]
    call_id = call.server.named("answered")[0]["call_id"]
    formats = [("audio/x-mulaw", 8000), ("audio/x-alaw", 8000), ("audio/x-L16", 24000), ("audio/G722", 16000), ("audio/opus", 16000)]
    for n, (encoding, rate) in enumerate(formats):
        assert ws.messages(n, "connected") == [{"event": "connected", "protocol": "Call", "version": "0.2.0"}]
        (start,) = ws.messages(n, "start")
        assert start["sequenceNumber"] == "1"
        assert start["start"]["mediaFormat"] == {"encoding": encoding, "sampleRate": rate, "channels": 1}
        assert start["start"]["callSid"] == call_id and start["start"]["accountSid"] == PROJECT
        assert [m["dtmf"] for m in ws.messages(n, "dtmf")] == [{"digit": d} for d in "15#"]
        assert len(ws.messages(n, "stop")) == 1
    (first,) = ws.messages(0, "start")
    assert first["start"]["streamSid"] == "first" and first["start"]["tracks"] == ["inbound", "outbound"]
    assert first["start"]["customParameters"] == {"tier": "gold", "q\"": "ä\n"}
    for closed in (e for e in ws.events if e["event"] == "close"):
        assert closed["code"] == 1000 and closed["gaps"] == 0

    def hears(samples_rate, own):
        samples, rate = samples_rate
        # The last 4 s, when both talk, and no keys.
        samples = samples[-7 * rate:-rate]
        hz, other = (440, 1000) if own else (1000, 440)
        assert tone(samples, rate, hz) > 0.8 and tone(samples, rate, other) < 0.05

    sox = ("sox", "-r", "8000", "-c", "1", "-t")
    hears(ws.pcm(0, "inbound", *sox, "ul", "RAW"), True)
    hears(ws.pcm(0, "outbound", *sox, "ul", "RAW"), False)
    hears(ws.pcm(1, "outbound", *sox, "al", "RAW"), False)
    assert {len(p) for p in ws.payloads(0, "inbound")} == {160} and {len(p) for p in ws.payloads(1, "outbound")} == {320}
    for track, own in (("inbound", True), ("outbound", False)):
        hears(ws.pcm(2, track, "sox", "-t", "raw", "-e", "signed", "-b", "16", "-L", "-r", "24000", "-c", "1", "RAW"), own)
    hears(ws.pcm(3, "inbound", "ffmpeg", "-v", "error", "-f", "g722", "-i", "RAW"), True)
    hears((opus(ws.payloads(4, "outbound"), 16000), 16000), False)
    assert not (ws.folder / "1-inbound.b64").exists() and not (ws.folder / "3-outbound.b64").exists()

    told = status.wait("/s", 2)
    assert {r.method for r in told} == {"GET"} and not any(r.body for r in told)
    events = [json.loads(urllib.parse.parse_qs(r.path.split("?")[1])["payload"][0]) for r in told]
    assert all(r.path.startswith("/s?a=b&payload=%7B") for r in told)
    assert [e["params"]["state"] for e in events] == ["streaming", "finished"]
    for e in events:
        assert e["event_type"] == "calling.call.stream"
        assert set(e["params"]) == {"call_id", "node_id", "segment_id", "control_id", "state", "url", "name"}
        assert e["params"]["control_id"] == "first" and e["params"]["name"] == "live" and e["params"]["url"] == ws.url + "/audio?x=1"
    assert not call.server.named("warning")
    assert not any(secret in line or "pass@" in line for line in call.server.raw)
    del ear
    call.server.stop()


def test_servers_that_are_refused_or_refuse(world):
    ca = authority(world)
    good = world.add(Server(world.folder / "good", ca))
    other = world.add(Server(world.folder / "other", ca, name="other"))
    no = world.add(Server(world.folder / "no", ca, "--status", "403"))
    call = call_with(world, [{"stream": other.url}, {"stream": no.url}, {"stream": "wss://127.0.0.1:9"},
                             {"stream": "wss://10.9.9.9"}, {"set": {"plain": good.url.replace("wss", "ws")}},
                             {"stream": "${plain}"},
                             {"switch": {"variable": "stream_result", "case": {"failed": [{"stream": good.url}, {"sleep": 500}]}}}],
                     ca.ca)
    call.server.wait_event("ended")
    call.server.assert_all_legs_ended_once()
    texts = [w["text"] for w in call.server.named("warning")]
    assert "the certificate of the server: " in texts[0]
    assert texts[1] == "the stream could not be started: the server answered 403 to the WebSocket handshake"
    assert texts[2].startswith("the stream could not be started: cannot connect: ")
    assert texts[3].endswith("10.9.9.9 is a private address and 10.9.9.9 is not in webhooks.allow_hosts")
    assert texts[4] == "url: it begins with wss://" and len(texts) == 5
    assert [e["state"] for e in call.server.named("operation")] == ["finished"] * 4 + ["streaming", "finished"]
    assert good.wait("close")["media"] > 15
    assert not [e for e in other.events if e["event"] == "open"]
    call.server.stop()


def test_servers_that_misbehave(world):
    """One that talks, one that speaks no WebSocket any more, one that closes, one that stops reading: the call goes on."""
    ca = authority(world)
    servers = [world.add(Server(world.folder / name, ca)) for name in ("talks", "rubbish", "closes", "stalls")]
    talks, rubbish, closes, stalls = servers
    call = call_with(world, [*({"stream": {"url": s.url, "control_id": s.folder.name}} for s in servers), to_bob(world)], ca.ca)
    call.server.wait_event("connected")
    stalls.wait("media")
    stalls.say("pause")
    talks.wait("media")
    talks.say("say 50 " + json.dumps({"event": "media", "media": {"payload": "AAAA" * 20000}}))
    talks.say('say 20000 {"event":"clear"}')
    rubbish.say("rubbish")
    closes.say("close 4001")
    assert closes.wait("close")["code"] == 4001

    def ended():
        return [e["control_id"] for e in call.server.named("operation") if e["state"] == "finished"]
    wait_until("two ends", lambda: set(ended()) == {"rubbish", "closes"})
    assert talks.wait("media", 5)  # still
    call.hang_up()
    wait_until("all ends", lambda: sorted(ended()) == sorted(s.folder.name for s in servers))
    assert talks.wait("close")["gaps"] == 0
    assert any("20050 messages of the server were ignored" in line for line in call.server.raw)
    assert any(f"stream to {closes.url}: the server closed the WebSocket" in line for line in call.server.raw)
    assert any(f"stream to {rubbish.url}: the WebSocket connection broke" in line for line in call.server.raw)
    call.alice.quit()
    samples, rate = call.alice.heard()
    assert tone(samples, rate, 1000) > 0.8
    call.server.stop()
