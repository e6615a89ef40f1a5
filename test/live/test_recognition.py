"""Speech of callers: espeak-ng speaks through a real phone, PocketSphinx understands it; and engines that are of no help."""
import subprocess
import time
import wave

import pytest

import harness
import http_peer
import phone
from test_keys import collected, press

SOMETHING = "good morning, this is somebody who has a lot to say"
RECOGNIZER = harness.ROOT / "examples" / "recognize" / "pocketsphinx"


def spoken(folder, text, before_s=1.5, after_s=20):
    """A WAV file with silence around the words."""
    subprocess.run(["espeak-ng", "-v", "en-us", "-s", "130", "-w", folder / "words.wav", text], check=True)
    out = folder / "says.wav"
    subprocess.run(["sox", folder / "words.wav", "-r", "8000", "-c", "1", "-b", "16", out, "pad", str(before_s), str(after_s)],
                   check=True)
    return out


def begin(world, text, arguments, stt, **kw):
    """A caller who says this, and a document that asks and then says by its hang-up what it has understood."""
    says = spoken(world.folder, text) if text else 0
    alice = world.add(phone.Phone(world.folder, "alice", says, auto=False))
    document = ("sections:\n  main:\n"
                f"    - prompt: {{play: ['ring:3:us'], {arguments}}}\n"
                "    - switch:\n        variable: prompt_result\n        case:\n"
                "          match_speech: [{switch: {variable: prompt_value, case: {'no': [hangup: busy]}, default: [hangup]}}]\n"
                "          match_digits: [hangup: decline]\n"
                "        default: [{sleep: 300}, hangup]\n")
    server = world.server({"main.yaml": document}, extra=f"stt: {stt}\n" if stt else "", **kw)
    alice.command("dial", f"sip:main@127.0.0.1:{server.sip_port};transport=udp")
    return alice, server


def finish(server, alice):
    ended = server.wait_event("ended")[0]
    alice.quit()
    server.assert_all_legs_ended_once()
    server.stop()
    return ended


SPHINX = f"{{command: [{RECOGNIZER}, '{{hints}}']}}"


@pytest.mark.parametrize("text, understood", [("yes", "yes"), ("no", "no"), ("one two three", "one two three")])
def test_a_caller_is_understood(world, text, understood):
    alice, server = begin(world, text, "speech_hints: ['yes', 'no', one two three, three two one], speech_end_timeout: 0.6", SPHINX)
    assert collected(server) == {"type": "speech", "params": {"text": understood}}
    finish(server, alice)
    # The tone was stopped when she began to speak, 1.5 s after the answer
    samples, rate = alice.heard()
    assert 1.0 < len(samples) / rate < 2.8, len(samples) / rate
    assert not server.named("warning")


def test_a_service_is_told_what_to_expect(world):
    peer = world.add(http_peer.Peer())
    peer.on("/listen", http_peer.json_answer({"text": "Three, two, one!", "confidence": 0.87}))
    alice, server = begin(world, "three two one", "speech_hints: ['tickets', 'café'], speech_language: en-GB",
                          f"{{http: '{peer.url('/listen')}?language={{language}}&hints={{hints}}'}}")
    assert collected(server) == {"type": "speech", "params": {"text": "Three, two, one!", "confidence": 0.87}}
    finish(server, alice)
    request = peer.requests[0]
    assert request.method == "POST" and request.get("Content-Type") == "audio/wav"
    assert request.path == "/listen?language=en-GB&hints=tickets%2Ccaf%C3%A9"
    (world.folder / "sent.wav").write_bytes(request.body)
    with wave.open(str(world.folder / "sent.wav")) as w:
        assert (w.getframerate(), w.getnchannels(), w.getsampwidth()) == (16000, 1, 2)
        assert 1.5 < w.getnframes() / 16000 < 4
    said = subprocess.run([RECOGNIZER, "one two three,three two one,two one three"], stdin=open(world.folder / "sent.wav", "rb"),
                          capture_output=True, text=True, check=True)
    assert said.stdout == "three two one\n"  # what was sent is what was said


def test_keys_are_taken_beside_speech(world):
    alice, server = begin(world, None, "max_digits: 2, speech_timeout: 10", SPHINX)
    server.wait_event("answered")
    press(alice, "42")
    assert collected(server) == {"type": "digit", "params": {"digits": "42", "terminator": ""}}
    finish(server, alice)


def test_who_says_nothing_is_not_waited_for(world):
    alice, server = begin(world, None, "initial_timeout: 1, speech_timeout: 10", SPHINX)
    assert collected(server) == {"type": "no_input"}
    finish(server, alice)


@pytest.mark.parametrize("stt, why", [
    ("{command: [sh, -c, 'echo no licence >&2; exit 3']}", "no licence"),
    ("{command: [sh, -c, 'echo \"{}\"']}", 'has no "text"'),
    ("{command: [/nowhere/engine]}", "No such file"),
    ("{http: 'http://127.0.0.1:9/x'}", "the recognition service: "),
])
def test_an_engine_that_fails_is_told_and_the_call_goes_on(world, stt, why):
    alice, server = begin(world, SOMETHING, "speech_end_timeout: 0.4", stt)
    assert collected(server) == {"type": "error"}
    assert why in server.wait_event("warning")[0]["text"]
    assert finish(server, alice)["cause"] == "hangup"


def test_an_engine_that_hangs_is_killed(world):
    alice, server = begin(world, SOMETHING, "speech_end_timeout: 0.4", "{command: [sh, -c, 'sleep 600']}")
    began = time.monotonic()
    assert collected(server) == {"type": "error"}
    assert 10 < time.monotonic() - began < 25
    assert "was killed" in server.wait_event("warning")[0]["text"]
    finish(server, alice)
    left = subprocess.run(["pgrep", "-f", "^sleep 600$"], capture_output=True, text=True).stdout.split()
    assert not left


def test_without_an_engine_there_are_only_keys(world):
    alice, server = begin(world, None, "max_digits: 1, speech_hints: [a]", None)
    assert "the configuration has no stt" in server.wait_event("warning")[0]["text"]
    press(alice, "7")
    assert collected(server)["params"]["digits"] == "7"
    finish(server, alice)
