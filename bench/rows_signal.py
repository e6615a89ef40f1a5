"""rows_signal: what calls cost, how many there may be, what they leave behind, and what strangers can do to them."""
import json
import os
import socket
import subprocess
import threading
import time

from harness import HOLD_MS, Failed, Row, calmest, free_port, say

SOAK_CALLS, SOAK_FIRST, SOAK_RATE = 1_000_000, 100_000, 500
FULL = 0.9         # of a core: from there on the generator may be the limit
STEPS = [800, 1200, 1600, 2000, 2500, 3000, 3500, 4000, 4500, 5000, 5500, 6000, 7000]
FLOOD_RATE = 20000


def cpu_per_call(args, rate, seconds, make=None):
    row = calmest(args, lambda: Row(args, "rate", settle=args.settle, make=make, rate=rate, seconds=seconds, hold_ms=HOLD_MS))
    total = row.moments["settled"].cpu - row.moments["begin"].cpu
    per_call = 1000 * total / row.figures["calls"]
    invite = row.figures["invite_ms"]
    say(f"  {rate}/s for {seconds} s: {per_call:.3f} ms CPU a call ({row.during['core']:.0%} of the core while they came); "
        f"INVITE in to out p50 {invite['p50']:.2f} p99 {invite['p99']:.2f} max {invite['max']:.1f} ms; {row.trouble()}")
    return {"rate": rate, "cpu_ms": per_call, "invite": invite, "clean": row.clean(), "core": row.during["core"],
            "others": row.during["others"]}


def carried(args, rate, seconds):
    """What calls cost over TLS on both sides, and over a secure WebSocket on the caller's, beside UDP."""
    costs = {}
    for kind in ("udp", "tls", "wss"):
        row = Row(args, "rate", carried=None if kind == "udp" else kind, settle=args.settle, rate=rate, seconds=seconds,
                  hold_ms=HOLD_MS)
        costs[kind] = 1000 * (row.moments["settled"].cpu - row.moments["begin"].cpu) / row.figures["calls"]
        say(f"  {kind}, {rate}/s for {seconds} s: {costs[kind]:.3f} ms CPU a call, {costs[kind] / costs['udp']:.2f} of UDP; "
            f"{row.trouble()}")
    return costs


def hold_rate(args, rate, seconds):
    """One run, never repeated: a second chance would make a rate that holds sometimes a rate that holds."""
    row = Row(args, "rate", rate=rate, seconds=seconds, hold_ms=HOLD_MS)
    invite = row.figures["invite_ms"]
    say(f"  {rate}/s for {seconds} s: core {row.during['core']:.0%}, {1000 * row.during['cpu'] / row.figures['calls']:.3f} ms "
        f"a call, INVITE p50 {invite['p50']:.2f} p99 {invite['p99']:.2f} ms, generator "
        f"{row.during['generator']:.0%}; {row.trouble()}")
    return row


def sustained(args):
    """Steps of a few seconds find the highest rate worth a full run; a full run decides."""
    good = []
    for rate in STEPS:
        if not hold_rate(args, rate, args.step_seconds).clean():
            break
        good.append(rate)
    for rate in reversed(good):
        row = hold_rate(args, rate, args.full_seconds)
        if row.clean():
            return {"rate": rate, "core": row.during["core"], "invite": row.figures["invite_ms"],
                    "cpu_ms": 1000 * row.during["cpu"] / row.figures["calls"], "others": row.during["others"]}
    return {"rate": 0, "core": 0, "invite": {"p50": 0, "p99": 0, "max": 0}, "cpu_ms": 0, "others": 0}


def memory(args, calls):
    up = []

    def look(_row, server):
        time.sleep(3)
        up.append(server.memory_kib())

    row = Row(args, "up", after_begin=look, setup={"trace_mb": 0}, rate=args.set_up_rate, calls=calls, seconds=5)
    if row.figures["up"] != calls:
        raise Failed(f"not all calls came up: {row.trouble()}")
    each = [(up[0][i] - row.idle_kib[i]) / calls for i in (0, 1)]
    say(f"  {calls} calls up: {each[0]:.1f} KiB a call by RSS, {each[1]:.1f} by PSS; idle {row.idle_kib[0] / 1024:.1f} MiB RSS, "
        f"{row.idle_kib[1] / 1024:.1f} PSS; {row.trouble()}")
    return {"calls": calls, "kib": each[0], "idle_mib": row.idle_kib[0] / 1024}


def soak(args, calls):
    """Memory while calls come and go at one rate: after the first ones, which fill what is kept, it is to stay."""
    first, seen, over = min(SOAK_FIRST, calls // 10), [], threading.Event()

    def look(server):
        for count in range(first, calls + 1, first):
            if over.wait(max(0.0, began[0] + count / SOAK_RATE - time.monotonic())):
                return
            seen.append(server.memory_kib()[0])
            say(f"  after {count} calls: {seen[-1]} KiB RSS")

    def start(_row, server):
        began.append(time.monotonic())
        threads.append(threading.Thread(target=look, args=(server,), daemon=True))
        threads[0].start()

    began, threads = [], []
    try:
        # Somewhat longer than it needs, so that the last look is under the same load as the first.
        row = Row(args, "rate", after_begin=start, rate=SOAK_RATE, seconds=calls // SOAK_RATE + 2, hold_ms=HOLD_MS)
    finally:
        over.set()
    threads[0].join()
    growth = 100 * (seen[-1] - seen[0]) / seen[0]
    say(f"  {calls} calls at {SOAK_RATE}/s: {growth:+.2f} % after the first {first}; idle {row.idle_kib[0]} KiB; {row.trouble()}")
    return {"calls": calls, "kib": seen, "growth_percent": growth, "failed": row.figures["failed"]}


def hooks(args, rate, seconds, trace_mb):
    """Three webhooks a call to a receiver in a process of its own, and what they add to a call."""
    port = free_port(socket.SOCK_STREAM)
    tool = subprocess.Popen([str(args.receiver), str(port)], stdout=subprocess.PIPE, text=True,
                            preexec_fn=lambda: os.sched_setaffinity(0, {args.cores[1]}))
    try:
        row = Row(args, "rate", settle=args.settle, setup={"hooks": port, "trace_mb": trace_mb}, rate=rate, seconds=seconds, hold_ms=HOLD_MS)
        tool.terminate()
        got = json.loads(tool.communicate(timeout=10)[0])
    finally:
        if tool.poll() is None:
            tool.kill()
            tool.wait()
    calls = row.figures["calls"]
    per_call = 1000 * (row.moments["settled"].cpu - row.moments["begin"].cpu) / calls
    ring = "" if trace_mb else ", no ring of messages"
    say(f"  {rate}/s for {seconds} s{ring}: {per_call:.3f} ms CPU a call; {got['count']} of {3 * calls} webhooks over {got['connections']} "
        f"connections, event to receiver p50 {got['p50']:.1f} p99 {got['p99']:.1f} max {got['max']:.1f} ms; {row.trouble()}")
    return {"rate": rate, "trace_mb": trace_mb, "cpu_ms": per_call, "delay_ms": got, "lost": 3 * calls - got["count"], "others": row.during["others"]}


def flood(args, rate, seconds):
    """Calls of a trunk while strangers send FLOOD_RATE messages a second from 200 addresses."""
    tools = []

    def begin(_row, server):
        tools.append(subprocess.Popen([str(args.flood), f"127.0.0.1:{server.sip}", f"rate={FLOOD_RATE}", f"seconds={seconds}"],
                                      stdout=subprocess.PIPE, text=True,
                                      preexec_fn=lambda: os.sched_setaffinity(0, {args.cores[1]})))

    try:
        row = Row(args, "rate", after_begin=begin, setup={"trace_mb": 0}, rate=rate, seconds=seconds, hold_ms=HOLD_MS)
        sent = json.loads(tools[0].communicate(timeout=20)[0])["sent"]
    finally:
        for tool in tools:
            if tool.poll() is None:
                tool.kill()
                tool.wait()
    f = row.figures
    grown = (row.end_kib[0] - row.idle_kib[0]) / 1024
    say(f"  {sent / seconds:.0f} messages/s of strangers for {seconds} s: {f['ok']} of {f['calls']} calls at {rate}/s succeeded, core "
        f"{row.during['core']:.0%}, memory +{grown:.1f} MiB; {row.trouble()}")
    return {"sent": sent, "calls": f["calls"], "ok": f["ok"], "grown_mib": grown, "core": row.during["core"]}


def best_rate(args):
    """The highest rate without a failed call, to the half of a step. A rate that holds at one of two tries counts: to think
    less of the server than it is would make it easy to do as well when it is offered twice that."""
    def holds(rate):
        return any(not hold_rate(args, rate, args.step_seconds).figures["failed"] for _ in range(2))

    best = 0
    for rate in STEPS:
        if not holds(rate):
            between = (best + rate) // 2
            return between if best and holds(between) else best
        best = rate
    return best


def overload(args, seconds):
    """Twice the rate that it just takes. Both with the same generator, one behind the other."""
    best = args.best or best_rate(args)
    if not best:
        raise Failed(f"not even {STEPS[0]} calls/s hold")
    row = Row(args, "rate", rate=2 * best, seconds=seconds, hold_ms=HOLD_MS)
    f = row.figures
    good = f["ok"] / seconds / best
    grown, peak = [(kib - row.idle_kib[0]) / 1024 for kib in (row.end_kib[0], row.peak_kib)]
    say(f"  best {best}/s, offered {2 * best}/s for {seconds} s: {f['ok'] / seconds:.0f} calls/s succeeded, {good:.0%} of the best; "
        f"{f['shed']} got 503, {f['failed'] - f['shed']} failed otherwise; memory +{peak:.1f} MiB at its peak, +{grown:.1f} at the end; "
        f"core {row.during['core']:.0%}; {row.trouble()}; generator {row.during['generator']:.0%}, late by up to {f['late_ms']:.0f} ms")
    if row.during["generator"] > FULL:
        say("    the generator's core is full: it is the limit, or part of it")
    return {"best": best, "good": good, "ok": f["ok"], "calls": f["calls"], "shed": f["shed"], "grown_mib": grown, "peak_mib": peak,
            "generator": row.during["generator"], "late_ms": f["late_ms"], "others": row.during["others"]}
