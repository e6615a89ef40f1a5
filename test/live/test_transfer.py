"""Transfers that a party asks for: baresip and SIPp as who asks, baresip and SIPp as who is called; judged by the tones they hear."""
import json
import re

import pytest

import phone
from test_control import ACCESS, verb
from test_hold import party, wait_until_it_hears
from test_recording import channels
from test_records import query
from test_subscribers import ACCOUNTS, ONLY_MD5, account, registrations

DOCUMENT = """sections:
  main:
    - connect: {{to: 'sip:{name}@127.0.0.1:{port};transport=udp', max_duration: 60}}
    - connect: {{to: 'sip:${{connect_result}}@127.0.0.1:9;transport=tcp'}}
"""


def serve(world, media=(), **peers):
    """A document for each: main calls the first of them."""
    documents = {f"{name}.yaml": DOCUMENT.format(name=name, port=port) for name, port in peers.items()}
    first = next(iter(peers))
    documents["main.yaml"] = documents[f"{first}.yaml"]
    routes = [(name, f"{name}.yaml") for name in peers]
    return world.server(documents, routes=routes + [("*", "main.yaml")], extra=ACCESS, media=media)


def call_of(server, **fields):
    return server.wait_event("created", **fields)[-1]["call_id"]


def dialog(server, call, port):
    """The dialog of a call with the party at that port, as the value of a Replaces header that the party would send."""
    items = json.loads(verb(server, "trace", call, "--json")[1])["items"]
    text = next(i["text"] for i in items if i["type"] == "message" and i["remote"].endswith(f":{port}") and
                re.match(r"SIP/2.0 200", i["text"]) and "INVITE" in re.search(r"CSeq: .*", i["text"])[0])
    ours = next(i["direction"] == "out" for i in items if i["type"] == "message" and i["text"] == text)
    tag = dict(re.findall(r"^(From|To):.*;tag=(\S+)\r$", text, re.M))
    if not ours:
        tag = {"To": tag["From"], "From": tag["To"]}
    call_id = re.search(r"Call-ID: (.*)", text)[1].strip()
    return f"{call_id}%3Bto-tag%3D{tag['To']}%3Bfrom-tag%3D{tag['From']}".replace("@", "%40")


def went_on(server):
    """The document did, behind the talk."""
    return server.wait_event("created", to="sip:connected@127.0.0.1:9;transport=tcp")


def test_the_peer_sends_the_caller_on(world):
    bob, carol = party(world, "bob", 1000), party(world, "carol", 800)
    alice = party(world, "alice", 440, auto=False)
    server = serve(world, bob=bob.port)
    alice.command("dial", f"sip:main@127.0.0.1:{server.sip_port};transport=udp")
    wait_until_it_hears(alice, 1000)
    bob.command("transfer", f"sip:carol@127.0.0.1:{carol.port};transport=udp")
    wait_until_it_hears(alice, 800)
    wait_until_it_hears(carol, 440)
    server.wait_event("transfer", state="success", sip_code="200")
    leg = call_of(server, to=f"sip:bob@127.0.0.1:{bob.port};transport=udp")
    server.wait_event("ended", call_id=leg)
    carol.command("hangup")
    went_on(server)
    assert server.assert_all_legs_ended_once() == 4
    ladder = verb(server, "trace", call_of(server, direction="inbound"))[1]
    assert "asks for a transfer to sip:carol@" in ladder and "transfer state=success" in ladder
    server.stop()
    rows = query(server, "SELECT to_uri, transferred_by FROM calls WHERE transferred_by IS NOT NULL")
    assert [(r["to_uri"].split("@")[0], r["transferred_by"]) for r in rows] == [("sip:carol", leg)]


def test_the_caller_hands_his_peer_over(world):
    bob, carol = party(world, "bob", 1000), party(world, "carol", 800)
    alice = party(world, "alice", 440, auto=False)
    server = serve(world, bob=bob.port)
    alice.command("dial", f"sip:main@127.0.0.1:{server.sip_port};transport=udp")
    wait_until_it_hears(alice, 1000)
    alice.command("transfer", f"sip:carol@127.0.0.1:{carol.port};transport=udp")
    wait_until_it_hears(bob, 800)
    wait_until_it_hears(carol, 1000)
    server.wait_event("ended", direction="inbound")
    bob.command("hangup")
    assert server.assert_all_legs_ended_once() == 3  # no document went on
    server.stop()


@pytest.mark.parametrize("media", [(), ("threads: 2",)], ids=["default", "two-threads"])
def test_two_calls_of_a_phone_become_one(world, media):
    """Bob asks Carol first: REFER with Replaces, where both dialogs are ours. With two media threads each call is on one of its own."""
    bob, carol = party(world, "bob", 1000), party(world, "carol", 800)
    alice = party(world, "alice", 440, auto=False)
    server = serve(world, media, bob=bob.port, carol=carol.port)
    alice.command("dial", f"sip:bob@127.0.0.1:{server.sip_port};transport=udp")
    wait_until_it_hears(alice, 1000)
    first = call_of(server, direction="inbound")
    bob.command("dial", f"sip:carol@127.0.0.1:{server.sip_port};transport=udp")
    wait_until_it_hears(carol, 1000)
    replaces = dialog(server, first, bob.port)
    bob.command("transfer", f"<sip:alice@127.0.0.1:{server.sip_port}?Replaces={replaces}>")
    wait_until_it_hears(alice, 800)
    wait_until_it_hears(carol, 440)
    server.wait_event("ended", count=2)
    carol.command("hangup")
    went_on(server)
    assert server.assert_all_legs_ended_once() == 5
    assert len(server.named("connected")) == 2 and len(server.named("disconnected")) == 2
    server.stop()


@pytest.mark.parametrize("recorded", [("alice",), ("alice", "carol")], ids=["one-moves-to-the-recorded", "recorded-moves"])
def test_two_callers_on_two_threads_become_one(world, recorded):
    """Each has a document, and a media thread: who has less on its port moves to the other's, else Alice with her recorder."""
    bob, alice, carol = party(world, "bob", 1000), party(world, "alice", 440, auto=False), party(world, "carol", 800, auto=False)
    documents = {}
    for name in ("alice", "carol"):
        steps = [{"connect": f"sip:bob@127.0.0.1:{bob.port};transport=udp"}]
        documents[f"{name}.yaml"] = json.dumps({"sections": {"main": [{"record_call": {"stereo": True}}] * (name in recorded) + steps}})
    server = world.server(documents, routes=[("alice", "alice.yaml"), ("carol", "carol.yaml")], extra=ACCESS, media=("threads: 2",))
    alice.command("dial", f"sip:alice@127.0.0.1:{server.sip_port};transport=udp")
    wait_until_it_hears(alice, 1000)
    replaces = dialog(server, call_of(server, direction="inbound"), bob.port)
    carol.command("dial", f"sip:carol@127.0.0.1:{server.sip_port};transport=udp")
    wait_until_it_hears(carol, 1000)
    bob.command("transfer", f"<sip:alice@127.0.0.1:{server.sip_port}?Replaces={replaces}>")
    wait_until_it_hears(alice, 800, 1.5)
    wait_until_it_hears(carol, 440, 1.5)
    alice.command("hangup")
    assert server.assert_all_legs_ended_once() == 4
    files = list((server.folder / "data" / "recordings").glob("*.wav"))
    assert len(files) == len(recorded)
    spoke = []
    for file in files:
        (said, heard), rate = channels(file)
        end = slice(-rate, -rate // 2)
        spoke.append(next(hz for hz in (440, 800) if phone.energy(said[end], rate, hz) > 0.8))
        assert phone.energy(heard[end], rate, 1240 - spoke[-1]) > 0.8
    assert sorted(spoke) == [440, 800][:len(recorded)]
    server.stop()


def test_a_subscriber_joins_his_calls_although_there_are_more_media_threads(world):
    """Both of his calls are on one of them, so what they talk to is as well."""
    carol = party(world, "carol", 800)
    documents = {"bob.yaml": "sections: {main: [connect: /public/bob]}\n",
                 "carol.yaml": f"sections: {{main: [connect: 'sip:carol@127.0.0.1:{carol.port};transport=udp']}}\n"}
    server = world.server(documents, domain="example.test", accept="127.0.0.9/32", sip=ONLY_MD5, extra=ACCESS.replace(
        "p-1", "p").replace("PT-secret", "t") + ACCOUNTS.partition("\n")[2], media=("threads: 4",))
    bob, alice = (world.add(phone.Phone(world.folder, name, hz, account=account(server, name, password)))
                  for name, hz, password in (("bob", 1000, "hunter2"), ("alice", 440, "secret")))
    server.wait("two registrations", lambda _: len(registrations(server)) == 2)
    alice.command("dial", "sip:bob@example.test")
    wait_until_it_hears(alice, 1000)
    first = call_of(server, direction="inbound")
    bob.command("dial", "sip:carol@example.test")
    wait_until_it_hears(carol, 1000)
    replaces = dialog(server, first, bob.port)
    bob.command("transfer", f"<sip:alice@127.0.0.1:{server.sip_port}?Replaces={replaces}>")
    wait_until_it_hears(alice, 800)
    wait_until_it_hears(carol, 440)
    alice.command("hangup")
    assert server.assert_all_legs_ended_once() == 4
    server.stop()


@pytest.mark.parametrize("scenario, target, code", [
    ("uas_refers", "uas_late", "200"), ("uas_refers_bye", "uas_late", "200"),
    ("uas_refers", "uas_ring_486", "486"), ("uas_refers_bye", "uas_ring_486", "486")])
def test_sipp_asks(world, scenario, target, code):
    carol = world.sipp(target)
    bob = world.sipp(scenario, keys={"refer_to": f"carol@127.0.0.1:{carol.port};transport=udp"})
    server = serve(world, bob=bob.port)
    alice = party(world, "alice", 440, auto=False)
    alice.command("dial", f"sip:main@127.0.0.1:{server.sip_port};transport=udp")
    event = server.wait_event("transfer", state="success" if code == "200" else "failed")[0]
    assert event["sip_code"] == code
    if code != "200" and scenario == "uas_refers":  # they talk on
        assert not server.named("disconnected")
        alice.command("hangup")
    else:
        went_on(server)
    bob.done()
    carol.done()
    assert f"SIP/2.0 {code}" in bob.messages() and "Referred-By: <sip:bob@phones.test>" in carol.messages()
    server.assert_all_legs_ended_once()
    server.stop()
