"""harness: a fresh server on one core, the generator on the other, and what one run of them has used. For run and rows_*.py."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time

TICKS = os.sysconf("SC_CLK_TCK")
HOLD_MS = 200
DISTURBED = 0.05  # of a core, used by others

CONFIG = """space: bench
log: {{level: warn, format: text}}
sip: {{listen: ['udp:127.0.0.1:{sip}'{more}], default_transport: {transport}{tls}}}
media: {{address: 127.0.0.1, ports: 10000-31999, codecs: [{codecs}]}}
trace: {{memory_mb: {trace_mb}}}
http: {{listen: ['http:127.0.0.1:{http}']}}
trunks:
  - name: bench
    uri: 'sip:{{number}}@127.0.0.1:{callee};transport=udp'
    numbers: ['+']
    accept_from: [127.0.0.1]
webhooks: {{allow_hosts: [127.0.0.0/8]}}
routes:
{routes}"""
ROUTE = "  - {{match: {match}, swml: '{swml}'}}\n"

DOCUMENT = """version: 1.0.0
sections:
  main:
    - connect:
        to: 'sip:bench@127.0.0.1:{callee};transport={transport}'
        answer_on_bridge: {on_bridge}
"""
HOOKS = """        call_state_url: 'http://127.0.0.1:{port}/events'
        call_state_events: [ringing, answered, ended]
"""


class Failed(Exception):
    """Nothing was measured."""


def free_port(kind):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def core_busy_s(core):
    """Seconds that a core has worked, for anybody; stolen time too."""
    for line in pathlib.Path("/proc/stat").read_text().splitlines():
        name, *values = line.split()
        if name == f"cpu{core}":
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, values[:8])
            return (user + nice + system + irq + softirq + steal) / TICKS
    return 0.0


def cpu_s(pid):
    """User and system time of all threads of a process."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def certificate(folder):
    """One that signs itself, for 127.0.0.1."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"],
                   cwd=folder, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Program:
    """What is measured: a fresh process in a folder of its own, on its core."""

    def __init__(self, core, callee=None):
        self.core = core
        self.folder = tempfile.TemporaryDirectory(prefix="crosspoint-bench-")
        self.sip, self.callee = free_port(socket.SOCK_DGRAM), callee or free_port(socket.SOCK_DGRAM)

    def start(self, command):
        self.log = open(pathlib.Path(self.folder.name) / "log", "w+", encoding="utf-8", errors="replace")
        self.process = subprocess.Popen([str(word) for word in command], stderr=self.log, stdout=subprocess.DEVNULL,
                                        preexec_fn=lambda: os.sched_setaffinity(0, {self.core}))
        try:
            self.wait_ready()
        except Failed:
            self.stop()
            raise

    def is_ready(self):
        """Whether it answers; OSError says no too."""
        raise NotImplementedError

    def wait_ready(self):
        end = time.monotonic() + 20
        while time.monotonic() < end and self.process.poll() is None:
            try:
                if self.is_ready():
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise Failed("the server is not ready:\n" + self.text()[-2000:])

    def text(self):
        self.log.flush()
        return pathlib.Path(self.log.name).read_text(errors="replace")

    def cpu_s(self):
        """What it has used so far, all its threads."""
        return cpu_s(self.process.pid)

    def memory_kib(self):
        """(RSS, PSS)"""
        values = {}
        for line in pathlib.Path(f"/proc/{self.process.pid}/smaps_rollup").read_text().splitlines():
            name, _, rest = line.partition(":")
            if rest.endswith(" kB"):
                values[name] = int(rest.split()[0])
        return values["Rss"], values["Pss"]

    def peak_kib(self):
        """The largest RSS there has been."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
        raise Failed("no VmHWM")

    def stop(self):
        """Two SIGTERMs: hang up and go."""
        for _ in range(2):
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
                time.sleep(0.3)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        lines = [line for line in self.text().splitlines() if line.strip()]
        if lines:
            print(f"    the server's log has {len(lines)} lines; the first: {lines[0][:160]}")
        self.log.close()
        self.folder.cleanup()


class Server(Program):
    """A fresh server, with the configuration and the document of a row."""

    def __init__(self, binary, core, on_bridge, hooks=None, trace_mb=16, carried=None, document=DOCUMENT, codecs="PCMU, PCMA",
                 sounds=None, routes=None, callee=None):
        super().__init__(core, callee)
        folder = pathlib.Path(self.folder.name)
        self.http = free_port(socket.SOCK_STREAM)
        self.secure = free_port(socket.SOCK_STREAM)
        transport = "tls" if carried == "tls" else "udp"
        if carried:
            certificate(folder)
        (folder / "crosspoint.yaml").write_text(CONFIG.format(
            routes="".join(ROUTE.format(match=m, swml=s) for m, s in ({"bench": "bench.yaml"} | (routes or {})).items()),
            sip=self.sip, http=self.http, callee=self.callee, trace_mb=trace_mb, transport=transport, codecs=codecs,
            more=f", '{carried}:127.0.0.1:{self.secure}'" if carried else "",
            tls=", tls: {cert: cert.pem, key: key.pem, ca: cert.pem}" if carried else ""))
        (folder / "bench.yaml").write_text(document.format(callee=self.callee, on_bridge=str(on_bridge).lower(),
                                                           transport=transport, sounds=sounds) +
                                           (HOOKS.format(port=hooks) if hooks else ""))
        self.start([binary, "serve", "-c", folder / "crosspoint.yaml"])

    def is_ready(self):
        with socket.create_connection(("127.0.0.1", self.http), timeout=2) as s:
            s.sendall(b"GET /readyz HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
            return b" 200 " in s.recv(4096).split(b"\r\n")[0]


class Moment:
    """What had been used when."""

    def __init__(self, server, gen, gen_core):
        self.time = time.monotonic()
        self.cpu = server.cpu_s()
        self.busy = core_busy_s(server.core)
        # One that has ended keeps its times until it is waited for, which poll() would do.
        self.gen_cpu = cpu_s(gen.pid) if gen.returncode is None else 0.0
        self.gen_busy = core_busy_s(gen_core)


class Row:
    """One run of the generator against a fresh server, or against what `make` makes in its place."""

    def __init__(self, args, mode, before=None, after_begin=None, settle=0, carried=None, setup=None, make=None, **options):
        self.gen = self.carrier = None
        server = make() if make else Server(args.server, args.cores[0], args.on_bridge, carried=carried, **(setup or {}))
        try:
            target = self._carry(args, server, carried) if carried else server.sip
            self.idle_kib = server.memory_kib()
            if before:
                before(server)
            command = [str(args.gen), mode, f"127.0.0.1:{target}", f"callee={server.callee}",
                       *(f"{k}={v}" for k, v in options.items())]
            self.gen = subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                                        preexec_fn=lambda: os.sched_setaffinity(0, {args.cores[1]}))
            self.moments, self.direct, self.figures = {}, None, None
            self._read(server, args.cores[1], after_begin)
            self.during = self.between("begin", "end")
            self.end_kib, self.peak_kib = server.memory_kib(), server.peak_kib()
            if settle:
                time.sleep(settle)
                self.moments["settled"] = Moment(server, self.gen, args.cores[1])
        finally:
            for process in (self.gen, self.carrier):
                if process and process.poll() is None:
                    process.kill()
                    process.wait()
            server.stop()

    def _carry(self, args, server, kind):
        """Puts the carrier between the generator and the server. Returns the port that the generator sends to."""
        port, folder = free_port(socket.SOCK_DGRAM), pathlib.Path(server.folder.name)
        more = [str(server.callee), str(folder / "cert.pem"), str(folder / "key.pem")] if kind == "tls" else []
        self.carrier = subprocess.Popen([str(args.carrier), kind, str(server.secure), str(port), *more],
                                        stdout=subprocess.PIPE, text=True,
                                        preexec_fn=lambda: os.sched_setaffinity(0, {args.cores[1]}))
        if self.carrier.stdout.readline().strip() != "ready":
            raise Failed("the carrier has no connection to the server")
        return port

    def _read(self, server, gen_core, after_begin):
        for line in self.gen.stdout:
            facts = json.loads(line)
            name = facts.get("phase")
            if name == "direct":
                self.direct = facts
            elif name:
                self.moments[name] = Moment(server, self.gen, gen_core)
                if name == "begin" and after_begin:
                    after_begin(self, server)
            else:
                self.figures = facts
            if server.process.poll() is not None:
                self.gen.kill()
                raise Failed(f"the server ended with {server.process.returncode}:\n{server.text()[-2000:]}")
        if self.gen.wait() or not self.figures:
            raise Failed(f"the generator ended with {self.gen.returncode}")

    def between(self, first, last):
        a, b = self.moments[first], self.moments[last]
        seconds = b.time - a.time
        others = (b.busy - a.busy - (b.cpu - a.cpu)) / seconds
        gen_others = (b.gen_busy - a.gen_busy - (b.gen_cpu - a.gen_cpu)) / seconds
        return {"seconds": seconds, "cpu": b.cpu - a.cpu, "core": (b.cpu - a.cpu) / seconds,
                "generator": (b.gen_cpu - a.gen_cpu) / seconds, "others": max(0.0, others, gen_others)}

    def clean(self):
        f = self.figures
        return not (f["failed"] or f["retransmitted"] or f["unexpected"])

    def trouble(self):
        f = self.figures
        said = [f"{f[k]} {k}" for k in ("failed", "timeouts", "retransmitted", "by_server", "unexpected") if f[k]]
        if f["first_failure"]:
            said.append(f"first: {f['first_failure']}")
        if self.during["others"] > DISTURBED:
            said.append(f"disturbed: others used {self.during['others']:.0%} of a core")
        return "; ".join(said) or "0 failed, 0 retransmitted"


def say(text):
    print(text, flush=True)


def calmest(args, make):
    """The row of make() that others disturbed least, in at most args.tries runs. Every run is shown, also one set aside."""
    rows = []
    for _ in range(args.tries):
        rows.append(make())
        if rows[-1].during["others"] <= DISTURBED:
            break
        if args.tries > 1:
            say(f"    run {len(rows)} of at most {args.tries}: {rows[-1].trouble()}")
    return min(rows, key=lambda row: row.during["others"])


def yardstick(args):
    """Microseconds of CPU for a call of the generator with itself: how fast this machine is today."""
    out = subprocess.run([str(args.gen), "rate", "self", "rate=2000", "seconds=3", f"hold_ms={HOLD_MS}"], text=True,
                         stdout=subprocess.PIPE, preexec_fn=lambda: os.sched_setaffinity(0, {args.cores[0]}))
    if out.returncode:
        raise Failed("the generator cannot call itself")
    figures = json.loads(out.stdout.splitlines()[-1])
    us = 1e6 * figures["generator_cpu_s"] / figures["calls"]
    say(f"yardstick: {us:.0f} us CPU for a call of the generator with itself")
    return us
