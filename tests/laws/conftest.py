"""Puts the oracles on the path, and the grammars of bench/methods."""

from __future__ import annotations

import sys
from pathlib import Path

_TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(_TESTS / folder) for folder in ("oracles", "schema", "../bench")]
