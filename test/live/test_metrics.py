"""/metrics read by the parser of Prometheus' own client library, after calls, webhooks and a trunk."""
import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from test_webhooks import Receiver, one_call


LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\n"])*"'
LINE = re.compile(rf'# HELP \S+ .+|# TYPE \S+ (counter|gauge|histogram)|'
                  rf'[a-zA-Z_:][a-zA-Z0-9_:]*(\{{{LABEL}(,{LABEL})*\}})? \d+(\.\d+)?')


def strictly(text):
    """The library reads what it can, the format (version 0.0.4) says more."""
    for line in text.splitlines():
        if not LINE.fullmatch(line):
            raise ValueError(line)
    return list(text_string_to_metric_families(text))


def test_the_text_is_what_prometheus_reads(world):
    receiver = world.add(Receiver(lambda request, n: 500 if n == 0 else 200))  # each is tried twice
    server = one_call(world, receiver)
    receiver.wait_taken(7)
    server.assert_all_legs_ended_once()

    def read():
        status, text = server.http("/metrics")
        assert status == 200 and text.endswith("\n")
        families = strictly(text)
        assert len({(f.name, f.type) for f in families}) == len(families), "a family stands in one place"
        for f in families:
            assert f.type in ("counter", "gauge", "histogram") and f.documentation, f
            assert f.name.startswith("crosspoint_"), f
            assert len({(s.name, tuple(sorted(s.labels.items()))) for s in f.samples}) == len(f.samples), f
            assert all(s.value >= 0 for s in f.samples), f
        return {f.name: f for f in families if f.name.startswith("crosspoint_webhook")}

    found = {}
    server.wait("the deliveries", lambda _: found.update(read()) or value(found, "crosspoint_webhooks", "delivered") >= 7)
    assert found["crosspoint_webhooks"].type == "counter"
    delay = found["crosspoint_webhook_delay_seconds"]
    assert delay.type == "histogram"
    buckets = [(float(s.labels["le"]), s.value) for s in delay.samples if s.name.endswith("_bucket")]
    others = {s.name.rsplit("_", 1)[1]: s.value for s in delay.samples if not s.name.endswith("_bucket")}
    assert buckets == sorted(buckets) and [v for _, v in buckets] == sorted(v for _, v in buckets)
    assert buckets[-1] == (float("inf"), others["count"])
    assert others["count"] == value(found, "crosspoint_webhooks", "delivered")
    assert dict(buckets)[0.5] == 0 and others["sum"] > 7  # the second attempt comes a second after the first
    server.stop()


def value(families, name, outcome):
    return next(s.value for s in families[name].samples if s.labels.get("outcome") == outcome)


def test_the_parser_would_object():
    """So that the test above can fail."""
    for bad in ("a_bucket{le=0.1} 1\n", "a{b=\"c\" 1\n", "a one\n", "a{b} 1\n", "a 1,5\n", "# TYPE a x\n"):
        with pytest.raises(ValueError):
            strictly(bad)
