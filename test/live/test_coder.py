"""G722 by a second implementation: what we code ffmpeg decodes, and the reverse, at both rates that it has here."""
import array
import math
import subprocess

import pytest

import harness
import phone

PROGRAM = next((p for p in (folder / "test" / "coder_pipe" for folder in (harness.BINARY.parent, harness.ROOT / "build-asan"))
                if p.exists()), "coder_pipe is not built")
LOUD, SECONDS = 8000, 3


def tone(hz, rate):
    return array.array("h", (round(LOUD * math.sin(2 * math.pi * hz * i / rate)) for i in range(rate * SECONDS))).tobytes()


def through(data, *command):
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout


def ffmpeg(data, *formats):
    return through(data, "ffmpeg", "-v", "error", *formats, "-")


def assert_is(data, hz, rate):
    """That tone and nothing else, as loud as it was."""
    samples = list(memoryview(data).cast("h"))
    assert len(samples) > (SECONDS - 0.1) * rate
    second = samples[rate:2 * rate]
    assert phone.energy(second, rate, hz) > 0.98
    loud = math.sqrt(2 * sum(s * s for s in second) / rate)
    assert abs(20 * math.log10(loud / LOUD)) < 1, f"{loud:.0f} for {LOUD}"


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("hz", [300, 1000, 2800])
def test_g722_and_ffmpeg_understand_each_other(rate, hz):
    ours = through(tone(hz, rate), PROGRAM, "encode", "G722", str(rate))
    assert len(ours) == 8000 * SECONDS
    assert_is(ffmpeg(ours, "-f", "g722", "-i", "-", "-f", "s16le"), hz, 16000)
    theirs = ffmpeg(tone(hz, 16000), "-f", "s16le", "-ar", "16000", "-i", "-", "-f", "g722")
    assert_is(through(theirs, PROGRAM, "decode", "G722", str(rate)), hz, rate)
