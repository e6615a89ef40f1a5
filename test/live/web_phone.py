"""web_phone: JsSIP and SIP.js in Node as phones; node/phone.mjs says what they can do."""
import fcntl
import json
import pathlib
import subprocess
import threading
import time

import harness

NODE = pathlib.Path(__file__).resolve().parent / "node"


def install():
    """The clients of the lock file, once; runs side by side wait for each other."""
    lock = NODE / "package-lock.json"
    with open(lock) as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = NODE / "node_modules" / ".done"
        if done.exists() and done.read_text() == lock.read_text():
            return
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=NODE, check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=180)
        done.write_text(lock.read_text())


class Script:
    """A script of node/ that says what happens in lines of JSON, and does what it is told."""

    def __init__(self, *command):
        install()
        self.events = []
        self.changed = threading.Condition()
        self.process = subprocess.Popen(["timeout", "-k", "2", "120", "node", *map(str, command)], cwd=NODE, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        start_new_session=True)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self.changed:
                try:
                    self.events.append(json.loads(line))
                except ValueError:
                    self.events.append({"event": "text", "text": line})
                self.changed.notify_all()

    def say(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def wait(self, name, count=1):
        """The newest of at least `count` events of that name."""
        end = time.monotonic() + harness.DEADLINE
        with self.changed:
            while True:
                found = [e for e in self.events if e["event"] == name]
                if len(found) >= count:
                    return found[-1]
                left = end - time.monotonic()
                assert left > 0, f"waited in vain for {name}: {self.events}"
                self.changed.wait(min(left, 0.5))

    def kill(self):
        harness.kill_group(self.process)


class WebPhone(Script):
    """client: jssip or sipjs. Registers when a password is given."""

    def __init__(self, client, url, user="alice", ca=None, password=None, args=()):
        command = ["phone.mjs", "--client", client, "--url", url, "--user", user]
        if ca:
            command += ["--ca", ca]
        if password:
            command += ["--register", "--password", password]
        super().__init__(*command, *args)

    def hears(self, packets=10):
        """Wait until that many packets of audio have come."""
        end = time.monotonic() + harness.DEADLINE
        asked = 0
        while True:
            self.say("received")
            asked += 1
            if self.wait("received", asked)["packets"] >= packets:
                return
            assert time.monotonic() < end, f"no audio: {self.events}"
            time.sleep(0.1)
