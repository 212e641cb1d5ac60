"""A real HTTP server on localhost that fails in the ways that servers do."""

import collections
import dataclasses
import hashlib
import http.server
import re
import threading


@dataclasses.dataclass(frozen=True)
class Fault:
    """What goes wrong with one answer.

    `after` is counted in bytes of the answer's body.
    """

    kind: str  # status, drop, hang, short, flip, whole, page, more
    after: int = 0
    status: int = 0


class Server:
    """Serves `files` by name. Each request takes the next of `faults`, if there is one.

    `served` counts body bytes by name, `asked` lists (name, Range header).
    """

    def __init__(self):
        self.files = {}
        self.faults = collections.deque()
        self.always = None  # a fault of every answer
        self.ranges = True
        self.validators = True
        self.heeds_if_range = True
        self.swap_before = {}  # number of a request -> files that are others from then on
        self.served = collections.Counter()
        self.asked = []
        self.hanging = threading.Event()
        self.release = threading.Event()
        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.release.set()
        self._http.shutdown()
        self._http.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._http.server_port}"

    def etag(self, name):
        return f'"{hashlib.md5(self.files[name]).hexdigest()}"'

    def _handler(server):  # noqa: N805 - the handler's own self is another one
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                server.answer(self, self.path.strip("/"))

            def log_message(self, *_):
                pass

        return Handler

    def answer(self, request, name):
        fault = self.faults.popleft() if self.faults else self.always or Fault("none")
        self.files.update(self.swap_before.get(len(self.asked), {}))
        self.asked.append((name, request.headers.get("Range")))
        if fault.kind == "status":
            return self._head(request, fault.status, {"Content-Length": "0", "Retry-After": "0"})
        if name not in self.files:
            return self._head(request, 404, {"Content-Length": "0"})
        content = self.files[name]
        start, stop, status = self._range(request, name, fault)
        if start >= len(content):
            return self._head(request, 416, {"Content-Length": "0"})
        body = content[start:stop]
        if fault.kind == "short":
            body = body[: fault.after]
        if fault.kind == "flip":
            body = body[: fault.after] + bytes([body[fault.after] ^ 1]) + body[fault.after + 1 :]
        if fault.kind == "more":
            body = content[start:]
        headers = {"Content-Length": str(len(body))}
        if fault.kind == "page":
            headers["Content-Type"] = "text/html"
        if self.validators:
            headers["ETag"] = self.etag(name)
        if status == 206:
            headers["Content-Range"] = f"bytes {start}-{start + len(body) - 1}/{len(content)}"
        self._head(request, status, headers)
        return self._body(request, name, body, fault)

    def _range(self, request, name, fault):
        content = self.files[name]
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
        condition = request.headers.get("If-Range")
        changed = self.heeds_if_range and condition not in (None, self.etag(name))
        if not asked or not self.ranges or changed or fault.kind == "whole":
            return 0, len(content), 200
        return int(asked[1]), int(asked[2] or len(content) - 1) + 1, 206

    def _head(self, request, status, headers):
        request.send_response(status)
        for header, value in headers.items():
            request.send_header(header, value)
        request.end_headers()

    def _body(self, request, name, body, fault):
        if fault.kind in ("drop", "hang"):
            body = body[: fault.after]
        # Counted before: the client may look as soon as the last byte is there.
        self.served[name] += len(body)
        try:
            request.wfile.write(body)
        except OSError:
            return  # the client went away
        if fault.kind == "hang":
            request.wfile.flush()
            self.hanging.set()
            self.release.wait(30)
        if fault.kind in ("drop", "hang"):
            request.close_connection = True
