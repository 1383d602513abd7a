"""A headless browser for tests of pages: Chromium, driven over a pipe by its own protocol (standard library only)."""

import base64
import contextlib
import itertools
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PROGRAM = next(filter(None, map(shutil.which, NAMES)), None)
MISSING = f"no browser: expected one of {', '.join(NAMES)} on the path"
PATIENCE = 60.0  # seconds for one answer: the machine may be busy
_FLAGS = [
    *["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"],
    *["--hide-scrollbars", "--disable-background-networking", "--disable-component-update", "--disable-extensions"],
    *["--disable-sync", "--remote-debugging-pipe"],
]


class Browser:
    """One page of a browser. ``events`` are all that it has told, in order: the console, requests, errors."""

    def __init__(self, down: int, up: int) -> None:
        self.down, self.up = down, up
        self.numbers = itertools.count(1)
        self.events: list[dict[str, Any]] = []
        self.buffer = b""
        self.session: str | None = None
        targets = self.send("Target.getTargets")["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        self.session = self.send("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol and wait for its result."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": params}
        message |= {"sessionId": self.session} if self.session else {}
        os.write(self.down, json.dumps(message).encode() + b"\0")
        while True:
            told = self._told()
            if told.get("id") == number:
                assert "error" not in told, told["error"]
                result: dict[str, Any] = told["result"]
                return result

    def wait_for(self, method: str) -> dict[str, Any]:
        """The next event of this name."""
        while True:
            told = self._told()
            if told.get("method") == method:
                found: dict[str, Any] = told["params"]
                return found

    def _told(self) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.up], [], [], max(0.0, end - time.monotonic()))
            assert ready, "the browser does not answer"
            self.buffer += os.read(self.up, 1 << 20)
        line, _, self.buffer = self.buffer.partition(b"\0")
        told: dict[str, Any] = json.loads(line)
        if "method" in told:
            self.events.append(told)
        return told

    def open(self, path: Path) -> None:
        """Show a file, and forget what was told before."""
        self.events.clear()
        self.send("Page.navigate", url=path.resolve().as_uri())
        self.wait_for("Page.loadEventFired")

    def window(self, width: int, height: int = 900, *, dark: bool = False, media: str = "") -> None:
        """The size of the window, the colours that the reader prefers, and ``print`` for how it is printed."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        wanted = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.send("Emulation.setEmulatedMedia", media=media, features=wanted)

    def run(self, script: str) -> Any:
        """The value of an expression; a promise is awaited."""
        answer = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def told(self) -> list[str]:
        """What the console shows: messages, warnings, errors."""
        texts = []
        for event in self.events:
            params = event["params"]
            if event["method"] == "Runtime.consoleAPICalled":
                texts.append(str(params["args"]))
            elif event["method"] == "Runtime.exceptionThrown":
                texts.append(str(params["exceptionDetails"]))
            elif event["method"] == "Log.entryAdded":
                texts.append(params["entry"]["text"])
        return texts

    def requested(self) -> list[str]:
        """The addresses of all requests."""
        found = [event["params"] for event in self.events if event["method"] == "Network.requestWillBeSent"]
        return [params["request"]["url"] for params in found]

    def screenshot(self, path: Path, *, whole: bool = True) -> None:
        """The page as PNG."""
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        more = {"captureBeyondViewport": True, "clip": clip} if whole else {}
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", format="png", **more)["data"]))

    def pdf(self, path: Path) -> None:
        """The page as it is printed."""
        path.write_bytes(base64.b64decode(self.send("Page.printToPDF", preferCSSPageSize=True)["data"]))


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """A browser with an empty profile, which ends with the block."""
    assert PROGRAM, MISSING
    (theirs, down), (up, ours) = os.pipe(), os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        program = [PROGRAM, *_FLAGS, f"--user-data-dir={folder}", "about:blank"]
        words = ["bash", "-c", f'exec "$@" 3<&{theirs} 4>&{ours}', "bash", *program]  # it reads on 3 and writes on 4
        silent: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(words, pass_fds=(theirs, ours), **silent)
        try:
            os.close(theirs)
            os.close(ours)
            yield Browser(down, up)
        finally:
            process.terminate()
            process.wait(PATIENCE)
            os.close(down)
            os.close(up)
