"""A full disk under the spool of webhooks: they are sent all the same, in order, and what waits is on disk when it has room."""
import resource

from test_webhooks import Receiver, SETTINGS, assert_in_order, document

CALLS = 30


def limit_files(server, size):
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def test_a_full_disk_holds_up_no_webhook(world):
    # Each event fails once, so that its row is wanted while the disk is full.
    receiver = world.add(Receiver(lambda request, n: 500 if not n else 200))
    callee = world.sipp("uas_answer", calls=CALLS)
    server = world.server({"main.yaml": document(callee.port, receiver.url())}, extra=SETTINGS)
    database = server.folder / "data" / "crosspoint.db"
    sizes = [p.stat().st_size for p in (database, database.with_name("crosspoint.db-wal")) if p.exists()]
    limit_files(server, max(sizes) + 6000)
    world.sipp("uac_talk", target=f"127.0.0.1:{server.sip_port}", calls=CALLS, rate=30).done()
    taken = receiver.wait_taken(4 * CALLS)
    assert assert_in_order(taken) == CALLS
    assert len({r.key for r in taken}) == 4 * CALLS
    server.wait("the warning", lambda events: [e for e in events if "rows wait for" in e.get("message", "")])
    assert server.http("/healthz")[0] == 200
    limit_files(server, resource.RLIM_INFINITY)
    server.wait("the end of it", lambda events: [e for e in events if "takes rows again" in e.get("message", "")])
    assert server.assert_all_legs_ended_once() == 2 * CALLS
    server.stop()
    assert not [e for e in server.events if e.get("message") == "webhook given up"]
