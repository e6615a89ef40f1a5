"""rows_audio: packets relayed, decoded, sealed, recorded and played."""
import contextlib
import http.server
import pathlib
import subprocess
import tempfile
import threading

from harness import DOCUMENT, HOLD_MS, Failed, Row, calmest, say

RECORDED = """version: 1.0.0
sections:
  main:
    - record_call: {{stereo: true}}
    - connect:
        to: 'sip:bench@127.0.0.1:{callee};transport=udp'
        answer_on_bridge: {on_bridge}
"""
PROMPT = """version: 1.0.0
sections:
  main:
    - answer
    - play: 'http://127.0.0.1:{sounds}/speech.wav'
"""
RINGBACK = """version: 1.0.0
sections:
  main:
    - connect:
        to: 'sip:bench@127.0.0.1:{callee};transport=udp'
        answer_on_bridge: true
        ringback: 'http://127.0.0.1:{sounds}/speech.wav'
"""
SPEECH = ("The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background. It is easy to tell the depth of a "
          "well. These days a chicken leg is a rare dish. Rice is often served in round bowls. The juice of lemons makes fine punch. "
          "The box was thrown beside the parked truck. The hogs were fed chopped corn and garbage.")
PCMU, PCMA, G722, OPUS = 0, 8, 9, 111  # payload types
SRTP = {1: "AES_CM_128_HMAC_SHA1_80", 2: "AEAD_AES_128_GCM"}  # as the generator numbers them


def relay(args, calls, seconds, make=None):
    row = calmest(args, lambda: Row(args, "media", make=make, rate=args.set_up_rate, calls=calls, seconds=seconds))
    f = row.figures
    if not row.direct:
        raise Failed(f"not all calls came up: {row.trouble()}")
    base, delay = row.direct["delay_ms"]["p50"], f["delay_ms"]
    added = [max(0.0, delay[k] - base) for k in ("p50", "p99", "max")]
    seen = [f["seen_ms"][k] - row.direct["seen_ms"]["p50"] for k in ("p50", "p99")]
    per_call = 100 * row.during["cpu"] / (seconds * calls)  # by packets: stalls of the generator do not flatter
    say(f"  {calls} calls for {seconds} s: {per_call:.4f} % of the core a call, {row.during['core']:.0%} in all; added delay "
        f"p50 {added[0]:.3f} p99 {added[1]:.3f} max {added[2]:.1f} ms (until read: p50 {seen[0]:.3f} p99 {seen[1]:.3f}); "
        f"{f['lost']} of {f['sent']} lost, {f['strays']} strays; generator {row.during['generator']:.0%}, stalled {f['stalled_ms']:.0f} ms; {row.trouble()}")
    return {"calls": calls, "core_percent": per_call, "added_ms": added, "seen_ms": seen, "lost": f["lost"], "sent": f["sent"],
            "others": row.during["others"]}


def checked_media(args, calls, seconds, setup=None, settle=0, make=None, **options):
    """The calmest of args.tries runs of calls with audio, and the percentage of the core that a call takes: by packets, so that a
    generator that stalls makes what goes on by the clock look dearer, and nothing cheaper."""
    row = calmest(args, lambda: Row(args, "media", setup=setup, settle=settle, make=make, rate=args.set_up_rate,
                                    calls=calls, seconds=seconds, **options))
    f = row.figures
    if not row.direct:
        raise Failed(f"not all calls came up: {row.trouble()}")
    if f["lost"] > f["sent"] / 50:
        raise Failed(f"{f['lost']} of {f['sent']} packets did not come out, {f['strays']} strays; {row.trouble()}")
    return row, 100 * row.during["cpu"] / (seconds * calls)


def transcode(args, speech, name, callee, calls, seconds, make=None, **more):
    """PCMU at the caller, another codec at the callee; real speech both ways. more: options of the generator."""
    row, percent = checked_media(args, calls, seconds, setup={"codecs": f"PCMU, {name}"}, make=make, caller_payload=PCMU,
                                 callee_payload=callee, speech=speech, **more)
    f = row.figures
    made = percent * f["sent"] / max(f["sent"], f["sent"] - f["lost"])  # while the generator stalls, gaps are filled
    say(f"  PCMU to {name}, {calls} calls for {seconds} s: {percent:.4f} % of the core a call ({made:.4f} % by what came out), "
        f"{row.during['core']:.0%} in all; "
        f"{f['sent'] - f['lost']} packets for {f['sent']}; generator {row.during['generator']:.0%}, stalled {f['stalled_ms']:.0f} ms; "
        f"{row.trouble()}")
    return {"codec": name, "calls": calls, "core_percent": percent, "made_percent": made,
            "others": row.during["others"]}


def srtp(args, suite, calls, seconds):
    """SRTP at the caller, RTP at the callee, relayed."""
    row, percent = checked_media(args, calls, seconds, srtp=suite)
    f = row.figures
    say(f"  {SRTP[suite]}, {calls} calls for {seconds} s: {percent:.4f} % of the core a call, {row.during['core']:.0%} in all; "
        f"{f['lost']} of {f['sent']} lost, {f['strays']} strays; generator {row.during['generator']:.0%}, stalled {f['stalled_ms']:.0f} ms; "
        f"{row.trouble()}")
    return {"suite": SRTP[suite], "calls": calls, "core_percent": percent, "others": row.during["others"]}


def record(args, speech, calls, seconds):
    """What a stereo recording adds: the same calls with and without, one behind the other; the end of the files is in it."""
    found = {}
    for name, document in (("relayed", DOCUMENT), ("recorded", RECORDED)):
        row, percent = checked_media(args, calls, seconds, setup={"document": document}, settle=3, speech=speech)
        whole = row.between("begin", "settled")["cpu"]
        found[name] = 100 * whole / (seconds * calls)
        say(f"  {name}, {calls} calls for {seconds} s: {percent:.4f} % of the core a call while they talked, {found[name]:.4f} % with "
            f"their end; stalled {row.figures['stalled_ms']:.0f} ms; {row.trouble()}")
    more = found["recorded"] - found["relayed"]
    say(f"  recording adds {more:.4f} %")
    return {"calls": calls, "more_percent": more, **found}


def decoded_delay(args, calls, seconds):
    """PCMU to PCMA, which costs no codec's own delay; silence with a burst each half second in every direction."""
    row, percent = checked_media(args, calls, seconds, caller_payload=PCMU, callee_payload=PCMA, bursts=1)
    f, base = row.figures, row.direct["delay_ms"]["p50"]
    added = [f["delay_ms"][k] - base for k in ("p50", "p99", "max")]
    say(f"  {calls} calls for {seconds} s: added delay p50 {added[0]:.1f} p99 {added[1]:.1f} max {added[2]:.1f} ms, {f['measured']} bursts; "
        f"{percent:.4f} % of the core a call; stalled {f['stalled_ms']:.0f} ms; {row.trouble()}")
    return {"calls": calls, "added_ms": added, "core_percent": percent, "others": row.during["others"]}


def prompt(args, sounds, name, document, rate, seconds, **options):
    """From the server's SDP, in its 200 or 183, to the first packet of audio."""
    row = calmest(args, lambda: Row(args, "rate", setup={"document": document, "sounds": sounds}, rate=rate, seconds=seconds,
                                    hold_ms=HOLD_MS, **options))
    f = row.figures
    if f["heard"] < (f["calls"] - rate) * 0.99:
        raise Failed(f"only {f['heard']} of {f['calls'] - rate} calls heard anything: {row.trouble()}")
    say(f"  {name}, {rate}/s for {seconds} s: p50 {f['audio_ms']['p50']:.1f} p99 {f['audio_ms']['p99']:.1f} max "
        f"{f['audio_ms']['max']:.1f} ms to the first packet; {row.trouble()}")
    return {"what": name, "ms": f["audio_ms"], "heard": f["heard"], "others": row.during["others"]}


@contextlib.contextmanager
def spoken():
    """A folder with speech-RATE.raw at the rates of the codecs, and speech.wav; made by espeak-ng and sox, as the tests have them."""
    with tempfile.TemporaryDirectory(prefix="crosspoint-bench-") as folder:
        base = pathlib.Path(folder)
        steps = [["espeak-ng", "-w", base / "spoken.wav", SPEECH],
                 *(["sox", "-G", base / "spoken.wav", "-r", str(r), "-e", "signed", "-b", "16", base / f"speech-{r}.raw"]
                   for r in (8000, 16000, 48000)),
                 ["sox", "-G", base / "spoken.wav", "-r", "8000", base / "speech.wav"]]
        for step in steps:
            if subprocess.run(step, stdout=subprocess.DEVNULL).returncode:
                raise Failed(f"{step[0]} cannot make speech")
        yield base


@contextlib.contextmanager
def serving(folder):
    """A web server of that folder: its port. What it gives may be kept."""
    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *a):
            super().__init__(*a, directory=folder)

        def end_headers(self):
            self.send_header("Cache-Control", "max-age=3600")
            super().end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


def audio_rows(args, wanted, folder, result):
    """What is decoded, sealed, recorded or played."""
    seconds, speech = args.media_seconds, folder / "speech"
    if "transcode" in wanted:
        say("transcoding, speech in both directions")
        result["transcode"] = [transcode(args, speech, "G722", G722, 150, seconds), transcode(args, speech, "OPUS", OPUS, 80, seconds)]
    if "srtp" in wanted:
        say("SRTP with keys in the SDP on one side, RTP on the other")
        result["srtp"] = [srtp(args, suite, 500, seconds) for suite in (1, 2)]
    if "record" in wanted:
        say("recording of relayed calls")
        result["record"] = record(args, speech, 200, seconds)
    if "decoded" in wanted:
        say("delay of a decoded path")
        result["decoded"] = decoded_delay(args, 100, seconds)
    if "prompt" in wanted:
        say("start of what is played")
        with serving(folder) as port:
            result["prompt"] = [prompt(args, port, "prompt", PROMPT, 50, seconds, alone=1),
                                prompt(args, port, "ringback", RINGBACK, 50, seconds, ring_ms=HOLD_MS)]
