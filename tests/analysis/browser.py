"""A headless Chromium that opens one page: no package is needed, it is spoken to by two pipes."""

import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_FLAGS = (
    *("--headless=new", "--no-sandbox", "--remote-debugging-pipe", "--no-first-run", "--disable-extensions"),
    *("--hide-scrollbars", "--mute-audio", "--disable-background-networking", "--disable-dev-shm-usage"),
)
_SOFTWARE_GL = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")


class Browser:
    """One page in Chromium, by its debugging protocol; `events` holds what it reported."""

    def __init__(self, folder: Path, *, webgl: bool = True, timeout: float = 120.0) -> None:
        self.events, self._answers, self._count, self._rest = [], {}, 0, b""
        self._timeout = timeout
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        flags = [*_FLAGS, *(_SOFTWARE_GL if webgl else ("--disable-gpu", "--disable-3d-apis"))]
        high = [fcntl.fcntl(end, fcntl.F_DUPFD, 20) for end in (to_read, to_write)]

        def as_three_and_four() -> None:
            for number, end in enumerate(high, start=3):
                os.dup2(end, number)

        self._process = subprocess.Popen(
            [CHROMIUM, *flags, f"--user-data-dir={folder / 'profile'}"],
            close_fds=False,
            preexec_fn=as_three_and_four,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for end in (to_read, to_write, *high):
            os.close(end)
        self._session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **values: object) -> dict:
        self._count += 1
        message = {"id": self._count, "method": method, "params": values}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + self._timeout
        while self._count not in self._answers:
            self._receive(end)
        answer = self._answers.pop(self._count)
        assert "error" not in answer, answer
        return answer["result"]

    def _receive(self, end: float) -> None:
        ready, _, _ = select.select([self._read], [], [], max(0.0, end - time.monotonic()))
        assert ready, "Chromium does not answer"
        heard = os.read(self._read, 1 << 20)
        assert heard, "Chromium has ended"
        *messages, self._rest = (self._rest + heard).split(b"\0")
        for one in map(json.loads, messages):
            if "id" in one:
                self._answers[one["id"]] = one
            else:
                self.events.append(one)

    def open(self, page: Path, *, width: int = 1400, height: int = 900) -> None:
        size = {"width": width, "height": height}
        self.call("Emulation.setDeviceMetricsOverride", **size, deviceScaleFactor=1, mobile=False)
        self.call("Page.navigate", url=page.as_uri())
        self.wait("document.readyState === 'complete'")

    def do(self, script: str) -> object:
        """Return the value of an expression of the page, awaited."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, condition: str) -> None:
        end = time.monotonic() + self._timeout
        while not self.do(condition):
            assert time.monotonic() < end, condition
            time.sleep(0.02)

    def key(self, key: str) -> None:
        code = {"Tab": 9, "Enter": 13, "ArrowRight": 39, "ArrowLeft": 37}[key]
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            values = {"key": key, "code": key, "windowsVirtualKeyCode": code} | (
                text if kind == "keyDown" else {}
            )
            self.call("Input.dispatchKeyEvent", type=kind, **values)

    def complaints(self) -> list[str]:
        """Return what the console or an exception said."""
        said = [(one["method"], one["params"]) for one in self.events]
        thrown = [str(value) for method, value in said if method == "Runtime.exceptionThrown"]
        logged = [value["entry"] for method, value in said if method == "Log.entryAdded"]
        written = [value for method, value in said if method == "Runtime.consoleAPICalled"]
        return [
            *thrown,
            *(one["text"] for one in logged if one["level"] in ("error", "warning")),
            *(str(one["args"]) for one in written if one["type"] in ("error", "warning")),
        ]

    def requests(self) -> list[str]:
        """Return the addresses that the page asked for."""
        sent = [one for one in self.events if one["method"] == "Network.requestWillBeSent"]
        return [one["params"]["request"]["url"] for one in sent]

    def close(self) -> None:
        # It may be gone before it has answered.
        os.write(self._write, json.dumps({"id": 0, "method": "Browser.close"}).encode() + b"\0")
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        finally:
            os.close(self._write)
            os.close(self._read)
