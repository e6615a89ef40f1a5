"""Whole calls through the built server: SIPp calls, SIPp answers, the document in between."""
import pytest

import harness


def connect(body, tail=""):
    return f"version: 1.0.0\nsections:\n  main:\n    - connect:\n{body}\n{tail}"


def to(port, extra="", transport="udp"):
    return f"        to: 'sip:bob@127.0.0.1:{port};transport={transport}'\n{extra}"


VOICEMAIL = "        result:\n          case:\n            connected: [hangup]\n          default:\n            - execute: voicemail\n"
VOICEMAIL_SECTION = "  voicemail:\n    - answer\n    - hangup\n"


def test_single_sip_uri_caller_hangs_up(world):
    callee = world.sipp("uas_answer")
    server = world.server({"main.yaml": connect(to(callee.port))})
    caller = world.sipp("uac_talk", target=f"127.0.0.1:{server.sip_port}")
    caller.done()
    callee.done()
    assert server.assert_all_legs_ended_once() == 2
    ended = {e["direction"]: e for e in server.named("ended")}
    assert ended["inbound"]["cause"] == "hangup" and ended["inbound"]["ended_by"] == "peer"
    assert ended["outbound"]["cause"] == "hangup" and ended["outbound"]["sip_code"] == "200"
    assert all(e["why"] for e in ended.values())
    server.stop()


def test_callee_hangs_up_and_document_ends_the_call(world):
    callee = world.sipp("uas_hangup")
    server = world.server({"main.yaml": connect(to(callee.port))})
    caller = world.sipp("uac_listen", target=f"127.0.0.1:{server.sip_port}")
    caller.done()
    callee.done()
    server.assert_all_legs_ended_once()
    assert server.named("disconnected")
    server.stop()


def test_tcp_on_both_sides(world):
    callee = world.sipp("uas_answer", transport="t1")
    server = world.server({"main.yaml": connect(to(callee.port, transport="tcp"))})
    caller = world.sipp("uac_talk", target=f"127.0.0.1:{server.sip_port}", transport="t1")
    caller.done()
    callee.done()
    server.assert_all_legs_ended_once()
    server.stop()


def test_ipv6(world):
    callee = world.sipp("uas_answer", host="::1")
    server = world.server({"main.yaml": "sections:\n  main:\n    - connect:\n"
                                        f"        to: 'sip:bob@[::1]:{callee.port};transport=udp'\n"}, sip_host="::1")
    caller = world.sipp("uac_talk", target=f"[::1]:{server.sip_port}", host="::1")
    caller.done()
    callee.done()
    server.assert_all_legs_ended_once()
    server.stop()


def test_phone_number_over_the_trunk(world):
    callee = world.sipp("uas_answer")
    server = world.server({"main.yaml": connect("        to: '+15551234567'\n")}, trunk_port=callee.port)
    caller = world.sipp("uac_talk", target=f"127.0.0.1:{server.sip_port}")
    caller.done()
    callee.done()
    assert "INVITE sip:+15551234567@127.0.0.1" in callee.messages()
    assert "X-Crosspoint-CallSid" not in callee.messages()
    server.stop()


def test_parallel_first_answer_wins_and_the_other_is_cancelled(world):
    loser = world.sipp("uas_ring")
    winner = world.sipp("uas_answer")
    body = "        parallel:\n" + "".join(f"          - to: 'sip:bob@127.0.0.1:{p};transport=udp'\n"
                                           for p in (loser.port, winner.port))
    server = world.server({"main.yaml": connect(body)})
    caller = world.sipp("uac_talk", target=f"127.0.0.1:{server.sip_port}")
    caller.done()
    winner.done()
    loser.done()
    assert server.assert_all_legs_ended_once() == 3
    assert len(server.named("ended", cause="cancel")) == 1
    assert len(server.named("connected")) == 1
    server.stop()


def test_serial_goes_on_after_a_timeout(world):
    first = world.sipp("uas_ring")
    second = world.sipp("uas_answer")
    body = ("        answer_on_bridge: true\n        serial:\n"
            f"          - to: 'sip:bob@127.0.0.1:{first.port};transport=udp'\n            timeout: 1\n"
            f"          - to: 'sip:bob@127.0.0.1:{second.port};transport=udp'\n"
            f"            from: 'sip:chris@example.com'\n            codecs: PCMU\n")
    server = world.server({"main.yaml": connect(body)})
    caller = world.sipp("uac_talk", target=f"127.0.0.1:{server.sip_port}")
    caller.done()
    first.done()
    second.done()
    assert server.named("ended", cause="no_answer")
    assert "From: <sip:chris@example.com>" in second.messages()
    assert "m=audio" in second.messages() and "PCMA" not in second.messages().split("ACK sip:")[0]
    server.stop()


def test_serial_parallel_and_busy_groups(world):
    busy = [world.sipp("uas_486") for _ in range(2)]
    last = world.sipp("uas_answer")
    body = ("        serial_parallel:\n"
            f"          - [{{to: 'sip:a@127.0.0.1:{busy[0].port};transport=udp'}},"
            f" {{to: 'sip:b@127.0.0.1:{busy[1].port};transport=udp'}}]\n"
            f"          - [{{to: 'sip:c@127.0.0.1:{last.port};transport=udp'}}]\n")
    server = world.server({"main.yaml": connect(body)})
    world.sipp("uac_talk", target=f"127.0.0.1:{server.sip_port}").done()
    for s in busy + [last]:
        s.done()
    assert server.assert_all_legs_ended_once() == 4
    server.stop()


@pytest.mark.parametrize("callee_says,caller_hears,reason", [(486, 486, "busy"), (603, 603, "declined"),
                                                             (404, 404, "error"), (480, 480, "no_answer"),
                                                             (488, 480, "error"), (503, 480, "error")])
def test_failure_reaches_an_unanswered_caller(world, callee_says, caller_hears, reason):
    callee = world.sipp(f"uas_{callee_says}")
    server = world.server({"main.yaml": connect(to(callee.port, "        answer_on_bridge: true\n"))})
    caller = world.sipp(f"uac_{caller_hears}", target=f"127.0.0.1:{server.sip_port}")
    caller.done()
    callee.done()
    assert server.wait_event("failed")[0]["reason"] == reason
    assert server.named("ended", direction="outbound")[0]["sip_code"] == str(callee_says)
    server.assert_all_legs_ended_once()
    server.stop()


def test_voicemail_on_failure(world):
    callee = world.sipp("uas_486")
    server = world.server({"main.yaml": connect(to(callee.port, VOICEMAIL), VOICEMAIL_SECTION)})
    caller = world.sipp("uac_listen", target=f"127.0.0.1:{server.sip_port}")
    caller.done()
    callee.done()
    server.assert_all_legs_ended_once()
    server.stop()


def test_answer_on_bridge_passes_early_media_as_183(world):
    callee = world.sipp("uas_early")
    server = world.server({"main.yaml": connect(to(callee.port, "        answer_on_bridge: true\n"))})
    caller = world.sipp("uac_early", target=f"127.0.0.1:{server.sip_port}")
    caller.done()
    callee.done()
    server.assert_all_legs_ended_once()
    server.stop()


def test_caller_cancels_while_the_peer_rings(world):
    callee = world.sipp("uas_ring")
    server = world.server({"main.yaml": connect(to(callee.port, "        answer_on_bridge: true\n"))})
    caller = world.sipp("uac_cancel", target=f"127.0.0.1:{server.sip_port}")
    caller.done()
    callee.done()
    server.assert_all_legs_ended_once()
    assert {e["cause"] for e in server.named("ended")} == {"cancel"}
    server.stop()


def test_hold_and_resume(world):
    callee = world.sipp("uas_answer")
    server = world.server({"main.yaml": connect(to(callee.port))})
    caller = world.sipp("uac_hold", target=f"127.0.0.1:{server.sip_port}")
    caller.done()
    callee.done()
    server.assert_all_legs_ended_once()
    server.stop()


def test_headers_of_all_three_shapes(world):
    for headers, uri in (("        headers: {X-Foo: '1', Bar: '2'}\n", ""),
                         ("        headers: [{name: X-Foo, value: '1'}, {name: Bar, value: '2'}]\n", ""),
                         ("", "?X-Foo=1&Bar=2")):
        callee = world.sipp("uas_answer")
        body = f"        to: 'sip:bob@127.0.0.1:{callee.port};transport=udp{uri}'\n" + headers
        server = world.server({"main.yaml": connect(body)})
        world.sipp("uac_talk", target=f"127.0.0.1:{server.sip_port}").done()
        callee.done()
        assert "\r\nX-Foo: 1\r\n" in callee.messages().replace("\n", "\r\n").replace("\r\r", "\r")
        assert "X-Bar: 2" in callee.messages()
        assert "X-Crosspoint-CallSid: " in callee.messages()
        server.stop()


def test_unknown_source_is_refused_with_403(world):
    server = world.server({"main.yaml": connect("        to: 'sip:a@127.0.0.1:9;transport=udp'\n")},
                          accept="127.0.0.99/32")
    world.sipp("uac_403", target=f"127.0.0.1:{server.sip_port}").done()
    assert not server.named("created")
    server.stop()


def test_no_route_is_404(world):
    server = world.server({"main.yaml": connect("        to: 'sip:a@127.0.0.1:9;transport=udp'\n")})
    world.sipp("uac_404", target=f"127.0.0.1:{server.sip_port}", user="nobody").done()
    assert not server.named("created")
    server.stop()


def test_no_common_codec_is_488(world):
    server = world.server({"main.yaml": connect("        to: 'sip:a@127.0.0.1:9;transport=udp'\n")}, codecs="[OPUS]")
    world.sipp("uac_488", target=f"127.0.0.1:{server.sip_port}").done()
    server.stop()


def test_a_codec_that_is_none_of_ours_fails_with_a_clear_reason(world):
    server = world.server({"main.yaml": connect("        to: 'sip:a@127.0.0.1:9;transport=udp'\n        codecs: VP8\n")})
    world.sipp("uac_listen", target=f"127.0.0.1:{server.sip_port}").done()
    failed = server.wait_event("failed")[0]
    assert failed["reason"] == "error" and "codec" in failed["why"]
    server.stop()


def test_tls_destination_says_what_to_write(world):
    server = world.server({"main.yaml": connect("        to: 'sips:a@127.0.0.1:9'\n        answer_on_bridge: true\n")})
    world.sipp("uac_480", target=f"127.0.0.1:{server.sip_port}").done()
    assert "transport=udp" in server.wait_event("failed")[0]["why"]
    server.stop()


def test_connection_refused_is_told(world):
    port = harness.free_port()
    body = to(port, "        answer_on_bridge: true\n", transport="tcp")
    server = world.server({"main.yaml": connect(body)})
    world.sipp("uac_480", target=f"127.0.0.1:{server.sip_port}").done()
    assert "refused" in server.wait_event("failed")[0]["why"].lower()
    server.stop()


def test_drain_refuses_new_calls_and_lets_live_ones_finish(world):
    callee = world.sipp("uas_answer_slow")
    server = world.server({"main.yaml": connect(to(callee.port, "        answer_on_bridge: true\n"))})
    caller = world.sipp("uac_talk", target=f"127.0.0.1:{server.sip_port}")
    server.wait_event("ringing")
    server.process.send_signal(harness.signal.SIGTERM)
    server.wait("drain in the log", lambda ev: [e for e in ev if "drain" in e.get("message", "")])
    assert server.http("/readyz")[0] == 503
    assert server.http("/healthz")[0] == 200
    world.sipp("uac_503", target=f"127.0.0.1:{server.sip_port}").done()
    caller.done()
    callee.done()
    assert server.process.wait(harness.DEADLINE) == 0
    assert server.assert_all_legs_ended_once() == 2


def test_second_sigterm_hangs_up(world):
    callee = world.sipp("uas_ring")
    server = world.server({"main.yaml": connect(to(callee.port))})
    caller = world.sipp("uac_listen", target=f"127.0.0.1:{server.sip_port}")
    server.wait_event("ringing")
    server.process.send_signal(harness.signal.SIGTERM)
    server.wait("drain in the log", lambda ev: [e for e in ev if "drain" in e.get("message", "")])
    server.process.send_signal(harness.signal.SIGTERM)
    caller.done()
    callee.done()
    assert server.process.wait(harness.DEADLINE) == 0
    assert server.assert_all_legs_ended_once() == 2


def test_max_duration_ends_the_peer(world):
    callee = world.sipp("uas_answer")
    server = world.server({"main.yaml": connect(to(callee.port, "        max_duration: 1\n"))})
    caller = world.sipp("uac_listen", target=f"127.0.0.1:{server.sip_port}")
    caller.done()
    callee.done()
    assert server.named("disconnected")
    server.assert_all_legs_ended_once()
    server.stop()
