"""More calls than the limits allow: the surplus is refused with 503 and Retry-After, the rest goes its way."""
import re


def refused_and_taken(server, sipp):
    """The scenario itself fails a call that gets neither a 200 with all that follows nor a 503 with Retry-After."""
    sipp.done()
    refused = set(re.findall(r"Call-ID: (\S+)", "".join(
        part for part in re.split(r"-{20,}", sipp.messages()) if "SIP/2.0 503" in part)))
    return len(refused), server.assert_all_legs_ended_once()


def test_calls_at_once(world):
    server = world.server({"main.yaml": "sections: {main: [answer: {}, sleep: 60000]}\n"},
                          extra="limits: {max_calls: 5}\n")
    caller = world.sipp("uac_shed", target=f"127.0.0.1:{server.sip_port}", calls=20, rate=100, args=("-d", "1500"))
    refused, taken = refused_and_taken(server, caller)
    assert (refused, taken) == (15, 5)
    # All places are free again.
    caller = world.sipp("uac_shed", target=f"127.0.0.1:{server.sip_port}", calls=5, rate=100, args=("-d", "100"))
    refused, taken = refused_and_taken(server, caller)
    assert (refused, taken) == (0, 10)
    assert all("limits.max_calls" in e["why"] for e in server.named("INVITE refused"))
    server.stop()


def test_calls_per_second(world):
    server = world.server({"main.yaml": "sections: {main: [answer: {}, sleep: 60000]}\n"},
                          extra="limits: {calls_per_second: 20}\n")
    caller = world.sipp("uac_shed", target=f"127.0.0.1:{server.sip_port}", calls=200, rate=80, args=("-d", "50"))
    refused, taken = refused_and_taken(server, caller)
    # 2.5 s at 20/s behind the 20 that may come at once; SIPp's own pace is not exact.
    assert refused + taken == 200 and 60 <= taken <= 85, (refused, taken)
    assert all("limits.calls_per_second" in e["why"] for e in server.named("INVITE refused"))
    server.stop()


def test_call_seconds(world):
    server = world.server({"main.yaml": "sections: {main: [answer: {}, sleep: 60000]}\n"},
                          extra="limits: {call_seconds: 1}\n")
    world.sipp("uac_listen", target=f"127.0.0.1:{server.sip_port}").done()
    ended = server.wait_event("ended")[0]
    assert ended["why"] == "limits.call_seconds is over" and ended["ended_by"] == "server"
    server.stop()
