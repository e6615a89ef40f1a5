"""http_peer: an HTTP server in threads that can be good, slow, and every kind of bad. Each request is kept.

    peer = http_peer.Peer()
    peer.on("/voice", http_peer.json_answer({...}))
    peer.on("/slow", http_peer.hang())
    peer.url("/voice")
    peer.wait("/voice", count=2)
"""
import base64
import hashlib
import hmac
import json
import socket
import threading
import time

DEADLINE = 30.0


class Request:
    def __init__(self, method, path, headers, body):
        self.method, self.path, self.headers, self.body = method, path, headers, body
        self.at = time.monotonic()
        self.done = None  # when the answer was out

    def get(self, name):
        for key, value in self.headers:
            if key.lower() == name.lower():
                return value
        return None

    def json(self):
        return json.loads(self.body)

    def basic(self):
        """(user, password) or None."""
        value = self.get("Authorization") or ""
        if not value.startswith("Basic "):
            return None
        return tuple(base64.b64decode(value[6:]).decode().split(":", 1))


def signatures(key, url, body):
    """What X-Signalwire-Signature and X-Signalwire-SHA256-Signature must say."""
    text = url.encode() + body
    return tuple(hmac.new(key.encode(), text, h).hexdigest() for h in (hashlib.sha1, hashlib.sha256))


# --- behaviours: fn(connection, request) -> True to read the next request of the connection ---

def answer(body=b"", status=200, content_type="text/plain", headers=()):
    body = body.encode() if isinstance(body, str) else body
    head = [f"HTTP/1.1 {status} x", f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    head += [f"{k}: {v}" for k, v in headers]
    data = ("\r\n".join(head) + "\r\n\r\n").encode() + body

    def run(connection, request):
        connection.sendall(data)
        return True
    return run


def json_answer(value, **kw):
    return answer(json.dumps(value), content_type="application/json", **kw)


def redirect(location, status=302):
    return answer(status=status, headers=[("Location", location)])


def raw(data, close=True):
    def run(connection, request):
        connection.sendall(data)
        return not close
    return run


def hang(first=b""):
    """Say that much, then nothing until the client leaves."""
    def run(connection, request):
        connection.sendall(first)
        while connection.recv(65536):
            pass
        return False
    return run


def slow(seconds, then):
    """Not before that time. For tests that measure time, or need a request to be under way."""
    def run(connection, request):
        time.sleep(seconds)
        return then(connection, request)
    return run


def flood(gigabytes=10, length=True):
    """A body of that size; without length it only ends with the connection."""
    def run(connection, request):
        total = gigabytes * 10 ** 9
        head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        if length:
            head += f"Content-Length: {total}\r\n"
        connection.sendall(head.encode() + b"\r\n")
        block, sent = b"x" * 65536, 0
        while sent < total:
            connection.sendall(block)
            sent += len(block)
        return False
    return run


def wrong_length(body, by):
    """Content-Length tells more (by > 0) or less than there is."""
    def run(connection, request):
        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body) + by}\r\n\r\n{body}".encode())
        return False
    return run


def need_basic(user, password, then):
    def run(connection, request):
        if request.basic() == (user, password):
            return then(connection, request)
        return answer(status=401, headers=[("WWW-Authenticate", 'Basic realm="x"')])(connection, request)
    return run


def in_turn(*behaviours):
    """The first request gets the first one, and so on; the last stays."""
    left = list(behaviours)

    def run(connection, request):
        return (left.pop(0) if len(left) > 1 else left[0])(connection, request)
    return run


class Peer:
    def __init__(self, host="127.0.0.1", tls=None):
        """tls: an ssl.SSLContext, for https."""
        self.tls = tls
        self.listener = socket.create_server((host, 0), backlog=256)
        self.host, self.port = host, self.listener.getsockname()[1]
        self.pages = {}
        self.requests = []
        self.connections = []
        self.changed = threading.Condition()
        threading.Thread(target=self._accept, daemon=True).start()

    def on(self, path, behaviour):
        """For that path without its query; "*" = all others."""
        self.pages[path] = behaviour
        return self

    def url(self, path, userinfo="", host=None):
        return f"http{'s' if self.tls else ''}://{userinfo + '@' if userinfo else ''}{host or self.host}:{self.port}{path}"

    def of(self, path):
        with self.changed:
            return [r for r in self.requests if r.path.split("?")[0] == path]

    def wait(self, path, count=1, deadline=DEADLINE):
        end = time.monotonic() + deadline
        with self.changed:
            while True:
                found = [r for r in self.requests if r.path.split("?")[0] == path]
                if len(found) >= count:
                    return found
                left = end - time.monotonic()
                assert left > 0, f"waited in vain for {count} x {path}: {[r.path for r in self.requests]}"
                self.changed.wait(left)

    def kill(self):
        for s in [self.listener, *self.connections]:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        data = b""
        try:
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            while True:
                request, data = self._read(connection, data)
                if not request:
                    break
                with self.changed:
                    self.requests.append(request)
                    self.changed.notify_all()
                path = request.path.split("?")[0]
                page = self.pages.get(path) or self.pages.get("*") or answer(status=404)
                more = page(connection, request)
                request.done = time.monotonic()
                if not more:
                    break
        except OSError:
            pass
        finally:
            connection.close()

    @staticmethod
    def _read(connection, data):
        while b"\r\n\r\n" not in data:
            chunk = connection.recv(65536)
            if not chunk:
                return None, b""
            data += chunk
        head, _, data = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines]
        method, path, _ = first.split(" ", 2)
        length = int(next((v for k, v in headers if k.lower() == "content-length"), "0"))
        while len(data) < length:
            chunk = connection.recv(65536)
            if not chunk:
                return None, b""
            data += chunk
        return Request(method, path, headers, data[:length]), data[length:]
