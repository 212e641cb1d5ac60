"""Chromium without a window, spoken to through its DevTools protocol over two pipes."""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time

_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, _NAMES)), None)
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--remote-debugging-pipe",
)  # fmt: skip


class Browser:
    """One tab."""

    def __init__(self, process, reader, writer):
        self.process, self._reader, self._writer = process, reader, writer
        self._count, self._session, self._rest = 0, None, b""
        self.requests, self.errors = [], []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def open(self, path):
        """Loads a file, or what an address gives, and waits until it is there."""
        self._loaded = False
        address = path if isinstance(path, str) else path.resolve().as_uri()
        self.call("Page.navigate", url=address)
        while not self._loaded:
            self._take()

    def run(self, script):
        """The value of a JavaScript expression."""
        found = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def press(self, key):
        """A key on the keyboard."""
        text = {"Enter": "\r", " ": " "}.get(key, key if len(key) == 1 else "")
        code = {"Enter": 13, "ArrowRight": 39, "ArrowLeft": 37, "Tab": 9}.get(key, 0)
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=text,
                  windowsVirtualKeyCode=code)  # fmt: skip
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def choose(self, press, *paths):
        """Does what opens the choice of files, and chooses some."""
        self.call("Page.setInterceptFileChooserDialog", enabled=True)
        self._chooser = None
        press()
        while self._chooser is None:
            self._take()
        self.call("DOM.setFileInputFiles", files=list(map(str, paths)), backendNodeId=self._chooser)

    def wait(self, script, seconds=60):
        """Waits until a JavaScript expression is true."""
        until = time.monotonic() + seconds
        while not self.run(script):
            assert time.monotonic() < until, script
            time.sleep(0.05)

    def click(self, selector):
        """Clicks with the mouse in the middle of an element, once it is in view."""
        x, y = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect();"
            "return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def type(self, text):
        self.call("Input.insertText", text=text)

    def view(self, *, width, height=900, scheme="light", media="", script=True):
        """The size of the window, the reader's scheme, screen or print, JavaScript or none."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=media, features=features)
        self.call("Emulation.setScriptExecutionDisabled", value=not script)

    def picture(self, path, **clip):
        """PNG of the page, or of a part of it."""
        more = {"clip": {**clip, "scale": 1}} if clip else {}
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True, **more)
        path.write_bytes(base64.b64decode(shot["data"]))

    def call(self, method, **params):
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._writer.write(json.dumps(message).encode() + b"\0")
        self._writer.flush()
        while True:
            answer = self._take()
            if answer.get("id") == self._count:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]

    def _take(self):
        while b"\0" not in self._rest:
            more = os.read(self._reader, 1 << 20)
            assert more, "chromium has ended"
            self._rest += more
        line, _, self._rest = self._rest.partition(b"\0")
        message = json.loads(line)
        name, params = message.get("method"), message.get("params", {})
        if name == "Page.loadEventFired":
            self._loaded = True
        elif name == "Page.fileChooserOpened":
            self._chooser = params["backendNodeId"]
        elif name == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif name == "Runtime.exceptionThrown":
            self.errors.append(params["exceptionDetails"]["text"])
        elif name == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(params["entry"]["text"])
        return message


@contextlib.contextmanager
def chromium():
    """A browser with a fresh profile."""
    to_read, to_write = os.pipe(), os.pipe()
    profile = tempfile.mkdtemp()

    def give():  # Chromium reads from 3 and writes to 4
        source, sink = os.dup(to_read[0]), os.dup(to_write[1])
        os.dup2(source, 3)
        os.dup2(sink, 4)

    process = subprocess.Popen(
        [CHROMIUM, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
        preexec_fn=give, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(to_read[0])
    os.close(to_write[1])
    writer = os.fdopen(to_read[1], "wb")
    try:
        yield Browser(process, to_write[0], writer)
    finally:
        process.kill()
        process.wait()
        writer.close()
        os.close(to_write[0])
        for _ in range(20):  # its children may still be writing
            shutil.rmtree(profile, ignore_errors=True)
            if not os.path.exists(profile):
                break
            time.sleep(0.05)
