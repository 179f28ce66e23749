"""Pages of HTML in tests: their elements, and what a browser makes of them under their policy."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from base64 import b64encode
from collections import defaultdict
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
HOSTILE = (
    *("</script><script>alert(1)</script>", '" onmouseover=alert(1) x="', "' onclick='alert(1)"),
    *("<img src=x onerror=alert(1)>", "</mark></div></style>", "&lt;b&gt;", "{{ 7 * 7 }}{% raw %}"),
    *("\u202e1.99\u202c", "nul\0byte", "\ud800", "\x1b[2J", "javascript:alert(1)", "]]>-->"),
)
NO_END = {"meta", "img", "link", "br"}


class Page(HTMLParser):
    """The elements of a page with their attributes, the texts by name with the values at each character, and
    what the rows of the table say."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements = list[tuple[str, tuple[tuple[str, str | None], ...]]]()
        self.texts = list[str]()
        self.values = list[list[str]]()
        self.data = defaultdict[str, str](str)
        self.rows = list[str]()
        self.policy: str | None = None
        self._open = list[str]()
        self._marked = ""
        self._depth = 0
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(attrs)))
        given = dict(attrs)
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"]
        if tag == "div" and given.get("class") == "text":
            self.texts.append("")
            self.values.append([])
            self._depth = len(self._open) + 1
        if tag == "mark":
            self._marked = given["data-v"] or ""
        if tag == "tr":
            self.rows.append("")
        if tag not in NO_END:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._depth == len(self._open) and tag == "div":
            self._depth = 0
        if tag == "mark":
            self._marked = ""
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        self.data[self._open[-1] if self._open else ""] += data
        if self._depth:
            self.texts[-1] += data
            self.values[-1] += [self._marked] * len(data)
        elif "tr" in self._open:
            self.rows[-1] += data


class Shown(NamedTuple):
    """A page after a script has run in it: its title, its source, and what the browser's console says."""

    title: str
    source: str
    told: list[str]


def shape(page: Page) -> list[tuple[str, tuple[str, ...]]]:
    """Return the elements of a page with the names of their attributes."""
    return [(tag, tuple(name for name, _ in attrs)) for tag, attrs in page.elements]


def policy_for(page: Page) -> str:
    """Return the policy that allows a page its own style and script, and nothing else."""
    style, script = (f"'sha256-{_digest(page.data[name])}'" for name in ("style", "script"))
    return f"default-src 'none'; style-src {style}; script-src {script}; base-uri 'none'; form-action 'none'"


def shown(page: str, asked: str, folder: Path) -> Shown:
    """Open a page in a browser, with a script at the end of its own, which the policy is told."""
    script = re.findall(r"<script>(.*?)</script>", page, re.S)[0]
    page = page.replace(_digest(script), _digest(script + asked)).replace(script, script + asked)
    path = folder / "page.html"
    path.write_text(page, encoding="utf-8")
    return opened(path, "--window-size=1300,800")


def opened(path: Path, *options: str) -> Shown:
    """Open the file of a page in a browser."""
    usual = "--headless --no-sandbox --disable-gpu --enable-logging=stderr --v=0 --virtual-time-budget=1000"
    own = (f"--user-data-dir={path.parent / 'profile'}", "--dump-dom", path.as_uri())
    done = subprocess.run(
        [str(BROWSER), *usual.split(), *options, *own],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        env={**os.environ, "HOME": str(path.parent)},
    )
    assert done.returncode == 0, done.stderr
    title = re.findall("<title>(.*?)</title>", done.stdout)[0]
    return Shown(title, done.stdout, re.findall(r".*(?:CONSOLE|Uncaught|net::ERR).*", done.stderr))


def is_so(path: Path, asked: str, width: int) -> bool:
    """Return whether a condition in JavaScript holds in the file of a page without a script, so many points
    wide."""
    path.write_text(path.read_text(encoding="utf-8") + f"<script>document.title = {asked}</script>")
    return opened(path, f"--window-size={width},900").title == "true"


def _digest(text: str) -> str:
    return b64encode(hashlib.sha256(text.encode()).digest()).decode()
