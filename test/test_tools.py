"""The checks of the tree are tests, so they are tested: each must refuse a small bad tree and accept a good one."""
import importlib.machinery
import importlib.util
import pathlib
import shutil
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
GOOD = '#include "base/util.h"\n\nint good(void);\n\nint good(void)\n{\n\treturn 0;\n}\n'


def tree(tmp_path, files):
    shutil.copy(ROOT / ".clang-format", tmp_path)
    for name, text in {"src/base/util.h": "/* util */\n", "src/net/good.c": GOOD, **files}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def check(tool, root):
    p = subprocess.run([ROOT / "tools" / tool, root], capture_output=True, text=True, timeout=60)
    return p.returncode, p.stdout + p.stderr


@pytest.mark.parametrize("tool", ["check-layers", "check-size", "check-format"])
def test_a_good_tree_passes(tool, tmp_path):
    assert check(tool, tree(tmp_path, {})) == (0, "")


@pytest.mark.parametrize("tool", ["check-layers", "check-size", "check-format"])
def test_nothing_to_check_is_an_error(tool, tmp_path):
    (tmp_path / "src").mkdir()
    assert check(tool, tmp_path)[0] == 2


HEADERS = {name: "/* a header */\n" for name in (
    "src/net/sock.h", "src/sip/sip_msg.h", "src/media/port.h", "src/media/offer.h", "src/media/rtp.h",
    "src/call/call.h", "src/call/leg_impl.h", "src/op/op.h", "src/dialect/script.h", "src/config.h", "src/cli/cli.h")}


@pytest.mark.parametrize("name, line", [
    ("src/base/x.c", '#include "net/sock.h"'),
    ("src/net/x.c", '#include "sip/sip_msg.h"'),
    ("src/sip/x.c", '#include "media/port.h"'),
    ("src/media/x.c", '#include "sip/sip_msg.h"'),
    ("src/call/x.c", '#include "media/rtp.h"'),
    ("src/call/x.c", '#include "op/op.h"'),
    ("src/op/x.c", '#include "sip/sip_msg.h"'),
    ("src/op/x.c", '#include "call/leg_impl.h"'),
    ("src/dialect/x.c", '#include "media/port.h"'),
    ("src/dialect/x.h", '#include "net/sock.h"'),
    ("src/base/x.c", '#include "config.h"'),
    ("src/dialect/x.c", '#  include "cli/cli.h"'),
    ("src/base/x.c", '#include "missing.h"'),
    ("src/base/x.c", '#include "../net/sock.h"'),
    ("src/other/x.c", "int x;"),
    ("src/sip/x.c", "#include <libwebsockets.h>"),
    ("src/call/x.c", "#include <jansson.h>"),
    ("src/base/x.c", "#include <openssl/ssl.h>"),
])
def test_includes_go_down_only(name, line, tmp_path):
    code, out = check("check-layers", tree(tmp_path, {**HEADERS, name: f"/* x */\n{line}\n"}))
    assert code == 1
    assert f"{name}:" in out and len(out.splitlines()) == 1


@pytest.mark.parametrize("name, line", [
    ("src/call/x.c", '#include "media/port.h"'),
    ("src/call/x.c", '#include "media/offer.h"'),
    ("src/call/x.c", '#include "call/leg_impl.h"'),
    ("src/op/x.c", '#include "media/port.h"'),
    ("src/dialect/x.c", '#include "op/op.h"'),
    ("src/config.c", '#include "media/rtp.h"'),
    ("src/cli/x.c", '#include "dialect/script.h"'),
    ("src/main.c", '#include "cli/cli.h"'),
    ("src/net/web.c", "#include <libwebsockets.h>"),
    ("src/cli/version.c", "#include <jansson.h>"),
    ("src/sip/x.c", '/* #include "media/port.h" */'),
])
def test_allowed_includes_pass(name, line, tmp_path):
    assert check("check-layers", tree(tmp_path, {**HEADERS, name: f"{line}\n"})) == (0, "")


@pytest.mark.parametrize("name, call", [
    ("src/sip/x.c", "clock_gettime(CLOCK_MONOTONIC, &t)"),
    ("src/op/x.c", "time(NULL)"),
    ("src/media/x.c", "gettimeofday(&t, NULL)"),
    ("src/sip/x.c", "usleep(1)"),
    ("src/call/x.c", "pthread_create(&t, NULL, run, NULL)"),
    ("src/base/loop.c", "thrd_create(&t, run, NULL)"),
    ("src/call/x.c", "pthread_mutex_lock(&m)"),
    ("src/sip/x.c", "socket(AF_INET, SOCK_DGRAM, 0)"),
    ("src/media/worker.c", "bind(fd, sa, n)"),
    ("src/sip/x.c", "sendto(fd, p, n, 0, sa, len)"),
    ("src/base/mq.c", "recv(fd, p, n, 0)"),
    ("src/net/sock.c", "epoll_create1(0)"),
    ("src/sip/x.c", "random()"),
    ("src/net/sock.c", "getrandom(p, n, 0)"),
    ("src/sip/x.c", 'open("/dev/urandom", 0)'),
    ("src/base/x.c", "strcpy(a, b)"),
    ("src/base/x.c", "sprintf (a, b)"),
    ("src/base/x.c", "sscanf(a, b)"),
    ("src/base/x.c", "strtok(a, b)"),
    ("src/base/x.c", "atoi(a)"),
    ("src/base/x.c", "alloca(1)"),
    ("src/cli/x.c", "system(a)"),
    ("src/op/x.c", "posix_spawn(&pid, path, NULL, NULL, argv, NULL)"),
    ("src/net/x.c", "signal(SIGPIPE, SIG_IGN)"),
])
def test_what_the_world_owns_is_left_to_its_owner(name, call, tmp_path):
    code, out = check("check-layers", tree(tmp_path, {name: f"int x(void)\n{{\n\treturn {call};\n}}\n"}))
    assert code == 1
    assert out.startswith(f"{name}:3: ") and len(out.splitlines()) == 1


@pytest.mark.parametrize("name, text", [
    ("src/base/loop.c", "clock_gettime(CLOCK_MONOTONIC, &t); getrandom(p, n, 0); epoll_create1(0);"),
    ("src/base/pool.c", "pthread_create(&t, NULL, run, NULL); pthread_mutex_lock(&m);"),
    ("src/media/worker_rtp.c", "recvfrom(fd, p, n, 0, sa, &len);"),
    ("src/net/sock.c", "socket(AF_INET, SOCK_DGRAM, 0); bind(fd, sa, n);"),
    ("src/base/child.c", "posix_spawn(&pid, path, NULL, NULL, argv, NULL); child_fork();"),
    ("src/cli/serve.c", "signalfd(-1, &set, 0); setrlimit(RLIMIT_NOFILE, &l);"),
    ("src/sip/x.c", "net->ops->connect(net); net.listen(1); my_time(2); /* time(NULL) */ log(\"rand() is bad\");"),
])
def test_owners_and_lookalikes_pass(name, text, tmp_path):
    assert check("check-layers", tree(tmp_path, {name: f"void x(void)\n{{\n\t{text}\n}}\n"})) == (0, "")


def function(lines):
    return "int f(int x);\n\nint f(int x)\n{\n" + "\n".join(lines) + "\n\treturn x;\n}\n"


@pytest.mark.parametrize("text, word", [
    ("int x;\n" * 801, "801 lines"),
    (function(["\tx++;"] * 60), "lines, at most 60"),
    (function([f"\tif (x == {i})\n\t\tx++;" for i in range(15)]), "complexity 16"),
])
def test_what_is_too_big_is_refused(text, word, tmp_path):
    code, out = check("check-size", tree(tmp_path, {"src/base/x.c": text}))
    assert code == 1
    assert word in out and len(out.splitlines()) == 1


def test_what_is_just_small_enough_passes(tmp_path):
    cases = function(["\tswitch (x) {"] + [f"\tcase {i}:\n\t\treturn {i + 1};" for i in range(25)] + ["\t}"])
    branches = function([f"\tif (x == {i})\n\t\tx++;" for i in range(14)])
    root = tree(tmp_path, {"src/base/x.c": "int x;\n" * 800, "src/base/y.c": cases, "src/base/z.c": branches})
    assert check("check-size", root) == (0, "")


@pytest.mark.parametrize("name", ["src/base/x.c", "src/base/x.h", "test/test_x.c", "fuzz/fuzz_x.c", "bench/x.c"])
def test_other_formats_are_refused_and_repaired(name, tmp_path):
    root = tree(tmp_path, {name: "int  x( void )\n{ return 0; }\n"})
    assert check("check-format", root) == (1, f"{name}: not as clang-format leaves it\n")
    subprocess.run([ROOT / "tools" / "check-format", "--fix", root], check=True, timeout=60)
    assert check("check-format", root) == (0, "")


@pytest.fixture
def runner():
    loader = importlib.machinery.SourceFileLoader("run_tests", str(ROOT / "tools" / "run-tests"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("run_tests", loader))
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    loader.exec_module(module)
    sys.dont_write_bytecode = written
    return module


@pytest.mark.parametrize("output, code, counts", [
    ("1..2\nok 1 - a\nok 2 - b\n# ok - tests\n", 0, (2, 0, 0)),
    ("1..2\nok 1 - a\nnot ok 2 - b\n# 0x1 != 0x2\n", 1, (1, 1, 0)),
    ("1..2\nok 1 - a\nnot ok 2 - b Could not run test: Test teardown failed\n", 1, (1, 1, 0)),
    ("1..2\nok 1 - a\nnot ok 2 # SKIP b\n", 0, (1, 0, 1)),
    ("1..2\nok 1 - a\nnot ok 2 # SKIP b\n", 1, (1, 0, 1)),      # cmocka's exit code for a skipped case
    ("1..3\nok 1 - a\nok 2 - b\nSegmentation fault\n", -11, (2, 1, 0)),
    ("1..1\nok 1 - a\n==1==ERROR: LeakSanitizer: detected memory leaks\n", 1, (1, 1, 0)),
    ("1..2\nok 1 - a\nnot ok 2 # SKIP b\nLeakSanitizer\n", 23, (1, 1, 1)),
    ("1..1\n", 0, (0, 1, 0)),
    ("", 0, (0, 1, 0)),
    ("1..2\nok 1 - a\n", "no end within 1 s", (1, 1, 0)),
])
def test_every_way_to_fail_is_counted(runner, output, code, counts):
    tally = runner.Tally()
    runner.tap("unit", "test_x", code, output, tally)
    assert (tally.passed, tally.failed, tally.skipped) == counts


def test_what_was_not_built_has_failed(runner):
    tally = runner.Tally()
    runner.run_programs("unit", "build-none", ["test_none"], tally)
    runner.run_programs("unit", "build-none", [], tally)
    assert (tally.passed, tally.failed) == (0, 2)


def test_a_time_out_ends_the_program_and_its_children(runner):
    code, out = runner.run(["sh", "-c", "echo begun; sleep 60 & sleep 60"], 0.5)
    assert "no end" in code and out == "begun\n"


def test_what_a_test_leaves_running_is_ended_and_told(runner):
    code, out = runner.run(["sh", "-c", "sleep 60 & echo $!; exit 0"], 10)
    assert code == "exit 0, left running: sleep"
    stat = pathlib.Path(f"/proc/{out.strip()}/stat")
    deadline = time.monotonic() + 10
    while stat.exists() and ") Z " not in stat.read_text():
        assert time.monotonic() < deadline
