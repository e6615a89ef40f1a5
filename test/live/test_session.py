"""Session timers, UPDATE and offers inside a call, as SIPp says them. What takes its time is in flow_session.c."""
import re
import signal

DOCUMENT = "sections:\n  main:\n    - connect:\n        to: 'sip:bob@127.0.0.1:{port};transport=udp'\n{extra}"


def asked(sipp):
    """The Session-Expires of the INVITEs that it got."""
    invites = [part for part in re.split(r"\n-{5,}", sipp.messages()) if "\nINVITE " in part]
    return [line for part in invites for line in re.findall(r"^Session-Expires: (\S+)\r?$", part, re.M)]


def test_the_caller_refreshes_and_changes_his_mind(world):
    callee = world.sipp("uas_answer")
    server = world.server({"main.yaml": DOCUMENT.format(port=callee.port, extra="")})
    world.sipp("uac_session", target=f"127.0.0.1:{server.sip_port}").done()
    callee.done()
    assert asked(callee)[0] == "600"  # the other leg hears nothing of it
    assert "UPDATE sip:" not in callee.messages()
    assert len(re.findall(r"^INVITE ", callee.messages(), re.M)) == 1
    assert server.assert_all_legs_ended_once() == 2
    server.stop()


def test_the_callee_wants_a_longer_session_and_refreshes(world):
    callee = world.sipp("uas_session")
    server = world.server({"main.yaml": DOCUMENT.format(port=callee.port, extra="")})
    caller = world.sipp("uac_listen", target=f"127.0.0.1:{server.sip_port}")
    callee.done()
    caller.done()
    assert asked(callee)[:2] == ["600", "2000"]
    assert "UPDATE sip:" not in caller.messages()
    assert server.assert_all_legs_ended_once() == 2
    server.stop()


def test_documents_say_how_long(world):
    for extra, expected in (("        session_timeout: 1800\n", "1800"), ("        session_timeout: 30\n", "90"),
                            ("        session_timeout: 0\n", "600")):
        callee = world.sipp("uas_answer")
        server = world.server({"main.yaml": DOCUMENT.format(port=callee.port, extra=extra)})
        world.sipp("uac_talk", target=f"127.0.0.1:{server.sip_port}").done()
        callee.done()
        assert asked(callee)[0] == expected
        server.stop()


def test_a_reload_changes_what_is_asked_for(world):
    callee = world.sipp("uas_answer", calls=2)
    server = world.server({"main.yaml": DOCUMENT.format(port=callee.port, extra="")})
    world.sipp("uac_talk", target=f"127.0.0.1:{server.sip_port}").done()
    server.config.write_text(server.config.read_text().replace("sip:\n", "sip:\n  session_timeout: 1200\n", 1))
    server.process.send_signal(signal.SIGHUP)
    server.wait("the reload", lambda events: [e for e in events if "configuration 2" in e.get("message", "")])
    world.sipp("uac_talk", target=f"127.0.0.1:{server.sip_port}").done()
    callee.done()
    assert asked(callee) == ["600", "1200"]
    server.stop()
