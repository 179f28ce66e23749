"""Every pattern of JSONSchemaBench beside Node's RegExp, where STRUCTGEN_MASKBENCH names its folder."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
from node_regexp import found, needs_node
from reading import Walker

from structgen.errors import LimitError, RegexError
from structgen.language.ir import DEAD, Pattern

_LETTERS = ["", *'abZ09-_. /@:é\n$#xA()\t日"\\\u2028']


def _patterns(folder: Path) -> list[str]:
    patterns: set[str] = set()
    for path in folder.glob("*.json"):
        stack: list[Any] = [json.loads(path.read_text("utf-8"))["schema"]]
        while stack:
            node = stack.pop()
            if isinstance(node, dict):
                pattern, keys = node.get("pattern"), node.get("patternProperties")
                patterns.update([pattern] if isinstance(pattern, str) else [])
                patterns.update(keys if isinstance(keys, dict) else [])
                stack.extend(node.values())
            elif isinstance(node, list):
                stack.extend(node)
    return sorted(patterns)


def _near(walker: Walker, draw: random.Random) -> list[str]:
    """Return the shortest match, matches, and texts near it."""
    base = "" if walker.start == DEAD else walker.pool.finish(walker.start)[0].decode()
    texts = {base}
    for _ in range(14):
        at = draw.randrange(len(base) + 1)
        texts.add(base[:at] + draw.choice(_LETTERS) + base[at + draw.randrange(2) :])
    if walker.start != DEAD:
        texts.update(text.decode() for text in walker.texts(3, draw.randrange(1 << 30), 14))
    return sorted(texts)


@needs_node
@pytest.mark.slow
def test_every_pattern_means_what_node_says() -> None:
    folder = os.environ.get("STRUCTGEN_MASKBENCH")
    if folder is None:
        pytest.skip("needs STRUCTGEN_MASKBENCH")
    draw = random.Random(3)
    rows, refused = [], []
    for source in _patterns(Path(folder)):
        try:
            rows.append((source, _near(Walker(Pattern(source)), draw)))
        except (RegexError, LimitError):
            refused.append(source)
    assert len(refused) <= 2  # a back-reference, and counts beside two look-aheads
    for (source, texts), (flags, wanted) in zip(rows, found(rows), strict=True):
        assert wanted is not None, source
        walker = Walker(Pattern(source))
        for text, expected in zip(texts, wanted, strict=True):
            if flags or max(text, default="") <= "\uffff":  # without the u flag such a character is two
                assert walker.accepts(text) == expected, (source, text)
