"""Bad documents meet real calls: each gets its documented answer, and a call in progress does not notice."""
import os
import pathlib

import pytest

import harness

CORPUS = pathlib.Path(os.environ.get("CROSSPOINT_CORPUS", harness.ROOT / ".." / "shared" / "corpus")).resolve()

# what the running call says of it; the codes without relay_script_
INVALID = {
    "bad-version.yaml": "version_invalid",
    "bad-yaml.yaml": "parse_error",
    "connect-bad-encryption.yaml": "method_parameter_invalid_value",
    "connect-no-destination.yaml": "method_parameter_missing",
    "connect-queue-without-transfer.yaml": "method_parameter_missing",
    "connect-two-strategies.yaml": "method_parameter_conflict",
    "empty-section.yaml": "section_code_missing",
    "execute-unknown-section.yaml": "section_parameter_undefined",
    "header-injection.yaml": "method_parameter_invalid_value",
    "no-main.yaml": "main_section_missing",
    "no-sections.yaml": "sections_missing",
    "step-two-methods.yaml": "element_invalid_value",
    "unknown-method.yaml": "method_undefined",
}


def test_invalid_documents_of_the_corpus(world):
    if not CORPUS.is_dir():
        pytest.skip("corpus absent")
    callee = world.sipp("uas_answer")
    documents = {name: (CORPUS / "invalid" / name).read_text() for name in INVALID}
    documents["good.yaml"] = ("sections:\n  main:\n    - connect:\n"
                              f"        to: 'sip:bob@127.0.0.1:{callee.port};transport=udp'\n")
    server = world.server(documents)
    going_on = world.sipp("uac_hold", target=f"127.0.0.1:{server.sip_port}", user="good")
    server.wait_event("connected")
    for name, code in INVALID.items():
        user = pathlib.Path(name).stem
        world.sipp("uac_480", target=f"127.0.0.1:{server.sip_port}", user=user).done()
        server.wait(f"the end of {name}",
                    lambda _: [e for e in server.named("ended") if e["to"].startswith(f"sip:{user}@")])
        warnings = [e for e in server.named("warning") if e["code"] == f"relay_script_{code}"]
        assert warnings, f"{name}: no {code}"
        assert not [e for e in server.named("created", direction="outbound")
                    if "example.com" in e["to"]], f"{name} dialled"
    going_on.done()
    callee.done()
    server.assert_all_legs_ended_once()
    server.stop()


def test_missing_document(world):
    server = world.server({"main.yaml": "sections: {main: [hangup]}"})
    (server.folder / "main.yaml").unlink()
    world.sipp("uac_480", target=f"127.0.0.1:{server.sip_port}").done()
    assert "main.yaml" in server.wait_event("ended")[0]["why"] or server.named("warning")
    server.stop()


def test_document_that_changes_is_read_again(world):
    server = world.server({"main.yaml": "sections: {main: [{hangup: busy}]}"})
    world.sipp("uac_486", target=f"127.0.0.1:{server.sip_port}").done()
    (server.folder / "main.yaml").write_text("sections:\n  main:\n    - hangup: decline\n")

    def changed():
        before = len(server.named("ended"))
        call = world.sipp("uac_603", target=f"127.0.0.1:{server.sip_port}")
        call.process.wait(60)
        server.wait("its end", lambda _: len(server.named("ended")) > before)
        return call.process.returncode == 0
    # A cached document is used for up to a second without a look at the disk.
    assert any(changed() for _ in range(20))
    server.stop()


def test_json_document_with_variables_and_conditions(world):
    server = world.server({"main.json": """{"sections": {"main": [
        {"set": {"reason": "busy", "n": 2}},
        {"cond": [{"when": "vars.n > 1 && call.direction == 'inbound'", "then": [{"hangup": "${vars.reason}"}]},
                  {"else": ["hangup"]}]}]}}"""}, routes=[("main", "main.json")])
    world.sipp("uac_486", target=f"127.0.0.1:{server.sip_port}").done()
    server.stop()


def test_method_of_a_later_version_warns_and_goes_on(world):
    server = world.server({"main.yaml": "sections:\n  main:\n    - pay: 'https://app.test/pay'\n    - hangup: busy\n"})
    world.sipp("uac_486", target=f"127.0.0.1:{server.sip_port}").done()
    assert any("not in this version" in e["text"] for e in server.named("warning"))
    server.stop()


def test_garbage_on_all_ports_does_not_disturb_a_call(world):
    callee = world.sipp("uas_answer")
    server = world.server({"main.yaml": "sections:\n  main:\n    - connect:\n"
                                        f"        to: 'sip:bob@127.0.0.1:{callee.port};transport=udp'\n"})
    call = world.sipp("uac_hold", target=f"127.0.0.1:{server.sip_port}")
    server.wait_event("connected")
    udp = harness.socket.socket(harness.socket.AF_INET, harness.socket.SOCK_DGRAM)
    for n in range(2000):
        junk = bytes((n * 7 + k * 13) & 255 for k in range(n % 1400))
        udp.sendto(junk, ("127.0.0.1", server.sip_port))
        udp.sendto(b"INVITE sip:x SIP/2.0\r\nVia: SIP/2.0/UDP x\r\n" + junk[:200] + b"\r\n\r\n",
                   ("127.0.0.1", server.sip_port))
    for n in range(50):
        with harness.socket.create_connection(("127.0.0.1", server.sip_port)) as tcp:
            tcp.sendall(b"INVITE sip:main@127.0.0.1 SIP/2.0\r\nContent-Length: 99999999999\r\n\r\n"[:n * 2])
    call.done()
    callee.done()
    server.assert_all_legs_ended_once()
    server.stop()
