import pytest

import harness


@pytest.fixture
def world(tmp_path):
    """Starts servers and SIPps; whatever still runs at the end is ended."""

    class World:
        def __init__(self):
            self.parts = []

        def server(self, documents, **kw):
            s = harness.Server(tmp_path / f"server{len(self.parts)}", documents, **kw)
            self.parts.append(s)
            return s

        def sipp(self, scenario, **kw):
            s = harness.Sipp(tmp_path, scenario, **kw)
            self.parts.append(s)
            return s

        def add(self, part):
            self.parts.append(part)
            return part

    w = World()
    w.folder = tmp_path
    yield w
    for part in reversed(w.parts):
        part.kill()
