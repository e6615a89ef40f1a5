"""harness: the built server as a process, its events as they appear, and free ports for everybody.

Every wait is for an event with a generous deadline, never for a time.
"""
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("CROSSPOINT_BIN", ROOT / "build" / "crosspoint"))
SCENARIOS = pathlib.Path(__file__).resolve().parent / "scenarios"
DEADLINE = 30.0


RESERVED = []


def reserve(ports):
    """Runs side by side draw from the same ports, and between drawing one and taking it is time for another to do both.
    So each is held by a name until this run ends; later tests of it do not get what is sent late to earlier ones."""
    taken = []
    for port in ports:
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        taken.append(s)
        try:
            s.bind(f"\0crosspoint-test-port-{port}")
        except OSError:
            for each in taken:
                each.close()
            return False
    RESERVED.extend(taken)
    return True


def free_ports(count, host="127.0.0.1"):
    """The first of `count` ports in a row, even, that are free for UDP and TCP now, below what the kernel hands out by
    itself and what servers take for media (a benchmark beside us opens and closes thousands of those)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in range(20000):
        first = random.randrange(2000, 10000, 2)
        try:
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                for port in range(first, first + count):
                    with socket.socket(family, kind) as s:
                        s.bind((host, port))
        except OSError:
            continue
        if reserve(range(first, first + count)):
            return first
    raise AssertionError(f"no {count} free ports in a row: this run holds {len(RESERVED)}")


def free_port(host="127.0.0.1"):
    return free_ports(1, host)


def free_pair(host="127.0.0.1"):
    return free_ports(2, host)


def free_media_range(pairs=1000):
    """Somewhere between 20000 and 32000; the server skips pairs that somebody else holds."""
    low = random.randrange(20000, 32000 - 2 * pairs) & ~1
    return low, low + 2 * pairs - 1


class Server:
    """crosspoint serve with a configuration of its own; events are the JSON lines it logs."""

    def __init__(self, folder, documents, routes=None, host="127.0.0.1", sip_host=None, extra="", trunk_port=None,
                 codecs="[OPUS, G722, PCMU, PCMA, G729]", accept="127.0.0.0/8", level="info", pairs=1000, env=None,
                 domain=None, tls=None, sip=None, default_transport="udp", trunks=(), listen=(), encryption="optional", media=(),
                 prefix=()):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.sip_port = free_pair(sip_host or host)
        self.tls_port = self.sip_port + 1
        self.http_port = free_port()
        sip_host = sip_host or host
        bracket = f"[{sip_host}]" if ":" in sip_host else sip_host
        self.host = sip_host
        low, high = free_media_range(pairs)
        for name, text in documents.items():
            (self.folder / name).write_text(text)
        routes = routes or [(pathlib.Path(name).stem, name) for name in documents]
        lines = [
            "space: test",
            "node: node-1",
            "data: ./data",
            f"log: {{level: {level}, format: json}}",
            "sip:",
            f"  listen: ['udp:{bracket}:{self.sip_port}', 'tcp:{bracket}:{self.sip_port}'"
            + (f", 'tls:{bracket}:{self.tls_port}'" if tls else "") + "".join(f", '{at}'" for at in listen) + "]",
            f"  default_transport: {default_transport}",
        ]
        if tls:
            lines.append(f"  tls: {tls}")
        if sip:  # another setting of the section
            lines.append(f"  {sip}")
        if domain:
            lines.append(f"  domain: {domain}")
        lines += [
            "media:",
            f"  address: '{sip_host}'",
            f"  ports: {low}-{high}",
            f"  codecs: {codecs}",
            f"  encryption: {encryption}",
            *(f"  {line}" for line in media),
            f"http: {{listen: ['http:127.0.0.1:{self.http_port}']}}",
            "trunks:",
            "  - name: local",
            f"    uri: 'sip:{{number}}@127.0.0.1:{trunk_port or 9};transport=udp'",
            "    numbers: ['+1', '+44']",
            f"    accept_from: ['{accept}', '::1/128']",
        ]
        for trunk in trunks:  # lines of the configuration, or carriers that calls only go out by
            if isinstance(trunk, str):
                lines.append(trunk)
            else:
                lines += [f"  - name: {trunk[0]}", f"    uri: 'sip:{{number}}@127.0.0.1:{trunk[1]};transport=udp'",
                          f"    numbers: ['{trunk[2]}']"]
        lines.append("routes:")
        lines += [f"  - {{match: '{match}', swml: '{name}'}}" for match, name in routes]
        self.config = self.folder / "crosspoint.yaml"
        self.config.write_text("\n".join(lines) + "\n" + extra)
        self.events = []
        self.raw = []
        self.changed = threading.Condition()
        self.process = subprocess.Popen([*prefix, str(BINARY), "serve", "-c", str(self.config)], stderr=subprocess.PIPE,
                                        stdout=subprocess.DEVNULL, text=True, errors="replace",
                                        env=dict(os.environ, **(env or {})))
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.wait_ready()

    def _read(self):
        for line in self.process.stderr:
            with self.changed:
                self.raw.append(line.rstrip("\n"))
                try:
                    self.events.append(json.loads(line))
                except ValueError:
                    pass
                self.changed.notify_all()
        with self.changed:
            self.changed.notify_all()

    def wait_ready(self):
        deadline = time.monotonic() + DEADLINE
        while True:
            try:
                if self.http("/readyz")[0] == 200:
                    return
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError("the server did not start:\n" + "\n".join(self.raw[-40:]))
            time.sleep(0.02)

    def http(self, path):
        with socket.create_connection(("127.0.0.1", self.http_port), timeout=DEADLINE) as s:
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            data = b""
            while chunk := s.recv(65536):
                data += chunk
        head, _, body = data.partition(b"\r\n\r\n")
        return int(head.split()[1]), body.decode()

    def wait(self, what, ok, deadline=DEADLINE):
        """Wait until ok(events) is true; return its value."""
        end = time.monotonic() + deadline
        with self.changed:
            while True:
                value = ok(self.events)
                if value:
                    return value
                left = end - time.monotonic()
                if left <= 0 or (self.process.poll() is not None and not self.reader.is_alive()):
                    raise AssertionError(f"waited in vain for {what}; last lines:\n" + "\n".join(self.raw[-40:]))
                self.changed.wait(min(left, 0.5))

    def named(self, name, **fields):
        return [e for e in list(self.events)
                if e.get("message") == name and all(e.get(k) == v for k, v in fields.items())]

    def wait_event(self, name, count=1, deadline=DEADLINE, **fields):
        return self.wait(f"{count} x {name} {fields}",
                         lambda _: (found := self.named(name, **fields)) and len(found) >= count and found, deadline)

    def assert_all_legs_ended_once(self, deadline=DEADLINE):
        """Every leg that was created has exactly one terminal event."""
        self.wait("the end of all legs",
                  lambda _: {e["call_id"] for e in self.named("created")} <= {e["call_id"] for e in self.named("ended")},
                  deadline)
        ended = [e["call_id"] for e in self.named("ended")]
        assert len(ended) == len(set(ended)), "a leg ended twice"
        assert set(ended) == {e["call_id"] for e in self.named("created")}
        return len(ended)

    def stop(self, deadline=DEADLINE):
        """SIGTERM: with no call left the server must go by itself, with exit code 0."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("the server did not drain; calls are left:\n" + "\n".join(self.raw[-40:]))
        self.reader.join(5)
        assert code == 0, f"exit code {code}:\n" + "\n".join(self.raw[-60:])

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def kill_group(process):
    """End a program and what it has started (timeout and the program under it)."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class Sipp:
    """One SIPp with a scenario of ours (a file in scenarios/)."""

    def __init__(self, folder, scenario, port=None, target=None, calls=1, rate=10, transport="u1", keys=None,
                 user="main", host="127.0.0.1", limit=None, args=()):
        self.folder = pathlib.Path(folder) / f"sipp-{scenario}-{time.monotonic_ns()}"
        self.folder.mkdir(parents=True)
        self.port = port or free_port(host=host)
        command = ["timeout", "-k", "2", "60", "sipp", "-sf", str(SCENARIOS / f"{scenario}.xml"),
                   "-i", f"[{host}]" if ":" in host else host, "-p", str(self.port), "-m", str(calls), "-r", str(rate),
                   "-t", transport, "-nostdin", "-s", user, "-trace_err", "-error_file", str(self.folder / "errors"),
                   "-trace_msg", "-message_file", str(self.folder / "messages"), "-timeout", "45", "-timeout_error"]
        if limit:
            command += ["-l", str(limit)]
        for key, value in (keys or {}).items():
            command += ["-key", key, str(value)]
        command += list(args)
        if target:
            command.append(target)
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        cwd=self.folder, start_new_session=True)
        if not target:
            self._wait_bound(transport)

    def _wait_bound(self, transport):
        """A callee is up when it has its port; a stranger on it would leave calls without an answer."""
        kind = "tcp" if transport.startswith("t") else "udp"
        end = time.monotonic() + DEADLINE
        row = re.compile(rf"^\s*\d+:\s+[0-9A-F]+:{self.port:04X}(?:\s+\S+){{7}}\s+(\d+)", re.M)
        while time.monotonic() < end:
            text = "".join(pathlib.Path(p).read_text() for p in (f"/proc/net/{kind}", f"/proc/net/{kind}6"))
            if self._sockets() & set(row.findall(text)):
                return
            assert self.process.poll() is None, self.report()
            time.sleep(0.01)
        raise AssertionError("SIPp did not bind its port")

    def _sockets(self):
        """Inodes of those of SIPp, which runs under timeout."""
        pid = self.process.pid
        found = set()
        try:
            for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                for fd in os.listdir(f"/proc/{child}/fd"):
                    found.update(re.findall(r"socket:\[(\d+)\]", os.readlink(f"/proc/{child}/fd/{fd}")))
        except OSError:
            pass  # it goes or comes right now
        return found

    def report(self):
        parts = []
        for name in ("errors", "messages"):
            path = self.folder / name
            if path.exists():
                parts.append(f"--- {name}\n" + path.read_text(errors="replace")[-4000:])
        return "\n".join(parts)

    def messages(self):
        path = self.folder / "messages"
        return path.read_text(errors="replace") if path.exists() else ""

    def done(self, deadline=60):
        """All calls of the scenario went as it says."""
        code = self.process.wait(deadline)
        assert code == 0, f"SIPp says {code}\n{self.report()}"

    def kill(self):
        kill_group(self.process)
