"""registrar: Kamailio as the carrier's registrar: digest without a database, bindings in memory, calls to who is bound."""
import pathlib
import re
import subprocess
import time

import harness

CONFIG = """#!KAMAILIO
debug=1
log_stderror=yes
fork=yes
children=1
tcp_children=1
auto_aliases=no
listen=udp:127.0.0.1:{port}
listen=tcp:127.0.0.1:{port}
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules/"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "xlog.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "rr.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
modparam("usrloc", "db_mode", 0)
modparam("registrar", "max_expires", {max_expires})
modparam("registrar", "min_expires", {min_expires})
modparam("auth", "algorithm", "{algorithm}")
modparam("auth", "nonce_expire", {nonce_expire})

request_route {{
    if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
    if (is_method("OPTIONS")) {{ sl_send_reply("200", "OK"); exit; }}
    if (is_method("REGISTER")) {{
        if (!pv_www_authenticate("$td", "{password}", "0")) {{
            xlog("L_ERR", "CHALLENGE $au\\n");
            auth_challenge("$td", "1");
            exit;
        }}
        xlog("L_ERR", "REGISTER $au $hdr(Expires) $ct\\n");
        save("location");
        exit;
    }}
    if (has_totag()) {{
        if (loose_route() || is_method("ACK|BYE")) {{ t_relay(); }}
        exit;
    }}
    if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
    if (is_method("INVITE")) {{
        record_route();
        if (!lookup("location")) {{ sl_send_reply("404", "Not Found"); exit; }}
        t_relay();
    }}
}}
"""


class Registrar:
    """Knows one password for all; REGISTERs that were let in are lines of its log."""

    def __init__(self, folder, password="s3samopen", algorithm="MD5", port=None, max_expires=3600, min_expires=0,
                 nonce_expire=300):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = port or harness.free_port()
        self.log = self.folder / f"log-{time.monotonic_ns()}"
        config = self.folder / "kamailio.cfg"
        config.write_text(CONFIG.format(port=self.port, password=password, algorithm=algorithm,
                                        max_expires=max_expires, min_expires=min_expires, nonce_expire=nonce_expire))
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                ["kamailio", "-f", str(config), "-DD", "-E", "-m", "16", "-M", "4", "-Y", str(self.folder), "-P",
                 str(self.folder / "pid")],
                stdout=subprocess.DEVNULL, stderr=log, cwd=self.folder, start_new_session=True)
        self._wait_bound()

    def _wait_bound(self):
        row = re.compile(rf"^\s*\d+:\s+0100007F:{self.port:04X}\s", re.M)
        end = time.monotonic() + harness.DEADLINE
        while time.monotonic() < end:
            if all(row.search(pathlib.Path(f"/proc/net/{kind}").read_text()) for kind in ("udp", "tcp")):
                return
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.02)
        raise AssertionError("Kamailio did not start:\n" + self.log.read_text())

    def registers(self):
        """(expires, contact) of each REGISTER that was let in."""
        return re.findall(r"REGISTER \S+ (\d+) (.*)", self.log.read_text())

    def challenges(self):
        return len(re.findall("CHALLENGE", self.log.read_text()))

    def wait_registers(self, count, deadline=harness.DEADLINE):
        end = time.monotonic() + deadline
        while len(self.registers()) < count:
            assert time.monotonic() < end and self.process.poll() is None, self.log.read_text()
            time.sleep(0.02)
        return self.registers()

    def kill(self):
        harness.kill_group(self.process)
