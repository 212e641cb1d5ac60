"""Starts the service as a process of its own, and asks it."""

import http.client
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

KEY = "0123456789abcdef"
_SECONDS = 300

# Status, body and headers of an answer.
Answer = tuple[int, Any, dict[str, str]]


class Server:
    """Runs `python -m jaxdet.serve` on a free port, ready once entered."""

    module = "jaxdet.serve"

    def __init__(self, weights: Path, *options: str):
        """Starts it."""
        self._log = tempfile.NamedTemporaryFile(suffix=".log")  # noqa: SIM115
        command = [sys.executable, "-m", self.module, f"--weights={weights}", "--port=0"]
        self.process = subprocess.Popen([*command, *options], stderr=self._log.file)

    def __enter__(self) -> "Server":
        until = time.monotonic() + _SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            if found := re.search(r"listening on http://[^:]+:(\d+)", self.log()):
                self.port = int(found[1])
                if "\nready" in self.log() and self._listens():
                    return self
            time.sleep(0.1)
        log = self.log()
        self.__exit__()
        raise AssertionError(log)

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.wait()
        self._log.close()

    def _listens(self) -> bool:
        """Returns whether it is asked already; one that has nothing to compile is ready before."""
        try:
            return bool(self.ask("/health"))
        except ConnectionRefusedError:
            return False

    def log(self) -> str:
        """Returns what it has written on stderr."""
        return Path(self._log.name).read_text()

    def score(self, files: Mapping[str, bytes], headers: Mapping[str, str] | None = None) -> Answer:
        """Returns the answer for some images as a form."""
        return self.ask("/v1/score", *form(files), headers=headers)

    def ask(
        self, path: str, body: bytes | None = None, kind: str = "",
        headers: Mapping[str, str] | None = None, method: str = "",
    ) -> Answer:  # fmt: skip
        """Returns an answer; its body as JSON where it is that."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_SECONDS)
        try:
            sent = {**({"Content-Type": kind} if kind else {}), **(headers or {})}
            coded = {name: value.encode() for name, value in sent.items()}
            method = method or ("GET" if body is None else "POST")
            connection.request(method, path, body, coded)
            response = connection.getresponse()
            content = response.read()
            told = {name.lower(): value for name, value in response.getheaders()}
        finally:
            connection.close()
        is_json = told.get("content-type", "").startswith("application/json")
        return response.status, json.loads(content) if is_json else content.decode(), told

    def text(self, path: str) -> str:
        """Returns the text at a path, which is there."""
        status, text, _ = self.ask(path)
        assert status == 200, path
        return str(text)


def form(files: Mapping[str, bytes]) -> tuple[bytes, str]:
    """Returns the body of a form with some images, and its content type."""
    boundary = "2f0a61c5d3b94e78"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="images"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n".encode()
        + content
        + b"\r\n"
        for name, content in files.items()
    ]
    return b"".join(
        [*parts, f"--{boundary}--\r\n".encode()]
    ), f"multipart/form-data; boundary={boundary}"
