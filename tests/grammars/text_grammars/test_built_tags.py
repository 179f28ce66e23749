"""The tags that XGrammar builds for models, its styles and grammars: texts of each are held to the other."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCH = str(Path(__file__).parents[3] / "bench")
sys.path.insert(0, BENCH)
try:
    import bench_structural_tags as bench
    from judging import Outcome
finally:
    sys.path.remove(BENCH)


def faults(form: str, count: int) -> list[object]:
    pytest.importorskip("xgrammar")
    outcome = Outcome(form)
    bench.compared(outcome, form, count, 0)
    assert all(figures["texts"] >= count / 2 for figures in outcome.rows.values())
    return outcome.faults


@pytest.mark.parametrize("form", ["grammar lark", "style gemma"])
def test_texts_of_xgrammar_are_ours_and_ours_are_its(form: str) -> None:
    assert faults(form, 6) == []


@pytest.mark.slow
def test_texts_of_every_form_differ_for_known_reasons_alone() -> None:
    pytest.importorskip("xgrammar")
    assert [one for form in bench.forms() for one in faults(form, 30)] == []
