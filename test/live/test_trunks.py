"""Trunks through the built server: SIPp is the carrier, dead, overloaded, busy or behind a password."""
import hashlib
import re
import socket

import pytest

import harness

NUMBER = "+15551234567"


def document(extra=""):
    return ("sections:\n  main:\n    - connect:\n        answer_on_bridge: true\n"
            f"        to: '{NUMBER}'\n        from: '+15550001111'\n{extra}")


def trunk(name, port, prefix="+1555", transport="udp", extra=""):
    """One item for the harness' list of trunks; its own trunk takes +1, so these come first."""
    return [f"  - {{name: {name}, uri: 'sip:{{number}}@127.0.0.1:{port};transport={transport}', "
            f"numbers: ['{prefix}']{extra}}}"]


def outbound(server):
    """The one terminal event of the one leg that all trunks share."""
    ended = server.wait_event("ended", direction="outbound")
    assert len(ended) == 1 and len(server.named("created", direction="outbound")) == 1
    return ended[0]


@pytest.fixture
def dead():
    """A port where somebody listens and says nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        yield s.getsockname()[1]


def test_dead_refused_and_overloaded_trunks_are_followed_by_a_good_one(world, dead):
    overloaded, picky, good = world.sipp("uas_503"), world.sipp("uas_488"), world.sipp("uas_answer")
    closed = harness.free_port()
    server = world.server({"main.yaml": document()}, trunks=(
        trunk("closed", closed, transport="tcp") + trunk("overloaded", overloaded.port) + trunk("dead", dead) +
        trunk("picky", picky.port) + trunk("good", good.port)))
    caller = world.sipp("uac_talk", target=f"127.0.0.1:{server.sip_port}")
    for s in (caller, overloaded, picky, good):
        s.done()
    assert server.assert_all_legs_ended_once() == 2
    end = outbound(server)
    assert end["cause"] == "hangup" and end["sip_code"] == "200"
    failed = server.named("trunk failed")
    assert [(f["trunk"], f["next"]) for f in failed] == [
        ("closed", "overloaded"), ("overloaded", "dead"), ("dead", "picky"), ("picky", "good")]
    assert {f["call_id"] for f in failed} == {end["call_id"]}
    assert failed[1]["why"] == "503 Service Unavailable" and failed[2]["why"] == "no response within 5 s"
    assert "refused" in failed[0]["why"]
    # one leg, one port
    ports = {re.search(r"m=audio (\d+)", s.messages()).group(1) for s in (overloaded, picky, good)}
    assert len(ports) == 1
    assert f"INVITE sip:{NUMBER}@127.0.0.1:{good.port}" in good.messages()
    server.stop()


@pytest.mark.parametrize("scenario,caller,cause", [("uas_486", "uac_486", "busy"), ("uas_603", "uac_603", "declined"),
                                                   ("uas_404", "uac_404", "error"), ("uas_480", "uac_480", "no_answer")])
def test_what_the_party_said_is_final(world, scenario, caller, cause):
    first, second = world.sipp(scenario), world.sipp("uas_answer")
    server = world.server({"main.yaml": document()}, trunks=trunk("a", first.port) + trunk("b", second.port))
    world.sipp(caller, target=f"127.0.0.1:{server.sip_port}").done()
    first.done()
    server.assert_all_legs_ended_once()
    end = outbound(server)
    assert end["cause"] == cause and end["why"].startswith(f"trunk a: {scenario[-3:]} ")
    assert second.messages() == ""
    server.stop()


def test_the_longest_prefix_goes_first(world):
    short, long = world.sipp("uas_answer"), world.sipp("uas_answer")
    server = world.server({"main.yaml": document()},
                          trunks=trunk("short", short.port, "+155") + trunk("long", long.port, "+155512"))
    world.sipp("uac_talk", target=f"127.0.0.1:{server.sip_port}").done()
    long.done()
    assert short.messages() == ""
    server.stop()


def header(text, name):
    """The values of a header in the requests of a SIPp trace, with the request line."""
    found = []
    for message in re.split(r"^-{20,}.*$", text, flags=re.M):
        lines = message.strip().splitlines()
        at = next((i for i, line in enumerate(lines) if re.match(r"[A-Z]+ sip:\S+ SIP/2.0", line)), None)
        if at is not None:
            value = next((line.split(":", 1)[1].strip() for line in lines if line.startswith(name + ":")), None)
            found.append((lines[at], value))
    return found


def digest_is_right(request_line, value, password):
    fields = {k: q or v for k, q, v in re.findall(r'(\w+)=(?:"([^"]*)"|([^",\s]+))', value)}
    method, uri, _ = request_line.split(" ")
    new = hashlib.sha256 if fields["algorithm"] == "SHA-256" else hashlib.md5

    def h(text):
        return new(text.encode()).hexdigest()

    a1, a2 = h(f"{fields['username']}:{fields['realm']}:{password}"), h(f"{method}:{uri}")
    want = h(f"{a1}:{fields['nonce']}:{fields['nc']}:{fields['cnonce']}:{fields['qop']}:{a2}")
    assert fields["uri"] == uri and fields["realm"] == "carrier.test" and fields["opaque"] == "o"
    return fields, want == fields["response"]


@pytest.mark.parametrize("algorithm,nonce", [("MD5", "n0"), ("SHA-256", "n1"), ("SHA-1", "n0")])
def test_a_trunk_with_a_password(world, algorithm, nonce):
    carrier = world.sipp("uas_challenge", keys={"algorithm": algorithm})
    server = world.server({"main.yaml": document()},
                          trunks=trunk("carrier", carrier.port, extra=", username: user1, password: 'tops3cret'"))
    world.sipp("uac_talk", target=f"127.0.0.1:{server.sip_port}").done()
    carrier.done()
    assert server.assert_all_legs_ended_once() == 2
    sent = header(carrier.messages(), "Authorization")
    assert [line.split()[0] for line, _ in sent] == ["INVITE", "ACK", "INVITE", "ACK", "BYE"]
    assert sent[0][1] is None and sent[1][1] is None
    for at, count in ((2, "00000001"), (4, "00000002")):
        fields, right = digest_is_right(*sent[at], "tops3cret")
        assert right and fields["nc"] == count and fields["nonce"].startswith(nonce)
        assert fields["username"] == "user1"
    assert sent[3][1] == sent[2][1], "the ACK carries what the INVITE had"
    assert "tops3cret" not in carrier.messages()
    assert "tops3cret" not in "\n".join(server.raw)
    server.stop()


def test_wrong_credentials_are_final_for_a_trunk_and_not_for_the_number(world):
    strict, good = world.sipp("uas_challenge_twice"), world.sipp("uas_answer")
    credentials = ", username: user1, password: 'wr0ngone'"
    server = world.server({"main.yaml": document()},
                          trunks=trunk("strict", strict.port, extra=credentials) + trunk("good", good.port))
    world.sipp("uac_talk", target=f"127.0.0.1:{server.sip_port}").done()
    strict.done()
    good.done()
    assert "Authorization" not in good.messages()
    assert server.named("trunk failed")[0]["why"] == \
        "407 Proxy Authentication Required: the credentials were refused"
    assert "wr0ngone" not in "\n".join(server.raw)
    server.stop()


def test_wrong_credentials_end_a_leg_with_error(world):
    strict = world.sipp("uas_challenge_twice")
    body = ("sections:\n  main:\n    - connect:\n        answer_on_bridge: true\n"
            f"        to: 'sip:bob@127.0.0.1:{strict.port};transport=udp'\n"
            "        username: user1\n        password: wr0ngone\n")
    server = world.server({"main.yaml": body})
    world.sipp("uac_480", target=f"127.0.0.1:{server.sip_port}").done()
    strict.done()
    end = outbound(server)
    assert end["cause"] == "error" and end["sip_code"] == "407"
    assert end["why"] == "407 Proxy Authentication Required: the credentials were refused"
    assert "wr0ngone" not in "\n".join(server.raw)
    server.stop()


def test_a_document_brings_credentials_for_a_sip_uri(world):
    carrier = world.sipp("uas_challenge", keys={"algorithm": "SHA-256"})
    body = ("sections:\n  main:\n    - connect:\n        username: bob\n        password: 's3samopen'\n        parallel:\n"
            f"          - to: 'sip:bob@127.0.0.1:{carrier.port};transport=udp'\n")
    server = world.server({"main.yaml": body})
    world.sipp("uac_talk", target=f"127.0.0.1:{server.sip_port}").done()
    carrier.done()
    sent = header(carrier.messages(), "Authorization")
    assert digest_is_right(*sent[2], "s3samopen")[1]
    assert not server.named("warning")
    server.stop()


def test_caller_ids_decide_and_none_left_is_an_error(world):
    first, second = world.sipp("uas_answer"), world.sipp("uas_answer")
    server = world.server({"main.yaml": document()},
                          trunks=trunk("first", first.port, extra=", caller_ids: ['+4420*']") +
                          trunk("second", second.port, extra=", caller_ids: ['+15550001111']"))
    world.sipp("uac_talk", target=f"127.0.0.1:{server.sip_port}").done()
    second.done()
    assert first.messages() == ""
    assert "From: <sip:+15550001111@" in second.messages()
    server.stop()

    server = world.server({"main.yaml": document().replace(NUMBER, "+49301234567")},
                          trunks=trunk("only", 9, prefix="+49", extra=", caller_ids: ['+4420*']"))
    world.sipp("uac_480", target=f"127.0.0.1:{server.sip_port}").done()
    assert server.wait_event("failed")[0]["why"] == "trunk only may not send the caller id +15550001111"
    assert not server.named("created", direction="outbound")
    server.stop()
