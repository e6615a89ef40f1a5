"""denoise: a phone that speaks in noise, and what another one hears of it, measured by sox."""
import json
import re
import subprocess

import pytest

import phone
from test_audio import wait_for_sound
from test_calling import EXTRA

NOISE_S = 3  # noise alone, then words in it


def in_noise(folder):
    """What is said."""
    words, noise, out = (str(folder / name) for name in ("words.wav", "noise.wav", "tone.wav"))
    subprocess.run("espeak-ng --stdout -g 40 'One. Two. Three. Four. Five.' | "
                   f"sox -t wav - -r 8000 -c 1 -b 16 {words} gain -n -6 pad {NOISE_S} 2", shell=True, check=True)
    subprocess.run(f"sox -R -n -r 8000 -c 1 -b 16 {noise} synth 30 pinknoise gain -28", shell=True, check=True)
    subprocess.run(["sox", "-m", "-v", "1", words, "-v", "1", noise, out], check=True)
    return out


def stat(path, what, *effects):
    out = subprocess.run(["sox", str(path), "-n", *effects, "stats"], capture_output=True, text=True, check=True).stderr
    return float(re.search(rf"^{what} dB\s+(\S+)", out, re.M).group(1))


def heard_by_bob(world, *steps):
    """(noise, loudest word) of alice and of bob, in dB."""
    bob = world.add(phone.Phone(world.folder, "bob", 1000))
    alice = world.add(phone.Phone(world.folder, "alice", 440, auto=False))
    said = in_noise(alice.folder)
    document = {"sections": {"main": [*steps, {"connect": f"sip:bob@127.0.0.1:{bob.port};transport=udp"}]}}
    server = world.server({"main.yaml": json.dumps(document)}, extra=EXTRA)
    alice.command("dial", f"sip:main@127.0.0.1:{server.sip_port};transport=udp")
    server.wait_event("connected")
    wait_for_sound(bob, NOISE_S + 2)
    alice.command("hangup")
    server.assert_all_legs_ended_once()
    bob.quit()
    heard = sorted(bob.folder.glob("dump-*-dec.wav"))[-1]
    found = [(stat(f, "RMS lev", "trim", "2", "0.9"), stat(f, "RMS Pk", "trim", str(NOISE_S))) for f in (said, heard)]
    server.stop()
    return found, server


@pytest.mark.parametrize("on", [True, False])
def test_noise_goes_and_words_stay(world, on):
    steps = [{"answer": {}}, {"denoise": {}}] if on else [{"answer": {}}, {"denoise": {}}, {"stop_denoise": {}}]
    (said, heard), server = heard_by_bob(world, *steps)
    if on:
        assert said[0] - heard[0] >= 10, (said, heard)
    else:
        assert abs(said[0] - heard[0]) < 1.5, (said, heard)
    assert abs(said[1] - heard[1]) < 3, (said, heard)
    told = [e["params"] for e in server.events if e.get("operation") == "calling.call.denoise"]
    assert told == ['"denoised":true', '"denoised":false'][:len(steps) - 1]
