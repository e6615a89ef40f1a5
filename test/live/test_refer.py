"""Transfers: sip_refer towards SIPp and baresip, with NOTIFYs, challenge, refusal and early BYE; REFER towards us."""
import hashlib
import json
import re
import time

import pytest

import harness
from phone import Phone
from test_control import ACCESS, verb

DOCUMENT = """
sections:
  main:
    - answer
    - sip_refer: {{to_uri: '{to}'{more}}}
    - connect: {{to: 'sip:${{sip_refer_result}}.${{sip_refer_response_code}}.${{sip_refer_to_response_code}}@127.0.0.1:9;transport=tcp'}}
    - hangup
"""


def told(server):
    """What the document's variables were: they are dialled."""
    return server.wait_event("created", direction="outbound")[0]["to"].split("@")[0].removeprefix("sip:")


@pytest.mark.parametrize("scenario,final,want", [
    ("uac_referred", "200 OK", "success.202.200"), ("uac_referred", "486 Busy Here", "failed.202.486"),
    ("uac_referred_refuses", "", "failed.603."), ("uac_referred_silent", "", "success.202.")])
def test_the_document_hears_what_became_of_it(world, scenario, final, want):
    server = world.server({"main.yaml": DOCUMENT.format(to="sip:carol@127.0.0.1:7?X=y", more="")})
    sipp = world.sipp(scenario, target=f"127.0.0.1:{server.sip_port}", keys={"final": final})
    sipp.done()
    assert told(server) == want
    event = server.wait_event("refer")[0]
    assert event["to"] == "sip:carol@127.0.0.1:7?X=y" and event["state"] == want.split(".")[0]
    assert "Refer-To: <sip:carol@127.0.0.1:7?X=y>" in sipp.messages()
    server.assert_all_legs_ended_once()
    server.stop()


def test_a_challenge_is_answered(world):
    server = world.server({"main.yaml": DOCUMENT.format(to="sip:carol@127.0.0.1:7",
                                                        more=", username: user1, password: 'tops3cret'")})
    sipp = world.sipp("uac_referred_challenge", target=f"127.0.0.1:{server.sip_port}", keys={"final": "200 OK"})
    sipp.done()
    assert told(server) == "success.202.200"
    line = re.search(r"REFER (\S+) SIP/2.0(?:(?!\n\n).)*?Proxy-Authorization: Digest ([^\r\n]+)", sipp.messages(), re.S)
    fields = {k: q or v for k, q, v in re.findall(r'(\w+)=(?:"([^"]*)"|([^",\s]+))', line[2])}

    def h(text):
        return hashlib.md5(text.encode()).hexdigest()

    want = h(f"{h('user1:phone.test:tops3cret')}:{fields['nonce']}:{fields['nc']}:{fields['cnonce']}:auth:"
             f"{h('REFER:' + line[1])}")
    assert fields["response"] == want and "tops3cret" not in "\n".join(server.raw)
    server.assert_all_legs_ended_once()
    server.stop()


def test_a_far_end_that_leaves_at_once(world):
    server = world.server({"main.yaml": DOCUMENT.format(to="sip:carol@127.0.0.1:7", more="")})
    world.sipp("uac_referred_bye", target=f"127.0.0.1:{server.sip_port}").done()
    assert server.assert_all_legs_ended_once() == 1
    event = server.wait_event("refer")[0]
    assert event["state"] == "failed" and event["sip_code"] == "202" and event["why"] == "the call has ended"
    assert not server.named("connecting")  # no step ran behind it
    server.stop()


def test_nobody_transfers_our_calls(world):
    server = world.server({"main.yaml": "sections: {main: [answer, sleep: 20000]}\n"})
    world.sipp("uac_refers", target=f"127.0.0.1:{server.sip_port}").done()
    assert server.assert_all_legs_ended_once() == 1
    server.stop()


def test_a_real_phone_is_transferred(world, tmp_path):
    """baresip calls, is sent on to SIPp, and tells us."""
    target = world.sipp("uas_hangup")
    server = world.server({"main.yaml": DOCUMENT.format(to=f"sip:carol@127.0.0.1:{target.port}", more="")})
    phone = world.add(Phone(tmp_path, "alice", 440))
    phone.command("dial", f"sip:main@127.0.0.1:{server.sip_port}")
    event = server.wait_event("refer")[0]
    assert event["state"] == "success" and (event["sip_code"], event["notify_code"]) == ("202", "200")
    assert told(server) == "success.202.200"
    server.assert_all_legs_ended_once()
    target.done()
    server.stop()


def test_a_real_phone_that_asks_for_a_transfer_is_refused(world, tmp_path):
    server = world.server({"main.yaml": "sections: {main: [answer, sleep: 60000]}\n"}, level="debug", extra=ACCESS)
    phone = world.add(Phone(tmp_path, "alice", 440))
    phone.command("dial", f"sip:main@127.0.0.1:{server.sip_port}")
    call = server.wait_event("answered")[0]["call_id"]
    end = time.monotonic() + harness.DEADLINE
    while "603 Decline (REFER)" not in (ladder := verb(server, "trace", call)[1]):
        phone.command("transfer", "sip:carol@127.0.0.1:9")
        assert time.monotonic() < end, phone.text() + ladder
        time.sleep(0.2)
    phone.command("hangup")  # this one does so by itself
    server.assert_all_legs_ended_once()
    server.stop()


def test_another_caller_takes_the_place_of_the_first(world):
    """INVITE with Replaces: the bridge stays, the first caller gets a BYE, the peer hears nothing of it."""
    peer = world.sipp("uas_answer")
    server = world.server({"main.yaml": f"sections: {{main: [connect: 'sip:bob@127.0.0.1:{peer.port}']}}\n"}, extra=ACCESS)
    first = world.sipp("uac_replaced", target=f"127.0.0.1:{server.sip_port}")
    call = server.wait_event("connected")[0]["call_id"]
    items = json.loads(verb(server, "trace", call, "--json")[1])["items"]
    ok = next(i["text"] for i in items if i["type"] == "message" and i["direction"] == "out" and
              i["remote"] == f"127.0.0.1:{first.port}" and i["text"].startswith("SIP/2.0 200"))
    tag = dict(re.findall(r"^(From|To):.*;tag=(\S+)\r$", ok, re.M))
    replaces = f"{re.search(r'Call-ID: (.*)', ok)[1].strip()};to-tag={tag['To']};from-tag={tag['From']}"
    second = world.sipp("uac_replaces", target=f"127.0.0.1:{server.sip_port}", keys={"replaces": replaces})
    second.done()
    first.done()
    peer.done()
    assert server.assert_all_legs_ended_once() == 2
    ladder = verb(server, "trace", call)[1]  # one call, three far ends
    assert all(f":{s.port}" in ladder for s in (first, second, peer)) and ladder.count("BYE sip:") == 3
    assert len(server.named("connected")) == 1 and "SIP/2.0 481" not in second.messages()
    again = world.sipp("uac_replaces", target=f"127.0.0.1:{server.sip_port}", keys={"replaces": replaces})
    again.process.wait(60)
    assert "SIP/2.0 481" in again.messages()
    server.stop()
