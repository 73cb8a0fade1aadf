"""Chromium driven through its debugging pipe: no package is needed, and no port.

By hand it takes screenshots: ``python tests/stages/browser.py report.html desktop.png --width 1280 --height 900``.
"""

import argparse
import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
]  # fmt: skip
KEYS = {"Tab": 9, "Enter": 13, " ": 32, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowRight": 39}
PATIENCE = 60  # s


def find_chromium() -> str | None:
    """Path of the browser: `N2N_CHROMIUM`, or the first one found."""
    return os.environ.get("N2N_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """Sends commands of the DevTools protocol and collects its events."""

    def __init__(self, to_browser: int, from_browser: int):
        self.to_browser, self.from_browser = to_browser, from_browser
        self.buffer, self.number, self.events = b"", 0, []

    def call(self, method: str, session: str | None = None, **parameters) -> dict:
        """Send a command and wait for its answer."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        message |= {"sessionId": session} if session else {}
        os.write(self.to_browser, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive(PATIENCE)
            if answer.get("id") == self.number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]

    def receive(self, patience: float) -> dict:
        """The next message; events are kept in `events`."""
        end = time.monotonic() + patience
        while b"\0" not in self.buffer:
            if not select.select([self.from_browser], [], [], max(0, end - time.monotonic()))[0]:
                raise TimeoutError("the browser does not answer")
            received = os.read(self.from_browser, 1 << 20)
            if not received:
                raise ConnectionError("the browser has gone")
            self.buffer += received
        text, _, self.buffer = self.buffer.partition(b"\0")
        message = json.loads(text)
        if "method" in message:
            self.events.append(message)
        return message

    def page(self, path: Path, width: int, height: int, phone: bool = False, scale: float = 1) -> "Page":
        """Open a file in a window of its own."""
        return Page(self, path, width, height, phone, scale)


class Page:
    """One page, as a person meets it: mouse, finger, keyboard, and what is to be seen."""

    def __init__(self, browser: Browser, path: Path, width: int, height: int, phone: bool, scale: float):
        self.browser, self.width, self.height = browser, width, height
        browser.events.clear()
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.target = target
        self.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "Accessibility"):
            self.call(f"{domain}.enable")
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=phone
        )
        self.call("Emulation.setTouchEmulationEnabled", enabled=phone)
        self.call("Page.navigate", url=Path(path).resolve().as_uri())
        self.wait("document.readyState === 'complete' && location.protocol === 'file:'")
        self.evaluate("Promise.all([...document.images].map((image) => image.decode())).then(() => 1)")

    def call(self, method: str, **parameters) -> dict:
        """A command for this page."""
        return self.browser.call(method, self.session, **parameters)

    def events(self, *methods: str) -> list[dict]:
        """Parameters of what happened so far, of some kinds of event."""
        self.evaluate("1")
        return [event["params"] for event in self.browser.events if event["method"] in methods]

    def evaluate(self, expression: str):
        """Value of a JavaScript expression."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, expression: str):
        """Wait until an expression is true."""
        end = time.monotonic() + PATIENCE
        while not self.evaluate(expression):
            if time.monotonic() > end:
                raise TimeoutError(expression)
            time.sleep(0.02)

    def box(self, selector: str) -> tuple[float, float, float, float]:
        """Left, top, width and height of an element in the window, after it was scrolled into its middle."""
        found = f"document.querySelector({json.dumps(selector)})"
        self.evaluate(f"{found}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
        return tuple(self.evaluate(f"(() => {{const b = {found}.getBoundingClientRect(); "
                                   "return [b.left, b.top, b.width, b.height]})()"))  # fmt: skip

    def place(self, selector: str, across: float = 0.5, down: float = 0.5) -> tuple[float, float]:
        """A place in an element, given by shares of its width and height."""
        left, top, width, height = self.box(selector)
        return left + across * width, top + down * height

    def mouse(self, kind: str, x: float, y: float, buttons: int = 0):
        """One event of the mouse."""
        button = "left" if kind != "mouseMoved" else "none"
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, buttons=buttons, clickCount=1)

    def click(self, selector: str):
        """Click, or tap, on the middle of an element."""
        x, y = self.place(selector)
        self.mouse("mousePressed", x, y, 1)
        self.mouse("mouseReleased", x, y)

    def drag(self, selector: str, start: float, end: float, finger: bool = False):
        """Drag across an element, from one share of its width to another."""
        (x0, y), (x1, _) = self.place(selector, start), self.place(selector, end)
        steps = [x0 + (x1 - x0) * step / 5 for step in range(6)]
        if finger:
            for index, x in enumerate(steps):
                kind = "touchMove" if index else "touchStart"
                self.call("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": x, "y": y}])
            self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
            return
        self.mouse("mousePressed", x0, y, 1)
        for x in steps:
            self.mouse("mouseMoved", x, y, 1)
        self.mouse("mouseReleased", x1, y)

    def press(self, key: str, times: int = 1):
        """Press a key."""
        text = {"Enter": "\r", " ": " "}.get(key)
        facts = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": KEYS[key]}
        for _ in range(times):
            self.call("Input.dispatchKeyEvent", type="keyDown", **facts, **({"text": text} if text else {}))
            self.call("Input.dispatchKeyEvent", type="keyUp", **facts)

    def screenshot(self, selector: str | None = None) -> bytes:
        """What is to be seen in the window, or of an element, as a PNG."""
        clip = {}
        if selector:
            left, top, width, height = self.box(selector)
            over, down = self.evaluate("[scrollX, scrollY]")
            clip = {"clip": {"x": left + over, "y": top + down, "width": width, "height": height, "scale": 1}}
        return base64.b64decode(self.call("Page.captureScreenshot", format="png", **clip)["data"])

    def close(self):
        """Close the window."""
        self.browser.call("Target.closeTarget", targetId=self.target)


@contextmanager
def chromium(program: str, profile: Path):
    """Start the browser with a profile of its own; ends it, whatever happens."""
    ends = [*os.pipe(), *os.pipe()]
    # Away from 3 and 4, which they would overwrite.
    theirs, to_browser, from_browser, back = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    # The browser reads commands from file 3 and writes answers to file 4.
    redirected = ["bash", "-c", f'exec "$@" 3<&{theirs} 4>&{back} {theirs}<&- {back}>&-', "bash"]
    command = [*redirected, program, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, pass_fds=(theirs, back), **quiet)
    os.close(theirs)
    os.close(back)
    browser = Browser(to_browser, from_browser)
    try:
        yield browser
    finally:
        try:
            browser.call("Browser.close")
            process.wait(timeout=10)
        except (OSError, TimeoutError, AssertionError, subprocess.TimeoutExpired):
            process.kill()
            process.wait()
        os.close(to_browser)
        os.close(from_browser)


def main():
    """Take a screenshot of a page."""
    import tempfile

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=900)
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--phone", action="store_true")
    parser.add_argument("--at", help="element that is scrolled to the top")
    parser.add_argument("--do", help="JavaScript run before the picture is taken")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as profile, chromium(find_chromium(), Path(profile)) as browser:
        page = browser.page(args.page, args.width, args.height, args.phone, args.scale)
        if args.do:
            page.evaluate(args.do)
        if args.at:
            page.evaluate(f"document.querySelector({json.dumps(args.at)}).scrollIntoView({{behavior: 'instant'}})")
        args.picture.write_bytes(page.screenshot())


if __name__ == "__main__":
    main()
