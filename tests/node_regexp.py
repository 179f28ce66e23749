"""Node's RegExp, asked about many patterns in one process."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence

import pytest

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="needs node, whose RegExp is the oracle")
_PROGRAM = """
const rows = JSON.parse(require("fs").readFileSync(0, "utf8"));
const judged = ([p, flags, ts]) => {
  try { const r = new RegExp(p, flags); return ts.map((t) => r.test(t)); } catch (e) { return null; }
};
process.stdout.write(JSON.stringify(rows.map(judged)));
"""


def judged(rows: Sequence[tuple[str, str, Sequence[str]]]) -> list[list[bool] | None]:
    """Return for each pattern with its flags in which of its texts it is found; None: it is no pattern."""
    assert NODE is not None
    done = subprocess.run(
        [NODE, "-e", _PROGRAM], input=json.dumps(rows), capture_output=True, text=True, check=True
    )
    return list(json.loads(done.stdout))


def found(rows: Sequence[tuple[str, Sequence[str]]]) -> list[tuple[str, list[bool] | None]]:
    """Return the same for patterns that are read with the flag u or, where that is an error, without; and the
    flag."""
    strict, plain = (judged([(source, flags, texts) for source, texts in rows]) for flags in ("u", ""))
    return [("", b) if a is None else ("u", a) for a, b in zip(strict, plain, strict=True)]
