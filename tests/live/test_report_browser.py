"""report.html in a real browser: headless Chromium, driven by chromedriver over plain HTTP (W3C WebDriver).

Skipped where Debian's packages chromium and chromium-driver are not installed.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import tempfile
import urllib.request
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from report_examples import bare, full

from deid.reports import to_html
from deid.reports.html import sections

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(
        not (shutil.which("chromium") and shutil.which("chromedriver")), reason="chromium or chromedriver is absent"
    ),
]
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--window-size=1000,1200",
)  # fmt: skip
REPORTS = {"full": full(), "bare": bare()}


class Browser:
    """One session of the browser."""

    def __init__(self, port: int, profile: Path) -> None:
        self._root = f"http://127.0.0.1:{port}"
        options = {"args": [*FLAGS, f"--user-data-dir={profile}"], "binary": shutil.which("chromium")}
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        self._session = self._post("/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]

    def _post(self, path: str, content: dict[str, Any]) -> Any:
        data = json.dumps(content).encode()
        asked = urllib.request.Request(self._root + path, data, {"Content-Type": "application/json"})  # noqa: S310 - our own driver
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=60) as answer:
            return json.load(answer)["value"]

    def go(self, path: str, **content: Any) -> Any:
        """Send a command of the session."""
        return self._post(f"/session/{self._session}/{path}", content)

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a script in the page and return its value."""
        return self.go("execute/sync", script=script, args=list(arguments))

    def devtools(self, command: str, **parameters: Any) -> Any:
        """Send a command of the DevTools protocol."""
        return self.go("goog/cdp/execute", cmd=command, params=parameters)

    def close(self) -> None:
        """End the session."""
        asked = urllib.request.Request(f"{self._root}/session/{self._session}", method="DELETE")  # noqa: S310
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=60).close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser with a profile of its own, which goes with it."""
    with (
        tempfile.TemporaryDirectory(prefix="deid-browser-", ignore_cleanup_errors=True) as profile,
        subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True) as driver,
    ):
        assert driver.stdout is not None
        try:
            port = next(int(m[1]) for line in driver.stdout if (m := re.search(r"successfully on port (\d+)", line)))
            session = Browser(port, Path(profile))
            yield session
            session.close()
        finally:
            driver.terminate()


@pytest.fixture(params=list(REPORTS))
def page(request: pytest.FixtureRequest, browser: Browser, tmp_path: Path) -> str:
    """Open a report; return which one."""
    path = tmp_path / "report.html"
    path.write_bytes(to_html(REPORTS[request.param]))
    browser.go("url", url="about:blank")  # away from the browser's own first page, which fetches its parts
    for log in ("browser", "performance"):
        browser.go("se/log", type=log)  # what came before is not ours
    browser.devtools("Emulation.setEmulatedMedia", media="", features=[])
    browser.go("window/rect", width=1000, height=1200)
    browser.go("url", url=path.as_uri())
    return str(request.param)


def test_nothing_is_fetched_and_nothing_complained_of(browser: Browser, page: str) -> None:
    """The page itself is the one request, and the console stays empty."""
    asked = []
    for entry in browser.go("se/log", type="performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            asked.append(message["params"]["request"]["url"])
    assert [Path(url).name for url in asked] == ["report.html"]
    assert browser.go("se/log", type="browser") == []


def test_every_section_is_seen(browser: Browser, page: str) -> None:
    """Each section has its heading, takes room and says something; the contents lead to each."""
    seen = browser.run(
        """return [...document.querySelectorAll('main > section')].map(s => {
             const box = s.getBoundingClientRect(), style = getComputedStyle(s);
             return {id: s.id, title: s.querySelector('h2').innerText, tall: box.height, wide: box.width,
                     shown: style.visibility === 'visible' && style.display !== 'none' && style.opacity === '1',
                     text: s.innerText.length};
           });"""
    )
    wanted = [(section.name, section.title) for section in sections(REPORTS[page])]
    assert [(s["id"], s["title"]) for s in seen] == wanted
    assert all(s["shown"] and s["tall"] > 60 and s["wide"] > 300 and s["text"] > len(s["title"]) + 20 for s in seen)
    links = browser.run("return [...document.querySelectorAll('nav a')].map(a => a.getAttribute('href').slice(1));")
    assert links == [name for name, _ in wanted]


def test_charts_are_drawn_inside_their_frames(browser: Browser, page: str) -> None:
    """Every chart takes room, and no text or bar of it lies outside of it."""
    outside = browser.run(
        """return [...document.querySelectorAll('figure svg')].map(svg => {
             const frame = svg.getBoundingClientRect();
             return [frame.height, [...svg.querySelectorAll('text, rect')].filter(each => {
               if (each.closest('defs')) return false;
               const box = each.getBoundingClientRect();
               return box.left < frame.left - 2 || box.right > frame.right + 2 ||
                      box.top < frame.top - 2 || box.bottom > frame.bottom + 2;
             }).map(each => each.textContent)];
           });"""
    )
    assert bool(outside) == (page == "full")
    assert all(height > 20 and beyond == [] for height, beyond in outside)


@pytest.mark.parametrize("width", [1400, 1000, 700, 500])
def test_the_page_is_never_wider_than_its_window(browser: Browser, page: str, width: int) -> None:
    """Wide tables scroll by themselves; the page does not."""
    browser.go("window/rect", width=width, height=1200)
    wide, room = browser.run("return [document.documentElement.scrollWidth, document.documentElement.clientWidth];")
    assert wide <= room


CONTRAST = """
const channel = v => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
const luminance = c => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
const numbers = text => text.match(/[\\d.]+/g).map(Number);
const found = [];
for (const element of document.querySelectorAll('body *')) {
  if (element.closest('svg') && element.tagName !== 'text') continue;
  if (![...element.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
  const box = element.getBoundingClientRect();
  if (!box.width || !box.height) continue;
  const isText = element.tagName === 'text';
  let color = numbers(getComputedStyle(element)[isText ? 'fill' : 'color']), behind = null;
  if (isText) {
    const x = box.left + box.width / 2, y = box.top + box.height / 2;
    for (const rect of element.closest('svg').querySelectorAll('rect')) {
      if (rect.closest('defs')) continue;
      const r = rect.getBoundingClientRect();
      if (r.left <= x && x <= r.right && r.top <= y && y <= r.bottom) behind = numbers(getComputedStyle(rect).fill);
    }
  }
  for (let up = element; !behind && up; up = up.parentElement) {
    const ground = numbers(getComputedStyle(up).backgroundColor);
    if (ground.length < 4 || ground[3] > 0) behind = ground;
  }
  const [a, b] = [luminance(color), luminance(behind || [255, 255, 255])].sort((p, q) => q - p);
  found.push([(a + 0.05) / (b + 0.05), element.tagName + ': ' + element.textContent.trim().slice(0, 40)]);
}
return found;
"""


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_texts_stand_out_from_their_ground(browser: Browser, page: str, scheme: str) -> None:
    """The contrast of every text is 4.5 at least (WCAG 2.1, 1.4.3), by day, by night and on paper."""
    browser.devtools(
        "Emulation.setEmulatedMedia",
        media="print" if scheme == "print" else "screen",
        features=[{"name": "prefers-color-scheme", "value": "dark" if scheme == "dark" else "light"}],
    )
    found = browser.run(CONTRAST)
    assert len(found) > 40
    assert [text for ratio, text in found if ratio < 4.5] == []
    ground = browser.run("return getComputedStyle(document.body).backgroundColor;")
    light = sum(int(part) for part in re.findall(r"\d+", ground)[:3]) > 600
    assert light == (scheme != "dark")


def pages_of(pdf: bytes) -> list[bytes]:
    """Return the drawing commands of each page of a PDF that Chromium made."""
    objects = {int(m[1]): m[2] for m in re.finditer(rb"(?:^|\n)(\d+) 0 obj\r?\n(.*?)\r?\nendobj", pdf, re.DOTALL)}
    found = []
    for content in objects.values():
        if re.search(rb"/Type\s*/Page\b", content):
            reference = re.search(rb"/Contents\s+(\d+) 0 R", content)
            assert reference is not None
            stream = objects[int(reference[1])]
            data = stream.split(b"stream", 1)[1].strip(b"\r\n").rsplit(b"endstream", 1)[0]
            found.append(zlib.decompressobj().decompress(data) if b"FlateDecode" in stream else data)
    return found


def test_it_prints_with_something_on_every_page(browser: Browser, page: str) -> None:
    """Printed, the report has some pages, and each holds text."""
    printed = browser.devtools("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
    pdf = base64.b64decode(printed["data"])
    assert pdf.startswith(b"%PDF-")
    pages = pages_of(pdf)
    assert (5 if page == "full" else 2) <= len(pages) <= 20
    assert all(len(re.findall(rb"T[jJ]", content)) >= 3 for content in pages)
