"""Every pattern of JSONSchemaBench beside Node's RegExp, where STRUCTGEN_MASKBENCH names its folder."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from reading import Walker

from structgen.errors import LimitError, RegexError
from structgen.language.ir import DEAD, Pattern

_LETTERS = ["", *'abZ09-_. /@:é\n$#xA()\t日"\\\u2028']
_JS = """
const rows = JSON.parse(require("fs").readFileSync(0, "utf8"));
const judged = ([p, ts]) => {
  for (const flags of ["u", ""]) {
    try { const r = new RegExp(p, flags); return [flags, ts.map((t) => r.test(t))]; } catch (e) {}
  }
  return ["error", []];
};
process.stdout.write(JSON.stringify(rows.map(judged)));
"""


def _patterns(folder: Path) -> list[str]:
    found: set[str] = set()
    for path in folder.glob("*.json"):
        stack: list[Any] = [json.loads(path.read_text("utf-8"))["schema"]]
        while stack:
            node = stack.pop()
            if isinstance(node, dict):
                pattern, keys = node.get("pattern"), node.get("patternProperties")
                found.update([pattern] if isinstance(pattern, str) else [])
                found.update(keys if isinstance(keys, dict) else [])
                stack.extend(node.values())
            elif isinstance(node, list):
                stack.extend(node)
    return sorted(found)


def _near(walker: Walker, draw: random.Random) -> list[str]:
    """Return the shortest match, matches, and texts near it."""
    base = "" if walker.start == DEAD else walker.pool.finish(walker.start)[0].decode()
    found = {base}
    for _ in range(14):
        at = draw.randrange(len(base) + 1)
        found.add(base[:at] + draw.choice(_LETTERS) + base[at + draw.randrange(2) :])
    if walker.start != DEAD:
        found.update(text.decode() for text in walker.texts(3, draw.randrange(1 << 30), 14))
    return sorted(found)


@pytest.mark.slow
def test_every_pattern_means_what_node_says() -> None:
    folder = os.environ.get("STRUCTGEN_MASKBENCH")
    if folder is None or shutil.which("node") is None:
        pytest.skip("needs STRUCTGEN_MASKBENCH, and node, whose RegExp is the oracle")
    draw = random.Random(3)
    rows, refused = [], []
    for source in _patterns(Path(folder)):
        try:
            rows.append((source, _near(Walker(Pattern(source)), draw)))
        except (RegexError, LimitError):
            refused.append(source)
    assert len(refused) <= 2  # a back-reference, and counts beside two look-aheads
    done = subprocess.run(
        ["node", "-e", _JS], input=json.dumps(rows), capture_output=True, text=True, check=True
    )
    for (source, texts), (flags, found) in zip(rows, json.loads(done.stdout), strict=True):
        assert flags != "error", source
        walker = Walker(Pattern(source))
        for text, expected in zip(texts, found, strict=True):
            if flags or max(text, default="") <= "\uffff":  # without the u flag such a character is two
                assert walker.accepts(text) == expected, (source, text)
