"""The rooms that wait in `anew/` are imported from the root of the repository, the slow twins of today's room
from its tests."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS.parent), str(TESTS / "automata"), str(TESTS / "anew"), str(TESTS / "oracles")]
