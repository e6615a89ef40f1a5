"""rows_peers: the same calls of the same generator through peers that Debian has, for ratios of one day: Kamailio as a mere
proxy, rtpengine in user space."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess

from harness import Failed, Program, cpu_s, free_port, say
from rows_audio import G722, OPUS, relay, transcode
from rows_signal import cpu_per_call

PACKAGES = {"kamailio": "kamailio", "rtpengine": "rtpengine-daemon"}  # by program
# name, type of the generator, calls, what is offered to the callee, options of the generator. Opus: mono at 16 kbit/s, as ours makes it,
# but at 48 kHz and complexity 10, which cannot be told: more than some 30 such calls do not fit on a core. It offers it as 96 and
# forgets what it was told when it is answered with another number.
CODED = (("G722", G722, 150, "G722", {}), ("OPUS", OPUS, 25, "opus/48000/2/16000//stereo--0", {"opus_type": 96}))
TABLE = (("proxy", "CPU per call proxied by Kamailio", "cpu_ms", 3, "ms"),
         ("relay", "core per G.711 call, rtpengine", "core_percent", 4, "%"),
         ("G722", "core per call, PCMU to G722, rtpengine", "core_percent", 4, "%"),
         ("OPUS", "core per call, PCMU to OPUS, rtpengine", "core_percent", 4, "%"))

# Stateful, one worker; no Record-Route, since the generator sends what is inside a dialog through its target anyway.
PROXY = """debug=0
log_stderror=yes
children=1
disable_tcp=yes
auto_aliases=no
dns=no
rev_dns=no
listen=udp:127.0.0.1:{sip}
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "maxfwd.so"
{modules}
request_route {{
	if (method == "OPTIONS") {{
		sl_send_reply("200", "OK");
		exit;
	}}
	if (!mf_process_maxfwd_header("10")) {{
		sl_send_reply("483", "Too Many Hops");
		exit;
	}}
	if (method == "INVITE") {{
		rewritehostport("127.0.0.1:{callee}");
{invite}
	}}
{bye}
	t_relay();
}}
{replies}"""
# The proxy in front of rtpengine; {flags}: what the offer is to become.
DRIVEN = {
    "modules": 'loadmodule "rtpengine.so"\nmodparam("rtpengine", "rtpengine_sock", "udp:127.0.0.1:{ng}")\n',
    "invite": '\t\trtpengine_offer("replace-origin {flags}");\n\t\tt_on_reply("ANSWERED");\n',
    "bye": '\tif (method == "BYE")\n\t\trtpengine_delete();\n',
    "replies": 'onreply_route[ANSWERED] {{\n\tif (status == "200")\n\t\trtpengine_answer("replace-origin");\n}}\n',
}
OPTIONS = ("OPTIONS sip:ping@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bKping\r\nMax-Forwards: 5\r\n"
           "From: <sip:ping@127.0.0.1>;tag=1\r\nTo: <sip:ping@127.0.0.1>\r\nCall-ID: ping\r\nCSeq: 1 OPTIONS\r\n"
           "Content-Length: 0\r\n\r\n")


def place(program):
    """Where it is, None = nowhere. Kamailio is where only root looks."""
    return shutil.which(program, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin")


def answers(port, question):
    """What comes back to one datagram."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        s.settimeout(0.5)
        s.sendto(question.format(port=s.getsockname()[1]).encode(), ("127.0.0.1", port))
        return s.recv(4096)


def children(pid):
    return [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Kamailio(Program):
    """A proxy between the generator and the callee. more: lines of the configuration, as DRIVEN has them."""

    def __init__(self, core, callee=None, more=None):
        super().__init__(core, callee)
        folder = pathlib.Path(self.folder.name)
        parts = {name: "" for name in DRIVEN} | (more or {})
        (folder / "kamailio.cfg").write_text(PROXY.format(sip=self.sip, callee=self.callee, **parts))
        self.start([place("kamailio"), "-f", folder / "kamailio.cfg", "-DD", "-E", "-m", "128", "-M", "8", "-x", "fm", "-X", "fm",
                    "-Y", folder, "-w", folder])

    def is_ready(self):
        return answers(self.sip, OPTIONS).startswith(b"SIP/2.0 200")

    def cpu_s(self):
        """Of all its processes, which stay the same ones."""
        return sum(cpu_s(pid) for pid in (self.process.pid, *children(self.process.pid)))

    def stop(self):
        """Should it not go, neither must its children stay."""
        workers = children(self.process.pid) if self.process.poll() is None else []
        super().stop()
        for pid in workers:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


class Rtpengine(Program):
    """rtpengine on its core; a Kamailio on the generator's core takes the calls to it, and is not in the figures."""

    def __init__(self, core, proxy_core, flags=""):
        super().__init__(core)
        self.ng, self.proxy = free_port(socket.SOCK_DGRAM), None
        self.start([place("rtpengine"), "--config-file=none", "--foreground", "--log-stderr", "--log-level=4", "--table=-1",
                    "--num-threads=1", "--media-num-threads=1", "--interface=127.0.0.1", f"--listen-ng=127.0.0.1:{self.ng}",
                    "--port-min=10000", "--port-max=31999", "--delete-delay=0"])
        try:
            more = {name: lines.format(ng=self.ng, flags=flags) for name, lines in DRIVEN.items()}
            self.proxy = Kamailio(proxy_core, self.callee, more)
        except Failed:
            self.stop()
            raise
        self.sip = self.proxy.sip

    def is_ready(self):
        return b"pong" in answers(self.ng, "1 d7:command4:pinge")

    def stop(self):
        if self.proxy:
            self.proxy.stop()
        super().stop()


def is_there(program):
    """Says which one it is, or what is missing."""
    if not place(program):
        say(f"  left out: there is no {program} (Debian package {PACKAGES[program]})")
        return False
    done = subprocess.run([place(program), "-v"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    say(f"  {done.stdout.strip().splitlines()[0].strip()}")
    return True


def tried(row):
    """The figures of that row, or nothing: a peer that cannot do it is no reason to end."""
    try:
        return row()
    except Failed as e:
        say(f"  not measured: {e}")
        return None


def rtpengine(args, folder):
    """Its relay as the row media, its transcoding as the row transcode."""
    core, other, seconds = args.cores[0], args.cores[1], args.media_seconds
    found = {"relay": tried(lambda: relay(args, 500, args.seconds, make=lambda: Rtpengine(core, other)))}
    for name, payload, calls, codec, options in CODED:
        flags = f"codec-mask-PCMU codec-transcode-{codec}"
        found[name] = tried(lambda: transcode(args, folder / "speech", name, payload, calls, seconds,
                                              make=lambda: Rtpengine(core, other, flags), **options))
    return found


def peers(args, folder):
    """Rows as ours have them (cpu, media, transcode), through others: their figures by name, None = not measured."""
    found = {}
    say("Kamailio, a mere proxy")
    if not is_there("kamailio"):
        return found
    found["proxy"] = tried(lambda: cpu_per_call(args, int(args.rates.split(",")[0]), args.seconds,
                                                make=lambda: Kamailio(args.cores[0])))
    say("rtpengine in user space, one thread")
    if is_there("rtpengine"):
        found |= rtpengine(args, folder)
    return found


def peers_table(found):
    """(name, figure) for the table of run."""
    return [(name, f"{figures[unit]:.{digits}f} {suffix}") for key, name, unit, digits, suffix in TABLE
            if (figures := found.get(key))]
