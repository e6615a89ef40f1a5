"""Recordings of real phones, judged by sox and ffmpeg: how long, which tone in which channel; and what crashes, full disks
and restarts leave of them."""
import base64
import hashlib
import json
import pathlib
import re
import resource
import sqlite3
import struct
import subprocess
import time
import urllib.error
import urllib.request
import wave

import pytest

import harness
import http_peer
import phone

PROJECT = "0e2b1a30-0000-4000-8000-000000000001"
SETTINGS = f"projects:\n  - {{id: {PROJECT}, token: PT-x}}\nwebhooks: {{allow_hosts: [127.0.0.1]}}\n"


class Call:
    """Alice (440 Hz) on a server that runs the steps; PEER stands for its webhooks."""

    def __init__(self, world, steps, codecs="PCMU/8000/1", env=None, name="alice", settings=SETTINGS):
        self.hooks = world.add(http_peer.Peer())
        self.hooks.on("/r", http_peer.answer("ok"))
        self.alice = world.add(phone.Phone(world.folder, name, 440, codecs, auto=False,
                                           codec_module="opus.so" if codecs.startswith("opus") else "g722.so"))
        steps = [{k: dict(v, status_url=self.hooks.url("/r")) if k.startswith(("record", "tap")) else v for k, v in s.items()}
                 for s in steps]
        self.server = world.server({"main.yaml": json.dumps({"sections": {"main": steps}})}, extra=settings, env=env)
        self.alice.command("dial", f"sip:main@127.0.0.1:{self.server.sip_port};transport=udp")

    def told(self, state, count=1):
        """The params of the count-th event of that state."""
        end = time.monotonic() + harness.DEADLINE
        seen = 0
        while time.monotonic() < end:
            found = [p for p in (r.json()["params"] for r in self.hooks.wait("/r", seen + 1)) if p["state"] == state]
            if len(found) >= count:
                return found[count - 1]
            seen = len(self.hooks.of("/r"))
        raise AssertionError(f"no {state}")

    def file(self):
        """The first one; it is made beside the call."""
        folder = self.server.folder / "data" / "recordings"
        wait_until("a file", lambda: any(p.name != "key" for p in folder.iterdir()))
        return sorted(p for p in folder.iterdir() if p.name != "key")[0]

    def hang_up(self):
        self.alice.command("hangup")
        self.server.assert_all_legs_ended_once()


def get(url, headers=None):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=30) as answer:
        return answer.read(), answer.headers


def status_of(url, headers=None):
    try:
        get(url, headers)
        return 200
    except urllib.error.HTTPError as e:
        return e.code


def sox_seconds(path):
    out = subprocess.run(["soxi", "-D", str(path)], capture_output=True, text=True, check=True)
    assert not out.stderr, out.stderr  # no complaint about the header
    return float(out.stdout)


def channels(path):
    """Samples of each channel, and the rate, whatever the format is."""
    wav = pathlib.Path(path).with_suffix(".plain")
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", str(path), "-f", "wav", "-acodec", "pcm_s16le", str(wav)],
                   check=True, stdin=subprocess.DEVNULL)
    with wave.open(str(wav)) as w:
        data = w.readframes(w.getnframes())
        samples = struct.unpack(f"<{len(data) // 2}h", data)
        return [list(samples[i::w.getnchannels()]) for i in range(w.getnchannels())], w.getframerate()


def tone(samples, rate, hz):
    return phone.energy(phone.loudest_second(samples, rate), rate, hz)


def wait_until(what, ok):
    end = time.monotonic() + harness.DEADLINE
    while not ok():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.05)


@pytest.mark.parametrize("codecs", ["PCMU/8000/1", "opus/48000/1"])
def test_a_bridged_call_in_two_channels(world, codecs):
    bob = world.add(phone.Phone(world.folder, "bob", 1000, codecs,
                                codec_module="opus.so" if codecs.startswith("opus") else "g722.so"))
    call = Call(world, [{"record_call": {"stereo": True}},
                        {"connect": {"to": f"sip:bob@127.0.0.1:{bob.port};transport=udp"}}], codecs)
    call.server.wait_event("connected")
    begun = call.told("recording")
    wait_until("3 s of recording", lambda: call.file().stat().st_size > 3 * 2 * 2 * (8000 if "U" in codecs else 16000))
    call.hang_up()
    done = call.told("finished")
    assert done["url"] == begun["url"] and done["record"]["url"] == done["url"]
    assert done["record"]["audio"] == {"format": "wav", "direction": "both", "stereo": True}
    assert abs(done["end_time"] - done["start_time"] - done["duration"]) < 0.3
    body, headers = get(done["url"])
    assert headers["Content-Type"] == "audio/wav"
    assert len(body) == done["size"] and hashlib.sha256(body).hexdigest() == done["sha256"]
    path = world.folder / "a.wav"
    path.write_bytes(body)
    assert abs(sox_seconds(path) - done["duration"]) < 0.05
    (left, right), rate = channels(path)
    assert tone(left, rate, 440) > 0.8 and tone(left, rate, 1000) < 0.05
    assert tone(right, rate, 1000) > 0.8 and tone(right, rate, 440) < 0.05
    # The last report comes before the call's own.
    times = {e["message"]: i for i, e in enumerate(call.server.events) if e.get("call_id") == done["call_id"]
             and (e["message"] == "ended" or e.get("state") == "finished")}
    assert list(times) == ["operation", "ended"]
    # What signs the address is in no log.
    token = re.search(r"-([0-9a-f]{32})\.wav", done["url"]).group(1)
    assert not any(token in line for line in call.server.raw)
    call.server.stop()


def test_a_message_as_mp3_behind_a_beep(world):
    call = Call(world, [{"record": {"beep": True, "format": "mp3", "max_length": 3}}, {"record": {"max_length": 1}},
                        {"sleep": 500}])
    done = call.told("finished")
    assert done["duration"] == 3.0 and done["url"].endswith(".mp3")
    assert call.told("finished", 2)["duration"] == 1.0  # the document went on
    call.server.wait_event("ended")
    body, headers = get(done["url"])
    assert headers["Content-Type"] == "audio/mpeg" and len(body) == done["size"]
    path = world.folder / "a.mp3"
    path.write_bytes(body)
    out = subprocess.run(["ffprobe", "-v", "error", "-show_entries", "format=duration:stream=codec_name,channels", "-of",
                          "json", str(path)], capture_output=True, text=True, check=True)
    found = json.loads(out.stdout)
    assert found["streams"] == [{"codec_name": "mp3", "channels": 1}]
    (mono,), rate = channels(path)
    assert abs(len(mono) / rate - 3.0) < 0.15  # an MP3 has whole frames, and its encoder's delay
    assert tone(mono, rate, 440) > 0.8
    # The beep is played to the caller, who hears it, and is not in the recording.
    call.alice.quit()
    heard, rate = call.alice.heard()
    assert tone(heard, rate, 1000) > 0.25
    assert phone.energy(mono[:8000], 8000, 1000) < 0.05
    call.server.stop()


def test_silence_is_no_input(world):
    hooks = world.add(http_peer.Peer())
    hooks.on("/r", http_peer.answer("ok"))
    server = world.server({"main.yaml": json.dumps({"sections": {"main": [
        {"record": {"initial_timeout": 0.6, "status_url": hooks.url("/r")}},
        {"switch": {"variable": "record_result", "case": {"failed": [{"hangup": "busy"}]}, "default": [{"sleep": -1}]}},
    ]}})}, extra=SETTINGS)
    world.sipp("uac_listen", target=f"127.0.0.1:{server.sip_port}", user="main")
    told = [r.json()["params"] for r in hooks.wait("/r", 2)]
    assert [p["state"] for p in told] == ["recording", "no_input"]
    assert told[1]["duration"] == 0.6
    server.wait_event("ended", ended_by="document")
    server.stop()


def test_kill_leaves_what_was_recorded(world):
    call = Call(world, [{"record_call": {}}, {"sleep": -1}])
    call.told("recording")
    began = time.monotonic()
    wait_until("3 s of recording", lambda: call.file().stat().st_size > 44 + 3 * 16000)
    call.server.kill()
    lived = time.monotonic() - began
    seconds = sox_seconds(call.file())
    assert 2.9 < seconds <= lived + 0.2 and lived - seconds < 1.5
    (mono,), rate = channels(call.file())
    assert tone(mono, rate, 440) > 0.8


def test_a_full_disk_costs_the_recording_only(world):
    bob = world.add(phone.Phone(world.folder, "bob", 1000))
    call = Call(world, [{"record_call": {"stereo": True}},
                        {"connect": {"to": f"sip:bob@127.0.0.1:{bob.port};transport=udp"}}])
    call.server.wait_event("connected")
    limit = call.file().stat().st_size + 50001
    resource.prlimit(call.server.process.pid, resource.RLIMIT_FSIZE, (limit, limit))
    done = call.told("error")
    assert 1.0 < done["duration"] < 10 and done["size"] <= limit
    assert abs(sox_seconds(call.file()) - done["duration"]) < 0.05
    # They still talk.
    assert not call.server.named("ended")
    dump = sorted(bob.folder.glob("dump-*-dec.wav"))[-1]
    size = dump.stat().st_size
    wait_until("more at bob's", lambda: dump.stat().st_size > size + 16000)
    call.hang_up()
    assert any("could not be written: File too large" in line for line in call.server.raw)
    call.server.stop()


def test_addresses_outlive_the_server(world):
    call = Call(world, [{"record_call": {}}, {"sleep": 1200}, {"stop_record_call": {}}, {"sleep": -1}])
    done = call.told("finished")
    # It was stopped, so it is whole while the call goes on.
    assert hashlib.sha256(get(done["url"])[0]).hexdigest() == done["sha256"]
    call.hang_up()
    call.server.stop()
    again = harness.Server(call.server.folder, {}, routes=[("main", "main.yaml")], extra=SETTINGS)
    world.add(again)
    base = f"http://127.0.0.1:{again.http_port}/recordings/"
    name = done["url"].rsplit("/", 1)[1]
    body = get(base + name)[0]
    assert hashlib.sha256(body).hexdigest() == done["sha256"]
    assert get(base + name, {"Range": "bytes=44-143"})[0] == body[44:144]
    assert get(base + name.removesuffix(".wav"))[0] == body
    (world.folder / "a.mp3").write_bytes(get(base + name.replace(".wav", ".mp3"))[0])
    (mono,), rate = channels(world.folder / "a.mp3")
    assert abs(len(mono) / rate - done["duration"]) < 0.15 and tone(mono, rate, 440) > 0.8
    # By its id it wants credentials; a wrong signature is no recording at all.
    right = {"Authorization": "Basic " + base64.b64encode(f"{PROJECT}:PT-x".encode()).decode()}
    assert status_of(base + done["recording_id"]) == 401
    assert get(base + done["recording_id"] + ".wav", right)[0] == body
    assert status_of(base + name[:-5] + ("0" if name[-5] != "0" else "1") + ".wav", right) == 404
    assert status_of(base + "key", right) == 404
    again.stop()
    with sqlite3.connect(again.folder / "data" / "crosspoint.db") as db:
        rows = db.execute("SELECT recording_id, call_id, state, format, channels, direction, duration_ms, size, sha256 "
                          "FROM recordings").fetchall()
    assert rows == [(done["recording_id"], done["call_id"], "finished", "wav", 1, "both", round(done["duration"] * 1000),
                     done["size"], done["sha256"])]
