"""Tests of bench/methods, which is no part of the package; some share models with the tests of infilling."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "models"), str(ROOT / "tests" / "infilling")]
