"""Documents that are made to hurt, as files, over HTTP and inline: each its sentence on the call, in no time, and no effect on
another call; and a document that changes while it runs."""
import threading

import http_peer
from http_peer import answer

ALLOW = "webhooks: {allow_hosts: [127.0.0.1], deny_private: true}\n"
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)) + "sections: {main: [hangup]}\n"
DEEP = 10000
BIG = "sections: {main: [hangup]}\n" + "# " + "x" * 1000 + "\n"
HOSTILE = {  # name: (text, what is said)
    "bomb": (BOMB, "more than 100000 values"),
    "deep_json": ('{"sections": {"main": ' + "[" * DEEP + "]" * DEEP + "}}", "deep"),
    "deep_yaml": ("sections:\n  main: " + "[" * DEEP + "]" * DEEP + "\n", "deep"),
    "deep_block": ("sections:\n" + "".join(" " * (n + 1) + "a:\n" for n in range(900)), "deep"),
    "self": ("sections: &s {main: [hangup], again: *s}\n", ""),
    "zero": ("\0" * 1000, ""),
    "tag": ("sections: {main: !!python/object/apply:os.system [id]}\n", ""),
    "two": ("sections: {main: [hangup]}\n---\nsections: {main: [hangup]}\n", ""),
    "latin1": ("sections: {main: [{set: {a: \udce4}}]}\n", ""),
}


def calls(world, server, names):
    """The `why` of a call to each, and how long it took [s]."""
    for name in names:
        world.sipp("uac_480", target=f"127.0.0.1:{server.sip_port}", user=name).done()
        yield name, server.wait(f"the end of {name}", lambda _, n=name: [
            e for e in server.named("ended") if e["to"].startswith(f"sip:{n}@")])[0]["why"]


def test_hostile_documents_as_files_and_over_http(world):
    peer = world.add(http_peer.Peer())
    callee = world.sipp("uas_answer")
    good = f"sections: {{main: [{{connect: {{to: 'sip:bob@127.0.0.1:{callee.port};transport=udp'}}}}]}}"
    routes = [("good", "good.yaml"), ("huge", "huge.yaml")]
    for name, (text, _) in HOSTILE.items():
        peer.on("/" + name, answer(text.encode("utf-8", "surrogateescape")))
        routes += [(name, f"{name}.yaml"), (f"http_{name}", peer.url("/" + name))]
    server = world.server({"good.yaml": good, "huge.yaml": "x", **{f"{name}.yaml": "x" for name in HOSTILE}}, routes=routes,
                          extra=ALLOW)
    for name, (text, _) in HOSTILE.items():
        (server.folder / f"{name}.yaml").write_bytes(text.encode("utf-8", "surrogateescape"))
    with open(server.folder / "huge.yaml", "w") as f:  # 50 MB
        for _ in range(50):
            f.write(BIG * 1000)
    world.sipp("uac_stay", target=f"127.0.0.1:{server.sip_port}", user="good")
    server.wait_event("connected")
    for name, why in calls(world, server, ["huge"]):
        assert "too large" in why.lower() or "larger" in why, why
    for prefix in ("", "http_"):
        for name, why in calls(world, server, [prefix + n for n in HOSTILE]):
            assert why and HOSTILE[name.removeprefix("http_")][1] in why, (name, why)
    server.wait("all warnings", lambda _: len(server.named("warning")) == 1 + 2 * len(HOSTILE))
    assert {e["code"] for e in server.named("warning")} == {"relay_script_parse_error"}
    # The other call still stands.
    assert not [e for e in server.named("ended") if e["to"].startswith("sip:good@")]


def test_a_running_document_is_not_changed(world):
    """What stands in the file later is for later calls; the running one keeps its sections."""
    peer = world.add(http_peer.Peer())
    changed = threading.Event()

    def gate(connection, request):
        changed.wait(20)
        return answer("now")(connection, request)
    peer.on("/gate", gate)
    text = ("sections:\n  main:\n    - request: {{url: '" + peer.url("/gate") + "', method: GET}}\n    - execute: {0}\n"
            "  {0}:\n    - user_event: {{event: {{v: {0}}}}}\n    - hangup: busy\n")
    server = world.server({"main.yaml": text.format("old")}, extra=ALLOW)
    call = world.sipp("uac_486", target=f"127.0.0.1:{server.sip_port}")
    peer.wait("/gate")
    (server.folder / "main.yaml").write_text(text.format("new"))
    changed.set()
    call.done()
    assert "old" in server.wait_event("user_event")[0]["event"]
    server.wait_event("ended")
    assert not server.named("warning")
    server.stop()


def test_inline_documents_are_bounded_too(world):
    server = world.server({"main.yaml": "sections:\n  main:\n    - set: {a: '[[[[[[[[[['}\n"
                                        + "    - set: {a: '${a}${a}${a}${a}${a}${a}${a}${a}${a}${a}'}\n" * 3
                                        + "    - set: {d: '{\"sections\": {\"main\": ${a}'}\n    - execute: '${d}'\n    - hangup: busy\n"})
    world.sipp("uac_486", target=f"127.0.0.1:{server.sip_port}").done()
    warning = server.wait_event("warning")[0]
    assert "deep" in warning["text"] and warning["code"] == "relay_script_parse_error"
    server.stop()
