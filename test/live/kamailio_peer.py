"""kamailio_peer: Kamailio with a configuration of ours (a file in kamailio/), on a free port of the loopback."""
import pathlib
import signal
import socket
import subprocess
import time

import harness

CONFIGS = pathlib.Path(__file__).resolve().parent / "kamailio"


def options(port, to):
    return (f"OPTIONS sip:ping@127.0.0.1:{to} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bKping\r\n"
            f"From: <sip:ping@127.0.0.1>;tag=1\r\nTo: <sip:ping@127.0.0.1:{to}>\r\nCall-ID: ping{port}\r\n"
            f"CSeq: 1 OPTIONS\r\nMax-Forwards: 5\r\nContent-Length: 0\r\n\r\n").encode()


class Kamailio:
    """Is ready when made: it has answered an OPTIONS. defines: what the configuration leaves open, as it writes it
    (strings with quotes); LISTEN is given already. listen: further sockets ("tcp:127.0.0.1:5061", …)."""

    def __init__(self, folder, config, defines=None, listen=()):
        self.folder = pathlib.Path(folder) / f"kamailio-{time.monotonic_ns()}"
        self.folder.mkdir(parents=True)
        self.port = harness.free_port()
        command = ["kamailio", "-f", str(CONFIGS / f"{config}.cfg"), "-DD", "-E", "-m", "32", "-M", "4",
                   "-Y", str(self.folder), "-w", str(self.folder), "-P", str(self.folder / "pid"),
                   "-A", f"LISTEN=udp:127.0.0.1:{self.port}"]
        for name, value in (defines or {}).items():
            command += ["-A", f"{name}={value}"]
        for each in listen:
            command += ["-l", each]
        self.log = open(self.folder / "log", "w+", encoding="utf-8", errors="replace")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, start_new_session=True)
        self._wait_ready()

    def _wait_ready(self):
        end = time.monotonic() + harness.DEADLINE
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(("127.0.0.1", 0))
            s.settimeout(0.2)
            while time.monotonic() < end and self.process.poll() is None:
                s.sendto(options(s.getsockname()[1], self.port), ("127.0.0.1", self.port))
                try:
                    if s.recv(4096).startswith(b"SIP/2.0 200"):
                        return
                except OSError:
                    pass  # nobody there yet
        report = self.report()
        self.kill()
        raise AssertionError("Kamailio did not start:\n" + report)

    def report(self):
        self.log.flush()
        return (self.folder / "log").read_text(errors="replace")[-4000:]

    def kill(self):
        """Its main process takes its children along; what does not go in time is killed with the group."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                harness.kill_group(self.process)
        self.log.close()
