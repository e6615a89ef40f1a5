"""Call records: what the sqlite3 tool reads is what happened, once per leg, whatever befalls disk and server."""
import json
import re
import shutil
import resource
import signal
import subprocess

import pytest

import harness

DOCUMENT = "sections:\n  main:\n    - connect:\n        to: 'sip:bob@127.0.0.1:{port};transport=udp'\n"
ANSWER = "sections:\n  main:\n    - answer\n    - hangup\n"
COLUMNS = ["call_id", "parent_id", "direction", "type", "from_uri", "to_uri", "created_at", "ringing_at", "answered_at",
           "ended_at", "duration_ms", "cause", "sip_code", "ended_by", "why", "packets_in", "packets_out",
           "packets_lost", "foreign_packets", "node", "mos", "jitter_ms", "jitter_max_ms", "round_trip_ms", "far_mos",
           "far_lost", "far_jitter_ms", "transferred_by"]


def database(server):
    return server.folder / "data" / "crosspoint.db"


def query(server, sql):
    out = subprocess.run(["sqlite3", "-json", "-cmd", ".timeout 10000", str(database(server)), sql],
                         capture_output=True, text=True, timeout=harness.DEADLINE)
    assert out.returncode == 0, out.stderr
    return json.loads(out.stdout or "[]")


def compare(server):
    """Each terminal event of the log has its row, with the same facts; there are no other rows."""
    rows = {r["call_id"]: r for r in query(server, "SELECT * FROM calls")}
    ended = server.named("ended")
    assert set(rows) == {e["call_id"] for e in ended} and len(rows) == len(ended)
    for e in ended:
        row = rows[e["call_id"]]
        assert list(row) == COLUMNS
        for column, key in (("direction", "direction"), ("type", "type"), ("from_uri", "from"), ("to_uri", "to"),
                            ("cause", "cause"), ("ended_by", "ended_by"), ("why", "why"), ("parent_id", "parent")):
            assert row[column] == e.get(key), (column, row, e)
        assert row["sip_code"] == (int(e["sip_code"]) or None)
        assert row["duration_ms"] == round(float(e["seconds"]) * 1000)
        assert e["rtp"] == "in={packets_in},out={packets_out},lost={packets_lost},foreign={foreign_packets}".format(
            **row)
        assert bool(row["answered_at"]) == bool(server.named("answered", call_id=e["call_id"]))
        assert bool(row["ringing_at"]) == bool(server.named("ringing", call_id=e["call_id"]))
        times = [row[t] for t in ("created_at", "ringing_at", "answered_at", "ended_at") if row[t]]
        assert times == sorted(times) and times[0] > 1_700_000_000_000
        assert row["node"] == "node-1"
    return rows


def test_both_legs_of_a_call(world):
    callee = world.sipp("uas_answer")
    server = world.server({"main.yaml": DOCUMENT.format(port=callee.port)})
    caller = world.sipp("uac_talk", target=f"127.0.0.1:{server.sip_port}")
    caller.done()
    callee.done()
    assert server.assert_all_legs_ended_once() == 2
    server.stop()
    rows = compare(server)
    legs = {r["direction"]: r for r in rows.values()}
    assert legs["outbound"]["parent_id"] == legs["inbound"]["call_id"] and legs["inbound"]["parent_id"] is None
    assert legs["inbound"]["ended_by"] == "peer" and legs["inbound"]["cause"] == "hangup"
    assert legs["outbound"]["sip_code"] == 200 and legs["outbound"]["duration_ms"] > 0
    assert legs["outbound"]["answered_at"] - legs["outbound"]["created_at"] < 30_000
    assert not list((server.folder / "data").glob("*-wal")), "the log was not folded in at the end"


def test_a_refused_leg_has_a_row_and_a_refused_call_none(world):
    callee = world.sipp("uas_486")
    server = world.server({"main.yaml": DOCUMENT.format(port=callee.port) + "        answer_on_bridge: true\n"},
                          routes=[("main", "main.yaml")])
    world.sipp("uac_486", target=f"127.0.0.1:{server.sip_port}").done()
    callee.done()
    world.sipp("uac_404", target=f"127.0.0.1:{server.sip_port}", user="nobody").done()
    assert server.assert_all_legs_ended_once() == 2
    server.stop()
    rows = {r["direction"]: r for r in compare(server).values()}
    assert rows["outbound"]["cause"] == "busy" and rows["outbound"]["sip_code"] == 486
    assert rows["outbound"]["answered_at"] is None and rows["outbound"]["duration_ms"] == 0
    assert rows["inbound"]["sip_code"] == 486


def burst(world, server, calls, rate=100):
    world.sipp("uac_listen", target=f"127.0.0.1:{server.sip_port}", calls=calls, rate=rate).done()


def test_many_calls_one_row_each(world):
    server = world.server({"main.yaml": ANSWER})
    burst(world, server, 300, 150)
    assert server.assert_all_legs_ended_once() == 300
    # While the server runs, others may read.
    server.wait("rows", lambda _: query(server, "SELECT count(*) AS n FROM calls")[0]["n"] == 300)
    server.stop()
    assert len(compare(server)) == 300


class Lock:
    """Another process that holds the database exclusively."""

    def __init__(self, path):
        self.process = subprocess.Popen(["sqlite3", "-cmd", ".timeout 10000", str(path)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.process.stdin.write("BEGIN EXCLUSIVE;\nSELECT 'held';\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "held\n"

    def release(self):
        self.process.communicate("COMMIT;\n", timeout=harness.DEADLINE)

    def kill(self):
        self.process.kill()
        self.process.wait()


def test_a_locked_database_delays_rows_and_calls_go_on(world):
    server = world.server({"main.yaml": ANSWER})
    burst(world, server, 5)
    lock = world.add(Lock(database(server)))
    burst(world, server, 40)
    assert server.assert_all_legs_ended_once() == 45
    told = server.wait("the warning", lambda events: [e for e in events if "rows wait for" in e.get("message", "")])
    assert "database is locked" in told[0]["message"]
    # One wait of the writer for the lock takes 250 ms; a busy machine alone may hold a handler for some 20 ms.
    held = [int(m[1]) for e in server.events if (m := re.search(r"held the signalling loop for (\d+)", e["message"]))]
    assert max(held, default=0) < 200
    lock.release()
    server.wait("the end of it", lambda events: [e for e in events if "takes rows again" in e.get("message", "")])
    server.stop()
    assert len(compare(server)) == 45
    assert len([e for e in server.events if "rows wait for" in e.get("message", "")]) == 1


def test_a_full_disk_delays_rows_and_calls_go_on(world):
    """A limit on file sizes stands for the full disk, since it can be lifted while the server runs."""
    server = world.server({"main.yaml": ANSWER})
    burst(world, server, 5)
    server.wait("rows", lambda _: query(server, "SELECT count(*) AS n FROM calls")[0]["n"] == 5)
    wal = database(server).with_name("crosspoint.db-wal")
    limit = max(wal.stat().st_size, database(server).stat().st_size) + 6000
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    burst(world, server, 200, 150)
    assert server.assert_all_legs_ended_once() == 205
    server.wait("the warning", lambda events: [e for e in events if "rows wait for" in e.get("message", "")])
    assert server.http("/healthz")[0] == 200
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    server.wait("the end of it", lambda events: [e for e in events if "takes rows again" in e.get("message", "")])
    server.stop()
    assert len(compare(server)) == 205


def test_what_was_committed_survives_a_kill(world):
    server = world.server({"main.yaml": ANSWER})
    caller = world.sipp("uac_listen", target=f"127.0.0.1:{server.sip_port}", calls=2000, rate=200)
    server.wait("rows", lambda _: query(server, "SELECT count(*) AS n FROM calls")[0]["n"] > 100)
    before = {r["call_id"] for r in query(server, "SELECT call_id FROM calls")}
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    caller.kill()
    rows = query(server, "SELECT * FROM calls")
    assert before <= {r["call_id"] for r in rows}
    assert all(r["why"] and r["ended_at"] >= r["created_at"] and r["node"] == "node-1" for r in rows)
    assert query(server, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]


def start_badly(world, spoil):
    server = world.server({"main.yaml": ANSWER})
    burst(world, server, 30)
    server.stop()
    spoil(database(server))
    return subprocess.run([str(harness.BINARY), "serve", "-c", str(server.config)], capture_output=True, text=True,
                          timeout=harness.DEADLINE)


@pytest.mark.parametrize("name, at, says", [
    ("a text file", 0, "file is not a database"),
    ("a bad page", 2 * 4096, "damaged|malformed"),
])
def test_a_corrupt_database_is_an_error_at_start(world, name, at, says):
    def spoil(path):
        with open(path, "r+b") as f:
            f.seek(at)
            f.write(b"this is no database " * 100)

    out = start_badly(world, spoil)
    assert out.returncode == 1
    assert re.search(rf"records: .*({says}).*crosspoint\.db", out.stderr), out.stderr
    assert "ready:" not in out.stderr


def test_a_folder_that_cannot_be_made_is_an_error_at_start(world):
    def spoil(path):
        shutil.rmtree(path.parent)
        path.parent.write_text("no folder")

    out = start_badly(world, spoil)
    assert out.returncode == 1
    assert re.search(r"records: .*(Not a directory|File exists).*crosspoint\.db", out.stderr), out.stderr
