"""The systemd unit: what systemd says of it, and the server run as it says: its commands, the notify protocol, the user,
the read-only file system, capabilities and the filter of system calls that its lines ask for."""
import errno
import json
import os
import pathlib
import re
import select
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

import harness
from test_control import ACCESS
from test_https import complaints

UNIT = harness.ROOT / "packaging" / "crosspoint.service.in"
USER = 61184  # the first of those that DynamicUser= takes
WAITS = "sections: {main: [answer: {}, sleep: 60000]}\n"
RECORDS = "sections: {main: [answer: {}, play: {url: 'say:good morning'}, record_call: {}, sleep: 60000]}\n"


def unit(binary=harness.BINARY):
    """The unit as it would be installed beside the binary, and {key: [values]} of it."""
    lines = {}
    text = UNIT.read_text().replace("@BINDIR@", str(binary.parent))
    for line in text.splitlines():
        if "=" in line and line[0] not in "#[":
            lines.setdefault(line.split("=", 1)[0], []).append(line.split("=", 1)[1])
    return text, lines


class Manager:
    """The end of the notify socket that a service manager has."""

    def __init__(self, folder, abstract=False):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.path = f"@crosspoint-test-{os.getpid()}-{id(self)}" if abstract else str(folder / "notify")
        self.socket.bind(f"\0{self.path[1:]}" if abstract else self.path)
        if not abstract:
            os.chmod(self.path, 0o777)
        self.socket.settimeout(harness.DEADLINE)

    def hear(self):
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().splitlines())

    def until(self, key):
        """The next message that says so; signs of life are passed over."""
        while True:
            said = self.hear()
            if key in said:
                return said
            assert set(said) == {"WATCHDOG"}, f"{said} while waiting for {key}"

    def kill(self):
        self.socket.close()


class Service:
    """Runs ExecStartPre and ExecStart of the unit with another configuration, and with what a manager would set."""

    def __init__(self, world, wrap=(), folder=None, abstract=False, watchdog_s=0, data=None, rules=WAITS, drain=20):
        self.binary = folder / "crosspoint" if folder else harness.BINARY
        folder = folder or world.folder
        self.sip_port, self.http_port = harness.free_port(), harness.free_port()
        low, high = harness.free_media_range()
        (folder / "main.yaml").write_text(rules)
        self.config = folder / "crosspoint.yaml"
        self.config.write_text(f"data: {data or './data'}\nlog: {{format: json}}\n"
                               f"sip: {{listen: ['udp:127.0.0.1:{self.sip_port}']}}\nmedia: {{ports: {low}-{high}}}\n"
                               f"http: {{listen: ['http:127.0.0.1:{self.http_port}']}}\ndrain_timeout: {drain}\n"
                               "trunks: [{name: t, uri: 'sip:{number}@127.0.0.1:9', accept_from: [127.0.0.0/8]}]\n"
                               "routes: [{match: '*', swml: main.yaml}]\n" + ACCESS)
        self.manager = world.add(Manager(folder, abstract))
        self.environment = {"PATH": os.environ["PATH"], "NOTIFY_SOCKET": self.manager.path}
        if watchdog_s:
            self.environment["WATCHDOG_USEC"] = str(int(watchdog_s * 1e6))
        for name in os.environ:  # of the test run itself
            if name.endswith("SAN_OPTIONS"):
                self.environment[name] = os.environ[name]
        self.wrap = list(wrap)
        for command in self.commands("ExecStartPre"):
            subprocess.run(command, check=True, timeout=30, env=self.environment)
        self.log = open(world.folder / "service.log", "w")
        self.process = subprocess.Popen(self.commands("ExecStart")[0], env=self.environment, stderr=self.log,
                                        stdout=self.log)
        world.add(self)

    def commands(self, key):
        return [self.wrap + shlex.split(line.replace("/etc/crosspoint/crosspoint.yaml", str(self.config)))
                for line in unit(self.binary)[1][key]]

    def reload(self):
        return subprocess.run(self.commands("ExecReload")[0], env=self.environment, timeout=30, capture_output=True,
                              text=True)

    def text(self):
        return pathlib.Path(self.log.name).read_text()

    def events(self):
        return [json.loads(line) for line in self.text().splitlines() if line.startswith("{") and line.endswith("}")]

    def wait(self, what, ok):
        deadline = time.monotonic() + harness.DEADLINE
        while True:
            found = [e for e in self.events() if ok(e)]
            if found:
                return found[0]
            assert time.monotonic() < deadline and self.process.poll() is None, f"no {what}:\n{self.text()}"
            time.sleep(0.02)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.log.close()


def test_systemd_has_nothing_to_say_against_it(world):
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze")
    text, lines = unit()
    at = world.folder / "crosspoint.service"
    at.write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(at)], capture_output=True, text=True, timeout=60)
    said = [line for line in (done.stdout + done.stderr).splitlines() if "crosspoint.service" in line]
    assert not said and done.returncode == 0, done.stderr
    # It does object where there is something: an unknown key, a program that is not there.
    at.write_text(text.replace("NoNewPrivileges=", "NoNewPrivilege=").replace(str(harness.BINARY), "/nowhere/crosspoint"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(at)], capture_output=True, text=True, timeout=60)
    assert re.search("Unknown key (name )?'NoNewPrivilege'", done.stderr) and "/nowhere/crosspoint is not executable" in done.stderr
    assert lines["Type"] == ["notify"] and float(lines["WatchdogSec"][0]) >= 10


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_the_manager_is_told(world, abstract):
    """Ready when it is, reloading and ready again, also when the new configuration is bad, stopping; and signs of life."""
    s = Service(world, abstract=abstract, watchdog_s=0.4, drain=20)
    assert s.manager.until("READY") == {"READY": "1", "STATUS": "Ready"}
    with socket.create_connection(("127.0.0.1", s.http_port), 20):
        pass  # ready is ready
    began = time.monotonic()
    for _ in range(5):
        assert s.manager.hear() == {"WATCHDOG": "1"}
    assert 0.5 < time.monotonic() - began < 2, "two in each period"

    done = s.reload()
    assert done.returncode == 0, done.stderr
    said = s.manager.until("RELOADING")
    assert said["RELOADING"] == "1" and abs(int(said["MONOTONIC_USEC"]) / 1e6 - time.monotonic()) < 10
    assert s.manager.until("READY") == {"READY": "1", "STATUS": "Ready"}
    good = s.config.read_text()
    s.config.write_text(good + "node: other\n")
    done = s.reload()
    assert done.returncode == 1 and "node cannot change" in done.stderr, "so `systemctl reload` fails"
    s.manager.until("RELOADING")
    assert s.manager.until("READY") == {"READY": "1", "STATUS": "Ready; the new configuration was refused"}

    s.config.write_text(good)
    s.process.send_signal(signal.SIGHUP)
    s.manager.until("RELOADING")
    assert s.manager.until("READY") == {"READY": "1", "STATUS": "Ready"}
    s.process.send_signal(getattr(signal, unit()[1]["KillSignal"][0]))
    said = s.manager.until("STOPPING")
    assert said["STOPPING"] == "1" and int(said["EXTEND_TIMEOUT_USEC"]) == 50_000_000
    assert s.process.wait(30) == 0


def test_a_loop_that_hangs_gives_no_sign_of_life(world):
    s = Service(world, watchdog_s=0.4)
    s.manager.until("READY")
    s.manager.until("WATCHDOG")
    s.process.send_signal(signal.SIGSTOP)
    while select.select([s.manager.socket], [], [], 0)[0]:
        s.manager.hear()
    assert not select.select([s.manager.socket], [], [], 1)[0], "a process that stands still is silent"
    s.process.send_signal(signal.SIGCONT)
    assert s.manager.hear() == {"WATCHDOG": "1"}
    s.process.send_signal(signal.SIGTERM)
    assert s.process.wait(30) == 0


def test_a_manager_that_does_not_read_holds_nothing_up(world):
    """Its queue full: the server serves, and what counts is told when there is room."""
    s = Service(world, watchdog_s=0.02)
    s.manager.until("READY")
    # Signs of life fill the queue (10 datagrams or so); then the loop must still answer.
    with open("/proc/sys/net/unix/max_dgram_qlen") as f:
        time_needed = 0.01 * (int(f.read()) + 20)
    end = time.monotonic() + time_needed
    while time.monotonic() < end:
        with socket.create_connection(("127.0.0.1", s.http_port), 20) as c:
            c.settimeout(20)
            c.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            assert b" 200 " in c.recv(4096)
    s.process.send_signal(signal.SIGHUP)
    s.wait("reload", lambda e: "configuration 2" in e.get("message", ""))
    while s.manager.until("READY")["STATUS"] != "Ready":
        pass
    s.process.send_signal(signal.SIGTERM)
    assert s.process.wait(30) == 0


def test_without_a_good_socket_it_serves(world):
    for name in ("relative", "@", "/" + "x" * 120, "/nowhere/notify"):
        server = world.server({"main.yaml": WAITS}, env={"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "x"})
        server.stop()
        warned = [e for e in server.events if "the service manager cannot be told" in e.get("message", "")]
        assert len(warned) == (0 if name == "/nowhere/notify" else 1), name


# --- the sandbox ---

def filter_of(values):
    """The names that SystemCallFilter= leaves, by systemd's own table of groups."""
    groups, name = {}, None
    text = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager"], capture_output=True, text=True,
                          timeout=30).stdout
    for line in text.splitlines():
        if line.startswith("@"):
            name = line.strip()
            groups[name] = []
        elif name and line.startswith("    ") and not line.strip().startswith("#"):
            groups[name].append(line.strip())
        elif line and not line.startswith(" "):
            name = None

    def flat(word):
        return {call for each in groups[word] for call in flat(each)} if word[0] == "@" else {word}

    left = flat("@default")
    for value in values:
        for word in value.lstrip("~").split():
            left = left - (flat(word) - flat("@default")) if value[0] == "~" else left | flat(word)
    return left


# What the child does before it becomes the server: the filter that systemd would install for the same lines.
INSIDE = '''
import json, os, seccomp, sys
rule = json.loads(sys.argv[1])
f = seccomp.SyscallFilter(seccomp.ERRNO(rule["errno"]))
for name in rule["allowed"]:
    try:
        f.add_rule(seccomp.ALLOW, name)
    except (RuntimeError, ValueError, OSError):
        pass  # of another architecture, or newer than the library
for family in rule["families"]:
    f.add_rule(seccomp.ALLOW, "socket", seccomp.Arg(0, seccomp.EQ, family))
for protection in (0, 2, 4):  # not writable and executable at once
    f.add_rule(seccomp.ALLOW, "mmap", seccomp.Arg(2, seccomp.MASKED_EQ, 6, protection))
f.add_rule(seccomp.ALLOW, "mprotect", seccomp.Arg(2, seccomp.MASKED_EQ, 4, 0))
os.umask(rule["umask"])
f.load()
os.execv(sys.argv[2], sys.argv[2:])
'''


def rules_of(lines):
    assert lines["MemoryDenyWriteExecute"] == ["yes"] and lines["LockPersonality"] == ["yes"]
    return json.dumps({
        "errno": getattr(errno, lines["SystemCallErrorNumber"][0]), "umask": int(lines["UMask"][0], 8),
        "allowed": sorted(filter_of(lines["SystemCallFilter"]) - {"socket", "mmap", "mprotect", "personality"}),
        "families": [getattr(socket, name) for name in lines["RestrictAddressFamilies"][0].split()]})


@pytest.fixture
def elsewhere():
    """A folder that another user may enter, with the binary as if it were installed."""
    with tempfile.TemporaryDirectory(prefix="crosspoint-unit-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        shutil.copy(harness.BINARY, folder / "crosspoint")
        yield folder


def test_a_call_in_the_sandbox_of_the_unit(world, elsewhere):
    """Another user, one capability, a file system that is read-only but for the state directory, no home, the filter of
    system calls: it starts, takes a call, speaks, records, reloads and stops, and misses nothing."""
    if os.geteuid() or not shutil.which("systemd-analyze") or subprocess.run(["unshare", "--mount", "true"]).returncode:
        pytest.skip("takes root, mount namespaces and systemd-analyze")
    if b"__asan_init" in harness.BINARY.read_bytes():
        pytest.skip("the sanitizer itself needs what the sandbox forbids")
    lines = unit()[1]
    capability = lines["CapabilityBoundingSet"][0].removeprefix("CAP_").lower()
    assert lines["DynamicUser"] == lines["NoNewPrivileges"] == lines["ProtectHome"] == ["yes"]
    assert lines["ProtectSystem"] == ["strict"] and lines["AmbientCapabilities"] == lines["CapabilityBoundingSet"]
    state = elsewhere / f"state-{lines['StateDirectory'][0]}"
    state.mkdir(mode=int(lines["StateDirectoryMode"][0], 8))
    os.chown(state, USER, USER)
    mounts = (f"mount --bind {state} {state} && mount -t tmpfs none /home && mount -t tmpfs none /root && "
              "mount -o remount,ro,bind / && { ! mountpoint -q /tmp || mount -o remount,ro,bind /tmp; } && exec \"$@\"")
    wrap = ["unshare", "--mount", "--propagation", "private", "sh", "-c", mounts, "sh", "setpriv", f"--reuid={USER}",
            f"--regid={USER}", "--clear-groups", f"--bounding-set=-all,+{capability}", f"--inh-caps=-all,+{capability}",
            f"--ambient-caps=-all,+{capability}", "--no-new-privs", "/usr/bin/python3", "-c", INSIDE, rules_of(lines)]
    s = Service(world, wrap=wrap, folder=elsewhere, data=state, rules=RECORDS)
    assert s.manager.until("READY")["STATUS"] == "Ready", s.text()
    status = pathlib.Path(f"/proc/{s.process.pid}/status").read_text()
    for want in (rf"Uid:\s+{USER}\s+{USER}", r"Seccomp:\s+2", r"CapBnd:\s+0*400", r"CapEff:\s+0*400", r"NoNewPrivs:\s+1"):
        assert re.search(rf"^{want}\b", status, re.M), (want, status)
    caller = world.sipp("uac_listen", target=f"127.0.0.1:{s.sip_port}")
    s.wait("sound", lambda e: (e.get("operation"), e.get("state")) == ("calling.call.play", "playing"))
    done = s.reload()
    assert done.returncode == 0, done.stderr
    call = s.wait("recording", lambda e: (e.get("operation"), e.get("state")) == ("calling.call.record", "recording"))["call_id"]
    subprocess.run([str(elsewhere / "crosspoint"), "hangup", call, "-c", str(s.config)], check=True, timeout=30)
    caller.done()
    s.wait("the file", lambda e: (e.get("operation"), e.get("state")) == ("calling.call.record", "finished"))
    s.process.send_signal(signal.SIGTERM)
    assert s.process.wait(40) == 0, s.text()
    found = {p.relative_to(state): p.stat() for p in state.rglob("*")}
    assert any(str(p).startswith("recordings/") and p.suffix == ".wav" for p in found), found
    assert all(st.st_uid == USER and not st.st_mode & 0o077 for st in found.values()), found
    assert not complaints(s.events())
