"""Speech as a real phone hears it: espeak-ng, flite, a command of the operator's; and engines that are of no help."""
import pytest

import phone
from test_play import end


def begin(world, steps, tts):
    alice = world.add(phone.Phone(world.folder, "alice", 440, auto=False))
    server = world.server({"main.yaml": f"sections:\n  main:\n{steps}"}, extra=f"tts: {tts}\n")
    alice.command("dial", f"sip:main@127.0.0.1:{server.sip_port};transport=udp")
    return alice, server


def loud_quarters(samples, rate):
    step = rate // 4
    return sum(max(map(abs, samples[i:i + step])) > 1000 for i in range(0, len(samples) - step, step))


@pytest.mark.parametrize("engine", ["espeak", "flite"])
def test_a_text_is_heard(world, engine):
    alice, server = begin(world, "    - play: {urls: ['say:Good morning, and welcome to the show.', 'silence:1'], "
                                 "say_voice: Polly.Matthew}\n    - hangup\n", tts=f"{{engine: {engine}}}")
    end(server, alice)
    assert 5 <= loud_quarters(*alice.heard()) <= 16
    assert not server.named("warning")


def test_the_document_goes_on_without_the_text(world):
    alice, server = begin(world, "    - play: {urls: ['say:Good morning', 'ring:2:us']}\n    - hangup\n",
                          tts="{command: [sh, -c, 'echo no licence >&2; exit 3']}")
    end(server, alice)
    samples, rate = alice.heard()
    assert loud_quarters(samples, rate) >= 6 and phone.energy(samples[:rate], rate, 440) > 0.3
    warning = server.named("warning")
    assert len(warning) == 1 and "no licence" in str(warning[0])
