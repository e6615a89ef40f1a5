"""detect_machine: real phones say what espeak-ng speaks and sox makes: a person, a machine with a beep, a fax."""
import json
import subprocess

import pytest

import http_peer
import phone
from test_calling import EXTRA, command

GREETING = ("espeak-ng --stdout 'Hello, this is John. I cannot take your call. Please leave a message after the tone.'"
            " | sox -t wav - -r 8000 -c 1 -b 16 {} gain -n -6")
SOUNDS = {
    "human": "espeak-ng --stdout 'hello?' | sox -t wav - -r 8000 -c 1 -b 16 {} gain -n -6 pad 0.5",
    "greeting": GREETING,
    "fax": "sox -n -r 8000 -c 1 -b 16 {} synth 3 sine 2100 gain -12 pad 0.5",
    "calling fax": "sox -n -r 8000 -c 1 -b 16 {} synth 0.5 sine 1100 gain -12 pad 0.5 3 repeat 2",
    "beep": "sox -n -r 8000 -c 1 -b 16 {} synth 0.5 sine 1000 gain -12 pad 0.5",
    "noise": "sox -R -n -r 8000 -c 1 -b 16 {} synth 10 pinknoise gain -20",
}


def speaker(world, name, sounds, **kw):
    """A phone that says these sounds and is silent then."""
    p = world.add(phone.Phone(world.folder, name, 440, **kw))
    parts = []
    for i, sound in enumerate(sounds):
        parts.append(str(p.folder / f"part{i}.wav"))
        subprocess.run(SOUNDS[sound].format(parts[-1]), shell=True, check=True)
    subprocess.run(["sox", *parts, str(p.folder / "tone.wav"), "pad", "0", "30"], check=True)
    return p


def steps(hooks, args, *more):
    return json.dumps({"sections": {"main": [{"detect_machine": dict(args, status_url=hooks.url("/d"))}, *more]}})



def answers(world):
    hooks = world.add(http_peer.Peer())
    hooks.on("/d", http_peer.answer("ok"))
    return hooks


def told(hooks, count):
    """[(type, event, beep), …]: the first events, which are all."""
    found = [r.json() for r in hooks.wait("/d", count)]
    assert all(e["event_type"] == "calling.call.detect" for e in found)
    assert len({e["params"]["control_id"] for e in found}) == 1
    return [(d["type"], d["params"]["event"], d["params"].get("beep"))
            for d in (e["params"]["detect"] for e in found)]


# What the document found is in its variables: it hangs up with a reason that says so.
ENDS = {"switch": {"variable": "detect_result", "case": {
    "human": [{"hangup": "busy"}], "machine": [{"hangup": "decline"}], "fax": [{"sleep": 20}]}}}


@pytest.mark.parametrize("sounds, args, codecs, want", [
    (["human"], {}, "PCMU/8000/1", [("machine", "HUMAN", False), ("machine", "finished", None)]),
    (["human"], {}, "opus/48000/1", [("machine", "HUMAN", False), ("machine", "finished", None)]),
    (["fax"], {}, "PCMA/8000/1", [("fax", "CED", None), ("fax", "finished", None)]),
    (["calling fax"], {"tone": "CNG", "detectors": "fax"}, "PCMU/8000/1",
     [("fax", "CNG", None), ("fax", "finished", None)]),
    (["noise"], {"initial_timeout": 2}, "PCMU/8000/1",
     [("machine", "UNKNOWN", False), ("machine", "finished", None)]),
], ids=["human", "human-opus", "fax", "calling-fax", "noise"])
def test_who_calls(world, sounds, args, codecs, want):
    hooks = answers(world)
    alice = speaker(world, "alice", sounds, codecs=codecs, auto=False,
                    codec_module="opus.so" if codecs.startswith("opus") else "g722.so")
    server = world.server({"main.yaml": steps(hooks, args, ENDS)}, extra=EXTRA)
    alice.command("dial", f"sip:main@127.0.0.1:{server.sip_port};transport=udp")
    assert told(hooks, len(want)) == want
    server.wait_event("ended")
    server.stop()


def test_a_machine_that_is_called(world):
    """To the beep, and the message behind it."""
    hooks = answers(world)
    bob = speaker(world, "bob", ["greeting", "beep"])
    server = world.server({}, extra=EXTRA)
    document = steps(hooks, {"detect_message_end": True, "machine_ready_timeout": 3},
                     {"cond": [{"when": "detect_result == 'machine' && detect_machine_beep == 'true'",
                                "then": [{"play": "ring:1:us"}, {"hangup": "decline"}]}]})
    status, call = command(server, "dial", params={"to": f"sip:bob@127.0.0.1:{bob.port};transport=udp",
                                                   "from": "sip:me@127.0.0.1", "swml": json.loads(document)})
    assert status == 200, call
    want = [("machine", "MACHINE", False), ("machine", "MACHINE", True), ("machine", "finished", None)]
    assert told(hooks, 3) == want
    found = [r.json() for r in hooks.of("/d")]
    # The greeting is some 5 s long; who it is was clear before its end.
    assert found[1]["timestamp"] - found[0]["timestamp"] > 1
    server.wait_event("ended", ended_by="document")
    bob.quit()
    heard, rate = bob.heard()
    loud = phone.loudest_second(heard, rate)
    assert phone.energy(loud, rate, 440) + phone.energy(loud, rate, 480) > 0.8
    server.stop()


def test_beside_a_bridge(world):
    """Packets are relayed; who speaks is found out beside that."""
    hooks = answers(world)
    bob = world.add(phone.Phone(world.folder, "bob", 1000))
    alice = speaker(world, "alice", ["greeting"], auto=False)
    server = world.server({"main.yaml": steps(hooks, {"wait": False, "timeout": 20},
                                              {"connect": f"sip:bob@127.0.0.1:{bob.port};transport=udp"})}, extra=EXTRA)
    alice.command("dial", f"sip:main@127.0.0.1:{server.sip_port};transport=udp")
    assert told(hooks, 2) == [("machine", "MACHINE", False), ("machine", "finished", None)]
    server.wait_event("connected")
    alice.command("hangup")
    server.assert_all_legs_ended_once()
    bob.quit()
    server.stop()
