"""rtp_party: the audio of a party whose SIP somebody else speaks: says a tone, writes down when which packet came."""
import math
import socket
import struct
import threading
import time

FRAME = 160


def ulaw(sample):
    """One sample in mu-law (G.711)."""
    sign, magnitude = (0x80, -sample) if sample < 0 else (0, sample)
    magnitude = min(magnitude, 32635) + 132
    exponent = magnitude.bit_length() - 8
    return ~(sign | exponent << 4 | (magnitude >> (exponent + 3)) & 15) & 0xff


def linear(byte):
    byte = ~byte & 0xff
    magnitude = (((byte & 15) << 3) + 132 << (byte >> 4 & 7)) - 132
    return -magnitude if byte & 0x80 else magnitude


class Packet:
    def __init__(self, data, at):
        self.at = at
        first, self.payload_type, self.seq, self.timestamp, self.ssrc = struct.unpack("!BBHII", data[:12])
        self.payload_type &= 0x7f
        self.audio = [linear(b) for b in data[12 + 4 * (first & 15):]]


class RtpParty:
    """Says its tone once it hears somebody, and silence in packets when nothing has come for 0.1 s, as telephones do."""

    def __init__(self, hz, port, host="127.0.0.1"):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, port))
        self.port = port
        self.packets = []
        self.tone = bytes(ulaw(int(8000 * math.sin(2 * math.pi * hz * i / 8000))) for i in range(8000))
        self.over = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        seq, at, peer, heard = 0, time.monotonic(), None, 0.0
        while not self.over:
            at += 0.02
            while (left := at - time.monotonic()) > 0:
                self.socket.settimeout(left)
                try:
                    data, peer = self.socket.recvfrom(2048)
                except TimeoutError:
                    break
                if len(data) > 12 and data[0] >> 6 == 2:
                    heard = time.monotonic()
                    self.packets.append(Packet(data, time.time()))
            if peer:
                from_ = seq * FRAME % 8000
                audio = self.tone[from_:from_ + FRAME] if time.monotonic() - heard < 0.1 else b"\xff" * FRAME
                self.socket.sendto(struct.pack("!BBHII", 0x80, 0, seq & 0xffff, seq * FRAME, 4711 + self.port) + audio, peer)
                seq += 1

    def heard(self, packets=None):
        return [s for p in (self.packets if packets is None else packets) for s in p.audio]

    def kill(self):
        self.over = True
        self.thread.join()
        self.socket.close()
