"""Keys of real phones, as RTP events and as SIP INFO: to documents, across bridges, and from documents."""
import json
import socket
import threading
import time

import pytest

import harness
import phone
from test_control import ACCESS, dial

CONNECT = "sections:\n  main:\n    - connect:\n        to: 'sip:bob@127.0.0.1:{port};transport=udp'\n"
PROMPT = """sections:
  main:
    - prompt: {play: ['ring:us', 'silence:30'], max_digits: 4, terminators: '#', initial_timeout: 20, digit_timeout: 8}
    - set: {heard: '${prompt_result} ${prompt_value} ${prompt_digit_terminator}'}
    - switch:
        variable: prompt_value
        case:
          '159': [execute: {dest: right}]
        default: [hangup]
  right:
    - send_digits: 'w42w#'
    - sleep: 20000
"""


class Ear:
    """The keys that a phone says it has heard, by its control connection."""

    def __init__(self, who):
        self.who = who
        self.keys = ""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        data = b""
        while True:
            try:
                data += self.who.socket.recv(65536)
            except socket.timeout:
                continue
            except OSError:
                return
            while b":" in data:
                size, rest = data.split(b":", 1)
                if len(rest) <= int(size):
                    break
                self._take(json.loads(rest[:int(size)]))
                data = rest[int(size) + 1:]

    def _take(self, message):
        if message.get("type") == "CALL_DTMF_START":
            self.keys += message["param"]

    def wait(self, keys):
        end = time.monotonic() + harness.DEADLINE
        while len(self.keys) < len(keys):
            assert time.monotonic() < end, f"{self.who.folder.name} heard {self.keys!r}\n{self.who.text()}"
            time.sleep(0.02)


def press(who, keys, ear=None, before=""):
    """One after the other: the phone begins a key when the one before has been heard."""
    for i, key in enumerate(keys):
        who.command("sndcode", key)
        if ear:
            ear.wait(before + keys[:i + 1])
        else:
            time.sleep(0.4)  # a finger's pace


def collected(server):
    events = server.wait_event("operation", operation="calling.call.collect")
    return json.loads("{" + events[0]["params"] + "}")["result"]


@pytest.mark.parametrize("mode", ["rtpevent", "info"])
def test_a_document_asks_for_keys_and_answers_with_keys(world, mode):
    alice = world.add(phone.Phone(world.folder, "alice", 440, auto=False, more=f";dtmfmode={mode}"))
    ear = Ear(alice)
    server = world.server({"main.yaml": PROMPT})
    alice.command("dial", f"sip:main@127.0.0.1:{server.sip_port};transport=udp")
    server.wait_event("answered")
    server.wait("sounds", lambda _: "answered" in alice.text() or "established" in alice.text())
    press(alice, "159#")
    assert collected(server) == {"type": "digit", "params": {"digits": "159", "terminator": "#"}}
    ear.wait("42#")
    alice.command("hangup")
    server.wait_event("ended")
    assert ear.keys == "42#"
    assert not server.named("warning")
    server.stop()


@pytest.mark.parametrize("alices, bobs, mode", [
    ("PCMU/8000/1", "PCMU/8000/1", "rtpevent"),
    ("PCMU/8000/1", "opus/48000/1", "rtpevent"),
    ("opus/48000/1", "PCMA/8000/1", "rtpevent"),
    ("PCMU/8000/1", "opus/48000/1", "info"),
    ("PCMU/8000/1", "PCMU/8000/1", "info"),
])
def test_keys_cross_a_bridge(world, alices, bobs, mode):
    module = {"opus/48000/1": "opus.so"}
    bob = world.add(phone.Phone(world.folder, "bob", 1000, bobs, codec_module=module.get(bobs, "g722.so")))
    alice = world.add(phone.Phone(world.folder, "alice", 440, alices, auto=False, more=f";dtmfmode={mode}",
                                  codec_module=module.get(alices, "g722.so")))
    at_bob, at_alice = Ear(bob), Ear(alice)
    server = world.server({"main.yaml": CONNECT.format(port=bob.port)})
    alice.command("dial", f"sip:main@127.0.0.1:{server.sip_port};transport=udp")
    server.wait_event("connected")
    server.wait("both to talk", lambda _: "established" in bob.text() and "established" in alice.text())
    press(alice, "1159*0#", at_bob)
    press(bob, "77A", at_alice)
    press(alice, "2", at_bob, before="1159*0#")
    alice.command("hangup")
    server.wait_event("ended", count=2)
    assert at_bob.keys == "1159*0#2"
    assert at_alice.keys == "77A"
    server.assert_all_legs_ended_once()
    server.stop()


def test_the_api_dials_and_sends_keys_before_the_document(world):
    bob = world.add(phone.Phone(world.folder, "bob", 1000))
    ear = Ear(bob)
    server = world.server({"main.yaml": "sections: {main: [hangup]}"}, extra=ACCESS)
    status, _, text = dial(server, **{"from": "sip:me@example.test"}, to=f"sip:bob@127.0.0.1:{bob.port};transport=udp",
                           send_digits="w1,2w3", swml="sections: {main: [{send_digits: 'w4w'}, hangup]}")
    assert status == 200, text
    server.wait_event("ended")
    ear.wait("1234")
    assert ear.keys == "1234"
    assert not server.named("warning")
    server.stop()
