"""A document followed step by step: `call` in a terminal, `tail`, and the trace of a call beside its SIP; and what none of
them may show."""
import json
import signal
import subprocess

import harness
import http_peer
from test_calling import command
from test_control import ACCESS, WAITING, only_call, verb, wait_for_stream

LOOPBACK = "webhooks: {allow_hosts: [127.0.0.0/8]}\n"


def events(text):
    return [json.loads(line) for line in text.splitlines()]


def told(found, kind):
    return [e["fields"] for e in found if e["type"] == kind]


def start(server, *args, **kw):
    return subprocess.Popen([str(harness.BINARY), *args, "-c", str(server.config)], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, **kw)


def dial(phone):
    return ["call", "--to", f"sip:bob@127.0.0.1:{phone.port};transport=udp", "--from", "sip:me@127.0.0.1", "--swml"]


def test_a_call_is_followed_step_by_step(world, tmp_path):
    server = world.server({"main.yaml": WAITING}, extra=ACCESS)
    flow = tmp_path / "flow.yaml"
    flow.write_text("version: 1.0.0\nsections:\n  main:\n    - set: {who: bob}\n    - sleep: 200\n    - send_digits: '12'\n"
                    "    - execute: nowhere\n    - hangup: {}\n")
    phone = world.sipp("uas_answer")
    code, out, err = verb(server, *dial(phone), str(flow), "--json")
    assert code == 0, out + err
    found = events(out)
    assert [(s["method"], s["line"]) for s in told(found, "step")] == [
        ("set", "4"), ("sleep", "5"), ("send_digits", "6"), ("execute", "7"), ("hangup", "8")]
    assert json.loads(told(found, "step")[0]["vars"]) == {"who": "bob"}
    assert json.loads(told(found, "step")[1]["args"]) == {"duration": 200}
    done = {s["method"]: s for s in told(found, "step_done")}
    assert 200 <= int(done["sleep"]["ms"]) < 5000
    assert json.loads(done["send_digits"]["vars"])["send_digits_result"] == "success"
    assert told(found, "warning")[0]["code"] == "relay_script_section_parameter_undefined"
    assert found[-1]["type"] == "ended" and [e["sequence"] for e in found] == list(range(len(found)))
    phone.done()

    phone = world.sipp("uas_answer")
    code, out, err = verb(server, *dial(phone), str(flow))
    assert code == 0 and err.count("warning") == 1 and "flow.yaml:7:16: warning: relay_script_section" in err
    lines = [line.split(maxsplit=3) for line in out.splitlines()]
    assert [line[1] for line in lines][-2:] == ["step", "ended"]
    assert 'method=set section=main line=4 vars={"who":"bob"}' in out
    phone.done()
    assert server.named("step") == [], "nobody but the follower is told"
    server.stop()


def test_nothing_is_dialled_for_a_bad_document(world, tmp_path):
    server = world.server({"main.yaml": WAITING}, extra=ACCESS)
    for text, place in (("sections: {main: [\n", "2:1: error: relay_script_parse_error"),
                        ("sections:\n  main:\n  - connekt: x\n", "3:5: error: relay_script_"),
                        ("sections:\n  main:\n  - sleep: {duration: long}\n", "3:23: error: relay_script_"),
                        ("sip: {listen: []}\n", "1:1: error: relay_script_"), ("<Response/>", ": error: not_in_this_version")):
        (tmp_path / "bad.yaml").write_text(text)
        code, out, err = verb(server, "call", "--to", "sip:bob@127.0.0.1:9;transport=udp", "--swml",
                              str(tmp_path / "bad.yaml"))
        assert code == 1 and out == "" and err.startswith(f"{tmp_path}/bad.yaml:") and place in err, err
    code, _, err = verb(server, "call", "--to", "sip:bob@127.0.0.1:9", "--swml", str(tmp_path / "none.yaml"))
    assert code == 1 and "none.yaml" in err
    code, _, err = verb(server, "call", "--to", "sip:bob@127.0.0.1:9")
    assert code == 2
    assert server.named("created") == []
    server.stop()


def test_ctrl_c_hangs_up(world, tmp_path):
    server = world.server({"main.yaml": WAITING}, extra=ACCESS)
    (tmp_path / "wait.yaml").write_text("sections: {main: [sleep: 60000]}\n")
    phone = world.sipp("uas_answer")
    followed = start(server, *dial(phone), str(tmp_path / "wait.yaml"), "--json")
    server.wait_event("answered")
    followed.send_signal(signal.SIGINT)
    out, err = followed.communicate(timeout=30)
    assert followed.returncode == 0, "it was answered, and ended as the user wished"
    assert events(out)[-1]["fields"]["ended_by"] == "api" and "hanging up" in err
    phone.done()
    ringing, before = world.sipp("uas_ring"), len(server.named("ringing"))
    followed = start(server, *dial(ringing), str(tmp_path / "wait.yaml"))
    server.wait_event("ringing", count=before + 1)
    followed.send_signal(signal.SIGTERM)
    out, _ = followed.communicate(timeout=30)
    assert followed.returncode == 1 and " ended " in out
    ringing.kill()
    server.assert_all_legs_ended_once()
    server.stop()


def test_the_server_goes_away(world, tmp_path):
    server = world.server({"main.yaml": WAITING}, extra=ACCESS)
    (tmp_path / "wait.yaml").write_text("sections: {main: [sleep: 60000]}\n")
    phone = world.sipp("uas_answer")
    followed = start(server, *dial(phone), str(tmp_path / "wait.yaml"))
    server.wait_event("answered")
    server.kill()
    _, err = followed.communicate(timeout=30)
    assert followed.returncode == 3 and err
    code, _, err = verb(server, *dial(phone), str(tmp_path / "wait.yaml"))
    assert code == 3 and "no server at" in err
    phone.kill()


def test_tail_shows_the_steps_of_a_call(world):
    server = world.server({"main.yaml": WAITING}, extra=ACCESS)
    caller = world.sipp("uac_listen", target=f"127.0.0.1:{server.sip_port}")
    call = only_call(server)["call_id"]
    tail = start(server, "tail", "--call", call, "--json")
    assert wait_for_stream(server)
    status, _ = command(server, "update", id=call, params={"swml": "sections: {main: [{set: {step: two}}, hangup]}"})
    assert status == 200
    found = []
    for line in tail.stdout:
        found.append(json.loads(line))
        if found[-1]["type"] == "ended":
            break
    tail.terminate()
    tail.communicate(timeout=30)
    assert [s["method"] for s in told(found, "step")] == ["set", "hangup"]
    assert json.loads(told(found, "step")[0]["vars"]) == {"step": "two"}
    assert {e["call_id"] for e in found} == {call}
    caller.done()
    server.stop()


def test_the_trace_has_steps_beside_the_messages(world):
    """A real carrier; the document comes by URL, the first address fails."""
    peer = world.add(http_peer.Peer())
    callee = world.sipp("uas_hangup")
    peer.on("/spare", http_peer.json_answer({"sections": {"main": [
        {"set": {"to": f"sip:x@127.0.0.1:{callee.port};transport=udp"}},
        {"connect": {"to": "${to}", "answer_on_bridge": True}}, {"sleep": 100}, {"transfer": "/gone"}]}}))
    server = world.server({}, routes=[("main", peer.url("/broken") + "', fallback: '" + peer.url("/spare"))],
                          extra=ACCESS + LOOPBACK)
    caller = world.sipp("uac_listen", target=f"127.0.0.1:{server.sip_port}")
    caller.done()
    callee.done()
    server.assert_all_legs_ended_once()
    call = server.named("created", direction="inbound")[0]["call_id"]
    code, text, _ = verb(server, "trace", call)
    at = 0
    for part in ("-INVITE +SDP sip:main", f"leg 1: document {peer.url('/spare')}, ", " bytes, the fallback, after ",
                 'step set, section main, line 1 sets {"to":"sip:x@127.0.0.1:', 'step connect, section main, line 1 {"to":"sip:x@',
                 "-INVITE +SDP sip:x@", "leg 2: answered", "<-200 OK (INVITE) +SDP", "leg 1: connected", "done connect, section main, line 1, after ",
                 'ms sets {"connect_result":"connected"', "step sleep", "done sleep, section main, line 1, after 1", "step transfer",
                 "leg 1: ended"):
        assert part in text[at:], (part, text)
        at += text[at:].index(part)
    code, text, _ = verb(server, "trace", call, "--json")
    items = json.loads(text)["items"]
    document = next(i for i in items if i["type"] == "document")
    assert code == 0 and document["fallback"] is True and document["bytes"] > 100 and document["error"] is None
    connect = next(i for i in items if i["type"] == "step" and i["method"] == "connect")
    assert connect["args"] == {"to": f"sip:x@127.0.0.1:{callee.port};transport=udp", "answer_on_bridge": True}
    done = next(i for i in items if i["type"] == "step_done" and i["method"] == "connect")
    assert done["vars"]["connect_result"] == "connected" and done["waited_ms"] >= 0 and done["leg"] == 1
    assert [i["ms"] for i in items] == sorted(i["ms"] for i in items)
    server.stop()


def test_secrets_are_never_shown(world):
    """Where they are used they are the real ones; no follower, no trace, and no debug log has them."""
    secrets = ["tops3cret", "p4ssw0rd", "t0k3nvalue", "b34rer", "s1pp4ss", "r3quested"]
    peer = world.add(http_peer.Peer())
    callee = world.sipp("uas_challenge", keys={"algorithm": "MD5"})
    peer.on("/doc", http_peer.need_basic("us", "p4ssw0rd", http_peer.json_answer({"sections": {"main": [
        {"set": {"door": "${envs.DOOR_PASSWORD}", "copy": "is ${envs.DOOR_PASSWORD}!",
                 "headers": {"Authorization": "Bearer b34rer"}, "again": "sip:u:s1pp4ss@127.0.0.1"}},
        {"set": {"bearer": "${headers.Authorization}"}},
        {"request": {"url": peer.url("/login?pin=t0k3nvalue", "us:p4ssw0rd"), "method": "POST", "save_variables": True,
                     "headers": {"Authorization": "Bearer b34rer", "X-Api-Key": "b34rer"},
                     "body": {"secret": "s1pp4ss"}}},
        {"set": {"mine": "${request_response.access_token}"}},
        {"play": peer.url("/none.wav?token=t0k3nvalue", "us:p4ssw0rd")},
        {"execute": peer.url("/none?token=t0k3nvalue", "us:p4ssw0rd")},
        {"connect": {"to": f"sip:x@127.0.0.1:{callee.port};transport=udp", "username": "user1",
                     "password": "${envs.DOOR_PASSWORD}"}}]}})))
    peer.on("/login", http_peer.json_answer({"access_token": "r3quested", "n": 1}))
    server = world.server({}, routes=[("main", peer.url("/doc?api_key=t0k3nvalue", "us:p4ssw0rd"))], level="debug",
                          extra=ACCESS + LOOPBACK + "envs: {DOOR_PASSWORD: tops3cret}\n")
    tail = start(server, "tail", "--json")
    assert wait_for_stream(server)
    caller = world.sipp("uac_talk", target=f"127.0.0.1:{server.sip_port}")
    caller.done()
    callee.done()
    server.assert_all_legs_ended_once()
    assert "t0k3nvalue" in peer.of("/none")[0].path and len(server.named("warning")) == 2
    assert peer.of("/login")[-1].get("Authorization") == "Bearer b34rer" and b"s1pp4ss" in peer.of("/login")[-1].body
    assert peer.of("/doc")[-1].basic() == ("us", "p4ssw0rd") and "t0k3nvalue" in peer.of("/doc")[0].path
    call = server.named("created", direction="inbound")[0]["call_id"]
    shown = {how: verb(server, "trace", call, *how.split())[1] for how in ("", "--json", "--messages")}
    assert "step connect" in shown[""] and '"request_result":"success"' in shown[""] and '"password":"***"' in shown[""]
    tail.terminate()
    shown["tail"] = tail.communicate(timeout=30)[0]
    shown["log"] = "\n".join(server.raw)
    assert told(events(shown["tail"]), "step") and server.named("step")
    for how, text in shown.items():
        for secret in secrets:
            assert secret not in text, (how, secret, text[max(0, text.find(secret) - 200):][:400])
    server.stop()
