"""Transfers: sip_refer towards SIPp and baresip, with NOTIFYs, challenge, refusal and early BYE; REFER towards us."""
import hashlib
import re

import pytest

import harness
from phone import Phone

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


def test_a_real_phone_that_asks_for_a_transfer_keeps_its_call(world, tmp_path):
    server = world.server({"main.yaml": "sections: {main: [answer, sleep: 60000]}\n"}, level="debug")
    phone = world.add(Phone(tmp_path, "alice", 440))
    phone.command("dial", f"sip:main@127.0.0.1:{server.sip_port}")
    server.wait_event("answered")
    phone.command("transfer", "sip:carol@127.0.0.1:9")
    end = harness.time.monotonic() + harness.DEADLINE
    while "603" not in phone.text():
        assert harness.time.monotonic() < end, phone.text()
        harness.time.sleep(0.05)
    assert not server.named("ended")
    phone.command("hangup")
    server.assert_all_legs_ended_once()
    server.stop()
