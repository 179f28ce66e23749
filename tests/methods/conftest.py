"""Tests of bench/methods, which is no part of the package; some share models with the tests of infilling and
of strategies."""

from __future__ import annotations

import math
import operator
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "models")]
sys.path[:0] = [str(ROOT / "tests" / "decoding" / room) for room in ("infilling", "strategies", "engine")]


@pytest.fixture(params=["in Python", pytest.param("compiled", marks=pytest.mark.slow)])
def chart_loops(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loops of charts as Python runs them: compiling takes twenty seconds, and changes no number."""
    from methods import context_free_fill, token_chart, token_chart_bits

    if request.param == "compiled":
        return
    for module, names in (
        (token_chart, ("_join", "_inside_outside")),
        (token_chart_bits, ("_members", "_allowed")),
    ):
        for name in names:
            monkeypatch.setattr(module, name, getattr(module, name).py_func)
    rings = {"SUM": (0.0, 1.0, operator.add, operator.mul), "MAX": (-math.inf, 0.0, max, operator.add)}
    for name, numbers in rings.items():
        monkeypatch.setattr(context_free_fill, name, token_chart.Ring(*numbers))
