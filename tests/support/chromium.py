"""A real, headless Chromium, told what to do over a pipe in its own language (the DevTools protocol)."""

import base64
import contextlib
import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

PACKAGE = "chromium"
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
_PATIENCE_S = 20


class Chromium:
    """One browser process; `tab()` opens a page with cookies of its own."""

    def __init__(self, binary):
        self._home = tempfile.TemporaryDirectory(prefix="chromium", ignore_cleanup_errors=True)
        to_browser, self._to = _pipe()
        self._from, from_browser = _pipe()
        self._process = subprocess.Popen(
            [binary, *_FLAGS, f"--user-data-dir={self._home.name}", "about:blank"],
            close_fds=False,  # all of ours but the two are closed by the exec itself
            preexec_fn=lambda: (os.dup2(to_browser, 3), os.dup2(from_browser, 4)),  # noqa: PLW1509  it calls dup2 alone
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._buffer = b""
        self._ids = itertools.count(1)
        self.events = []

    def close(self):
        with contextlib.suppress(OSError, AssertionError):
            self.call("Browser.close")
        try:
            self._process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._to)
        os.close(self._from)
        self._home.cleanup()

    def call(self, method, session=None, **params):
        """Send a command and wait for what it returns; events are kept meanwhile."""
        number = next(self._ids)
        message = {"id": number, "method": method, "params": params} | ({"sessionId": session} if session else {})
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive(method)
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self.events.append(answer)

    def wait_for(self, session, method):
        """Wait for an event of a tab, and forget all events until then but what the console said."""
        while True:
            for index, event in enumerate(self.events):
                if event.get("method") == method and event.get("sessionId") == session:
                    return self.events.pop(index)
            self.events.append(self._receive(method))

    def _receive(self, what):
        give_up = time.monotonic() + _PATIENCE_S
        while b"\0" not in self._buffer:
            readable, _, _ = select.select([self._from], [], [], max(give_up - time.monotonic(), 0))
            assert readable, f"Chromium does not answer to {what}"
            received = os.read(self._from, 1 << 20)
            assert received, f"Chromium ended before it answered to {what}"
            self._buffer += received
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    @contextlib.contextmanager
    def tab(self, width=1280, height=900, *, dark=False, motion=True):
        """Open a tab of that many CSS pixels, in a light or a dark world."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = Tab(self, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            tab.call(f"{domain}.enable")
        tab.resize(width, height)
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "no-preference" if motion else "reduce"},
        ]
        tab.call("Emulation.setEmulatedMedia", features=features)
        try:
            yield tab
        finally:
            self.call("Target.disposeBrowserContext", browserContextId=context)
            self.events = [event for event in self.events if event.get("sessionId") != session]


class Tab:
    """One page, as a person uses it."""

    def __init__(self, browser, session):
        self._browser = browser
        self._session = session

    def call(self, method, **params):
        return self._browser.call(method, self._session, **params)

    def resize(self, width, height):
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def open(self, url):
        """Go to a URL and wait until it is loaded."""
        self.call("Page.navigate", url=url)
        self._browser.wait_for(self._session, "Page.loadEventFired")

    def script(self, expression):
        """Evaluate JavaScript, a promise to its end, and give its value."""
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def until(self, condition):
        """Wait until a condition in JavaScript holds, through any change of the page; gives its value."""
        give_up = time.monotonic() + _PATIENCE_S
        while time.monotonic() < give_up:
            with contextlib.suppress(AssertionError):  # the page may be on its way to another
                value = self.script(_SOON % condition)
                if value is not False:
                    return value
        raise AssertionError(f"never true: {condition}; the page says: {self.text()[:2000]}")

    def text(self):
        return self.script("document.body.innerText")

    def press(self, key, modifiers=0):
        """Press a key: "Tab", "Enter", or a letter."""
        code = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32}.get(key, ord(key[0].upper()))
        text = {"Enter": "\r", "Tab": ""}.get(key, key if len(key) == 1 else "")
        common = {"key": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def type(self, text):
        """Write text where the focus is."""
        self.call("Input.insertText", text=text)

    def fill(self, selector, text):
        """Put text into a field, in place of what it holds."""
        self.script(f"(f => {{ f.focus(); f.select && f.select(); }})(document.querySelector({json.dumps(selector)}))")
        self.type(text)

    def choose(self, selector, value):
        """Take an option of a select."""
        self.script(
            f"(f => {{ f.value = {json.dumps(value)}; for (const e of ['input', 'change']) "
            f"f.dispatchEvent(new Event(e, {{bubbles: true}})); }})(document.querySelector({json.dumps(selector)}))"
        )

    def click(self, selector):
        """Press a button with the mouse, where it is seen."""
        place = self.script(_PLACE % json.dumps(selector))
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    def complaints(self):
        """Tell what the console holds: errors, warnings, and whatever the Content-Security-Policy blocked."""
        self.script("0")  # what was said before this has arrived with its answer
        found = []
        for event in self._browser.events:
            if event.get("sessionId") != self._session:
                continue
            params = event["params"]
            if event["method"] == "Runtime.exceptionThrown":
                found.append(str(params["exceptionDetails"]))
            elif event["method"] == "Log.entryAdded":
                found.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
            elif event["method"] == "Runtime.consoleAPICalled" and params["type"] in {"error", "warning", "assert"}:
                found.append(str(params["args"]))
        return found

    def requested(self):
        """List the URLs that were asked for."""
        return [
            event["params"]["request"]["url"]
            for event in self._browser.events
            if event.get("sessionId") == self._session and event["method"] == "Network.requestWillBeSent"
        ]

    def screenshot(self, path):
        """Save the whole page as a PNG."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        taken = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        Path(path).write_bytes(base64.b64decode(taken["data"]))


# Where an element is once it has come to rest: a focus just set may still be scrolling to it.
_PLACE = """(async () => {
  const e = document.querySelector(%s);
  const frame = () => new Promise(requestAnimationFrame);
  const centre = () => { const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; };
  e.scrollIntoView({block: 'center', behavior: 'instant'});
  let before, now = centre();
  do {
    before = now;
    await frame();
    await frame();
    now = centre();
  } while (String(before) !== String(now));
  return now;
})()"""


_SOON = """(async () => {
  for (let frames = 0; frames < 30; frames++) {
    const value = %s;
    if (value) return value;
    await new Promise(resolve => setTimeout(resolve, 16));
  }
  return false;
})()"""


def _pipe():
    """Make a pipe whose ends are above the two descriptors that the protocol is spoken on."""
    ends = os.pipe()
    moved = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return moved


@pytest.fixture(scope="session")
def chromium():
    """Start Chromium once; without it the test is skipped, but in CI, which installs it, that is a failure."""
    binary = shutil.which("chromium")
    if binary is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"needs Chromium: apt-get install {PACKAGE}")
    browser = Chromium(binary)
    yield browser
    browser.close()
