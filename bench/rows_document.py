"""rows_document: what it costs to ask for a document, and whether bad ones hold up the calls of others."""
import contextlib
import json
import os
import pathlib
import socket
import subprocess
import tempfile

from harness import HOLD_MS, Failed, Row, calmest, free_port, say

# Twenty lines, as of an application that looks at its caller before it dials.
TWENTY_LINES = """version: 1.0.0
sections:
  main:
    - set:
        caller: '%{{call.from}}'
        attempts: 0
        team: sales
    - switch:
        variable: team
        case:
          sales:
            - execute: dial
          support:
            - hangup: busy
  dial:
    - connect:
        to: 'sip:bench@127.0.0.1:{callee};transport={transport}'
        answer_on_bridge: {on_bridge}
        timeout: 30
    - cond: [{{when: "connect_result != 'connected'", then: [{{hangup: busy}}]}}]
"""

ROUNDS = 100  # of a quarter of a second, so that a thousand such calls are up together; the limits of the language end some earlier


def rounds(*steps, **sections):
    """A document that does its worst, sleeps for a moment, and begins again."""
    return {"version": "1.0.0",
            "sections": {"main": ["answer", *[{"execute": "round"}] * ROUNDS], "round": [*steps, {"sleep": 250}], **sections}}


def tree(leaf, depth, width=10):
    """Sections that execute each other: the leaf, width to the power of depth times."""
    return {f"s{depth}": leaf, **{f"s{i}": [{"execute": f"s{i + 1}"}] * width for i in range(depth)}}


def hostile_documents():
    deep = "(" * 50 + "1" + " + 1) * 3 % 7" * 50
    long = " + ".join(["vars.n * 3 % 7"] * 60)
    return [
        # Round and round, until it may jump no more.
        {"version": "1.0.0", "sections": {"main": ["answer", {"label": "top"}, {"execute": "s0"}, {"sleep": 250},
                                                   {"goto": {"label": "top", "max": 100}}],
                                          **tree([{"set": {"n": "${n + 1}"}}], depth=2)}},
        # 10,000 sections a round.
        rounds({"execute": "s0"}, **tree([{"unset": "nothing"}], depth=4)),
        # A section inside itself, as deep as it goes; that is the end of the call, so it comes last.
        {"version": "1.0.0", "sections": {"main": ["answer", *[{"execute": "round"}] * 20, {"execute": "inside"}],
                                          "round": [{"execute": "s0"}, {"sleep": 250}], "inside": [{"execute": "inside"}],
                                          **tree(["return"], depth=28, width=1)}},
        # Expressions of many steps, a thousand each a round.
        rounds({"execute": "s0"}, **tree([{"set": {"n": "${" + deep + "}"}}, {"set": {"n": "${" + long + "}"}}], depth=3)),
        # Text of a quarter of a megabyte, and twice that made in vain a hundred times a round.
        rounds({"set": {"s": "x" * 64}}, *[{"set": {"s": "${s + s}"}}] * 12, {"execute": "s0"},
               **tree([{"cond": [{"when": "s + s == 'x'", "then": []}]}], depth=2)),
        # What ought to take memory, and what does not parse.
        rounds({"execute": "s0"}, **tree([{"set": {"n": "${'x'.repeat(1e9).split('').map(a => a + a)}"}},
                                          {"cond": [{"when": "((((((((", "then": []}]}], depth=1)),
    ]


@contextlib.contextmanager
def documents(args, files):
    """A server of these files {name: text}: its port, and at the end its figures in the list that comes with it."""
    with tempfile.TemporaryDirectory(prefix="crosspoint-bench-") as folder:
        for name, text in files.items():
            (pathlib.Path(folder) / name).write_text(text)
        port, figures = free_port(socket.SOCK_STREAM), []
        tool = subprocess.Popen([str(args.receiver), str(port), folder], stdout=subprocess.PIPE, text=True,
                                preexec_fn=lambda: os.sched_setaffinity(0, {args.cores[1]}))
        try:
            yield port, figures
            tool.terminate()
            figures.append(json.loads(tool.communicate(timeout=10)[0]))
        finally:
            if tool.poll() is None:
                tool.kill()
                tool.wait()


def document_run(args, name, rate, seconds, setup):
    row = calmest(args, lambda: Row(args, "rate", settle=args.settle, setup=setup, rate=rate, seconds=seconds, hold_ms=HOLD_MS))
    cost = 1000 * (row.moments["settled"].cpu - row.moments["begin"].cpu) / row.figures["calls"]
    invite = row.figures["invite_ms"]
    say(f"  {name}, {rate}/s for {seconds} s: INVITE in to out p50 {invite['p50']:.2f} p99 {invite['p99']:.2f} max {invite['max']:.1f} ms; "
        f"{cost:.3f} ms CPU a call; {row.trouble()}")
    return {"cpu_ms": cost, "invite": invite, "others": row.during["others"], "clean": row.clean()}


def document(args, rate, seconds):
    """The same twenty lines from a file and by HTTP, one behind the other."""
    callee = free_port(socket.SOCK_DGRAM)
    text = TWENTY_LINES.format(callee=callee, transport="udp", on_bridge=str(args.on_bridge).lower())
    cached = document_run(args, "twenty lines from a file", rate, seconds, {"document": TWENTY_LINES})
    with documents(args, {"twenty": text}) as (port, figures):
        fetched = document_run(args, "the same by HTTP", rate, seconds,
                               {"routes": {"bench": f"http://127.0.0.1:{port}/twenty"}, "callee": callee})
    own, served = figures[0]["own_ms"], figures[0]["served"]
    if served < rate * seconds:
        raise Failed(f"only {served} documents were served for {rate * seconds} calls")
    above, more = fetched["invite"]["p99"] - own["p50"], fetched["cpu_ms"] - cached["cpu_ms"]
    say(f"  the server of the documents had each for p50 {own['p50']:.3f} p99 {own['p99']:.3f} ms, over {figures[0]['connections']} "
        f"connections: p99 {above:.2f} ms above it; HTTP adds {more:.3f} ms CPU a call")
    return {"cached": cached, "fetched": fetched, "own_ms": own, "above_ms": above, "more_cpu_ms": more}


def hostile(args, calls, rate, seconds):
    """Ordinary calls, whose document is a file, while so many others run documents that mean no good."""
    bad = {f"hostile{i}": json.dumps(d) for i, d in enumerate(hostile_documents())}
    tools = []

    def before(server):
        tools.append(subprocess.Popen([str(args.hostile), f"127.0.0.1:{server.sip}", f"calls={calls}", f"kinds={len(bad)}"],
                                      stdout=subprocess.PIPE, text=True,
                                      preexec_fn=lambda: os.sched_setaffinity(0, {args.cores[1]})))
        if tools[0].stdout.readline().strip() != "ready":
            raise Failed("the hostile calls did not begin")

    try:
        with documents(args, bad) as (port, figures):
            routes = {name: f"http://127.0.0.1:{port}/{name}" for name in bad}
            row = Row(args, "rate", before=before, setup={"routes": routes}, rate=rate, seconds=seconds, hold_ms=HOLD_MS)
            tools[0].terminate()
            got = json.loads(tools[0].communicate(timeout=20)[0])
    finally:
        for tool in tools:
            if tool.poll() is None:
                tool.kill()
                tool.wait()
    invite, f = row.figures["invite_ms"], row.figures
    say(f"  {got['up_mean']:.0f} hostile calls up (least {got['up_least']}; {got['begun']} begun, {got['ended']} ended by the server, "
        f"{got['refused']} refused, first with {got['first_refusal']}, {got['lost']} unanswered), {figures[0]['served']} of their documents served; core {row.during['core']:.0%}")
    say(f"  {rate} ordinary calls/s for {seconds} s beside them: {f['ok']} of {f['calls']} succeeded, INVITE in to out p50 {invite['p50']:.2f} "
        f"p99 {invite['p99']:.2f} max {invite['max']:.1f} ms; {row.trouble()}")
    return {"hostile": got, "invite": invite, "ok": f["ok"], "calls": f["calls"], "core": row.during["core"],
            "others": row.during["others"]}


def steps(args):
    """A process of its own that runs documents; its lines are the figures."""
    r = subprocess.run(["taskset", "-c", str(args.cores[0]), str(args.steps)], capture_output=True, text=True, check=False,
                       timeout=300)
    if r.returncode:
        raise Failed(f"steps: {r.stderr.strip()}")
    lines = r.stdout.splitlines()
    for line in lines:
        say("  " + line)
    return lines
