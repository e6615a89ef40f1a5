"""Quality of legs as real peers measure it, and the alarm for those that are not heard."""
import re
import socket
import struct
import time

import harness
import phone
from test_audio import wait_for_sound

CONNECT = "sections:\n  main:\n    - connect:\n        to: 'sip:{name}@127.0.0.1:{port};transport=udp'\n"
WAIT = "sections:\n  main:\n    - answer\n    - sleep: 25000\n"
SUMMARY = "module_app rtcpsummary.so\n"


def quality(event):
    return {k: float(v.rstrip("%")) for k, v in (pair.split("=") for pair in event["quality"].split(","))}


def test_both_sides_know_how_a_call_sounds(world):
    """One call is transcoded, one relayed, at the same time: our reports are read by baresip, and its by us."""
    pairs = []
    documents = {}
    for caller, callee, codec in (("alice", "bob", "PCMA/8000/1"), ("carol", "dave", "PCMU/8000/1")):
        called = world.add(phone.Phone(world.folder, callee, 1000, codec, config=SUMMARY))
        calling = world.add(phone.Phone(world.folder, caller, 440, "PCMU/8000/1", auto=False, config=SUMMARY))
        documents[f"{callee}.yaml"] = CONNECT.format(name=callee, port=called.port)
        pairs.append((calling, called, callee))
    server = world.server(documents)
    for calling, _, callee in pairs:
        calling.command("dial", f"sip:{callee}@127.0.0.1:{server.sip_port};transport=udp")
    server.wait_event("connected", count=2)
    # Ours come after 7.5 s at most, theirs each 5 s, and a third one may be the answer.
    for calling, called, _ in pairs:
        wait_for_sound(calling, 14)
        wait_for_sound(called, 14)
    for calling, _, _ in pairs:
        calling.command("hangup")
    ended = server.wait_event("ended", count=4)
    for event in ended:
        q = quality(event)
        assert q["mos"] > 4.0 and q["loss"] < 5 and q["jitter"] <= q["jitter_max"] < 200, event
        assert 0 <= q["round_trip"] < 500 and q["far_mos"] > 3.5 and q["far_lost"] < 50, event
    metrics = server.http("/metrics")[1]
    assert 'crosspoint_legs_by_score_total{mos="4.0-4.5"} 4' in metrics
    assert "crosspoint_leg_round_trips_total 4" in metrics
    for calling, called, callee in pairs:
        for who in (calling, called):
            who.quit()
            # It says this much once it has read a report; PS is what it had sent by then. Both values of ours, which count
            # microseconds, may be less than it prints; baresip's own, relayed, count milliseconds.
            summary = re.search(r"EX=BareSip;.*PS=(\d+);.*JI=([\d.]+),([\d.]+);DL=([\d.]+);", who.text())
            assert summary, who.text()
            sent, jitter, _, round_trip = map(float, summary.groups())
            assert sent > 0 and round_trip < 500, summary.group()
            assert callee == "bob" or jitter > 0 or round_trip > 0, summary.group()
    server.assert_all_legs_ended_once()
    server.stop()


def media_port(sipp):
    end = time.monotonic() + harness.DEADLINE
    while time.monotonic() < end:
        found = re.search(r"SIP/2\.0 200 OK.*?m=audio (\d+)", sipp.messages(), re.S)
        if found:
            return int(found.group(1))
        time.sleep(0.02)
    raise AssertionError(sipp.report())


def send_until(server, port, payload_type, done):
    """A packet each 20 ms until done() says so."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        end = time.monotonic() + harness.DEADLINE
        seq = 0
        while not done():
            assert time.monotonic() < end, "\n".join(server.raw[-20:])
            s.sendto(struct.pack(">BBHII", 0x80, payload_type, seq, seq * 160, 7) + b"\xff" * 160, ("127.0.0.1", port))
            seq += 1
            time.sleep(0.02)


def test_a_silent_peer_is_told_with_the_cause(world):
    server = world.server({"main.yaml": WAIT}, media=["no_media_s: 2"])
    silent = world.sipp("uac_stay", target=f"127.0.0.1:{server.sip_port}")
    event = server.wait_event("no_media")[0]
    assert event["cause"] == "nothing" and "media.advertise" in event["why"]
    assert 2.0 <= float(event["seconds"]) < 5.0
    first = event["call_id"]

    other = world.sipp("uac_stay", target=f"127.0.0.1:{server.sip_port}")
    port = media_port(other)
    send_until(server, port, 97, lambda: len(server.named("no_media")) == 2)
    event = server.named("no_media")[1]
    assert event["call_id"] != first and event["cause"] == "payload_type" and "payload type 97" in event["why"]
    send_until(server, port, 0, lambda: server.named("media"))
    assert server.named("media")[0]["call_id"] == event["call_id"]
    assert float(server.named("media")[0]["seconds"]) >= 2.0
    assert "crosspoint_no_media_total 2" in server.http("/metrics")[1]
    silent.kill()
    other.kill()
    assert len(server.named("no_media", call_id=first)) == 1
    server.kill()
