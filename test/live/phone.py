"""phone: a baresip that really plays a tone and records what it hears; and a Goertzel filter to judge it."""
import math
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import time
import wave

import harness

CONFIG = """poll_method epoll
sip_listen {host}:{port}
audio_player aubridge,{name}
audio_source aufile,{folder}/tone.wav
audio_alert aubridge,alert
audio_channels 1
ausrc_srate 8000
auplay_srate 8000
audio_level no
opus_stereo no
opus_sprop_stereo no
call_local_timeout 120
call_max_calls 4
rtp_ports {rtp}-{rtp_end}
jitter_buffer_type off
module_path /usr/lib/baresip/modules
module g711.so
module {codec_module}
module srtp.so
module aufile.so
module aubridge.so
module sndfile.so
snd_path {folder}
module_tmp account.so
module_app menu.so
module ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control}
"""


def write_tone(path, hz, seconds=40, rate=8000):
    """What the phone says: a sine, long enough for every test."""
    second = b"".join(struct.pack("<h", int(8000 * math.sin(2 * math.pi * hz * i / rate))) for i in range(rate))
    with wave.open(str(path), "wb") as w:
        w.setnchannels(1)
        w.setsampwidth(2)
        w.setframerate(rate)
        w.writeframes(second * seconds)


class Phone:
    """One baresip. tone is what it says, in Hz or as a WAV file (8 kHz, mono); heard() is what it hears. account: more of its parameters, like
    ";mediaenc=srtp" (optional) or ";mediaenc=srtp-mand"."""

    def __init__(self, folder, name, tone, codecs="PCMU/8000/1", auto=True, codec_module="g722.so",
                 host="127.0.0.1", account=None, more="", config=""):
        """account: its line in accounts, without mode and codecs; without one it is registered nowhere. more: parameters behind it.
        config: more lines of its configuration."""
        self.folder = pathlib.Path(folder) / name
        self.folder.mkdir(parents=True)
        self.port = harness.free_port(host)
        v6 = ":" in host
        host = f"[{host}]" if v6 else host
        self.control = harness.free_port()
        if isinstance(tone, (int, float)):
            write_tone(self.folder / "tone.wav", tone)
        else:
            shutil.copy(tone, self.folder / "tone.wav")
        rtp = harness.free_port() & ~1
        (self.folder / "config").write_text(CONFIG.format(
            host=host, port=self.port, folder=self.folder, rtp=rtp, rtp_end=rtp + 40,
            control=self.control, name=name, codec_module=codec_module) + config)
        mode = "auto" if auto else "manual"
        account = account or f"<sip:{name}@{host}:{self.port};transport=udp>;regint=0"
        (self.folder / "accounts").write_text(f"{account};answermode={mode};audio_codecs={codecs}{more}\n")
        (self.folder / "contacts").write_text("")
        self.log = open(self.folder / "log", "w")
        self.process = subprocess.Popen(["timeout", "-k", "2", "120", "baresip", "-6" if v6 else "-4", "-f", str(self.folder)],
                                        stdout=self.log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                        cwd=self.folder, start_new_session=True)
        self.socket = self._connect()

    def _connect(self):
        end = time.monotonic() + harness.DEADLINE
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.control), timeout=5)
            except OSError:
                assert time.monotonic() < end and self.process.poll() is None, self.text()
                time.sleep(0.05)

    def command(self, command, params=""):
        body = f'{{"command":"{command}","params":"{params}","token":"t"}}'
        self.socket.sendall(f"{len(body)}:{body},".encode())

    def text(self):
        return (self.folder / "log").read_text(errors="replace")

    def heard(self):
        """Samples heard so far: (list, rate)."""
        # baresip may begin a last file with nothing in it when the call ends.
        for path in sorted(self.folder.glob("dump-*-dec.wav"), reverse=True):
            with wave.open(str(path)) as w:
                # Killed before it could write how long it is, a file has its samples all the same.
                data = w.readframes(w.getnframes()) or path.read_bytes()[44:]
                if data:
                    return list(struct.unpack_from(f"<{len(data) // 2}h", data)), w.getframerate()
        return [], 8000

    def quit(self):
        """End it in good order, so that its recording is complete."""
        try:
            self.command("quit")
        except OSError:
            pass
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            harness.kill_group(self.process)

    def kill(self):
        self.socket.close()
        harness.kill_group(self.process)
        self.log.close()


def energy(samples, rate, hz):
    """Share of the energy that lies at hz (0 .. 1), by Goertzel."""
    n = len(samples)
    total = sum(s * s for s in samples)
    if n == 0 or total == 0:
        return 0.0
    coefficient = 2 * math.cos(2 * math.pi * hz / rate)
    a = b = 0.0
    for s in samples:
        a, b = s + coefficient * a - b, a
    power = a * a + b * b - coefficient * a * b
    return min(1.0, 2 * power / (n * total))


def loudest_second(samples, rate):
    """The second with the most energy: the start and the end of a recording are not the tone's fault."""
    best, best_sum = samples[:rate], -1
    for at in range(0, max(1, len(samples) - rate), rate // 4):
        part = samples[at:at + rate]
        total = sum(s * s for s in part)
        if total > best_sum:
            best, best_sum = part, total
    return best
