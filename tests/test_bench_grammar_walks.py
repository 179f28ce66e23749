"""`make walks-grammars`: a few walks over each sample grammar end well, and one that does not is told."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

import bench_grammar_walks as bench
import walks


@pytest.fixture(scope="module")
def question() -> bench.GrammarWalks:
    made = bench.GrammarWalks(argparse.Namespace(tokenizer="small", tokens=40, seed=1))
    made.ready()
    return made


def walked(question: bench.GrammarWalks, name: str, count: int) -> Counter[str]:
    question.options.walks = count
    return sum(map(Counter, question.judged(bench.case(name)).rows.values()), Counter[str]())


SLOW = ("sql", "python")


@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=pytest.mark.slow) if one in SLOW else one for one in bench.SAMPLES]
)
def test_walks_end_in_texts_that_lark_and_the_oracle_take(question: bench.GrammarWalks, name: str) -> None:
    found = walked(question, name, 9)
    assert found["walks"] == 9
    assert found["tokens"] > 9
    assert not [kind for kind in bench.GrammarWalks.bad if found[kind]]


def test_what_is_not_right_is_counted(question: bench.GrammarWalks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "judge", lambda name: lambda text: False)
    assert walked(question, "arithmetic", 3)["invalid"] == 3

    def stuck(_walker: walks.Walker, kind: str, _free: int) -> bytes:
        if kind == walks.KINDS[0]:
            raise walks.Stuck("no token is allowed", b"1 +")
        raise RuntimeError(kind)

    monkeypatch.setattr(bench.Walker, "walk", stuck)
    found = walked(question, "arithmetic", 3)
    assert (found["dead end"], found["crash"]) == (1, 2)
