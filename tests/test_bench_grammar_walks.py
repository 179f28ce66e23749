"""`make walks-grammars`: a few walks over each sample grammar end well, and one that does not is told."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from structgen.maskbench.vocabularies import load
from structgen.tokens.tokenizer import Tokenizer

BENCH = Path(__file__).parent.parent / "bench"
BAD = ("dead end", "crash", "refused by lark", "invalid")


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(BENCH))
    monkeypatch.setattr(sys, "argv", ["bench_grammar_walks.py"])
    import bench_grammar_walks

    yield bench_grammar_walks


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return load("small")


@pytest.fixture
def vocabulary(bench: Any, tokenizer: Tokenizer) -> Any:
    return bench.Vocabulary(tokenizer)


def walked(bench: Any, vocabulary: Any, name: str, walks: int) -> Counter[str]:
    total: Counter[str] = Counter()
    for _kind, counts in bench.walk(name, walks, 40, 1, vocabulary):
        total += counts
    return total


@pytest.mark.parametrize(
    "name",
    [
        "json",
        "arithmetic",
        "dates",
        "csv",
        "markers",
        pytest.param("sql", marks=pytest.mark.slow),
        pytest.param("python", marks=pytest.mark.slow),
    ],
)
def test_walks_end_in_texts_that_lark_and_the_oracle_take(bench: Any, vocabulary: Any, name: str) -> None:
    found = walked(bench, vocabulary, name, 9)
    assert found["walks"] == 9
    assert found["tokens"] > 9
    assert not [kind for kind in BAD if found[kind]]


def test_what_is_not_right_is_counted(
    bench: Any, vocabulary: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "judge", lambda name: lambda text: False)
    assert walked(bench, vocabulary, "arithmetic", 3)["invalid"] == 3

    def stuck(_walker: Any, kind: str, _free: int) -> bytes:
        if kind == bench.KINDS[0]:
            raise bench.Stuck("no token is allowed", b"1 +")
        raise RuntimeError(kind)

    monkeypatch.setattr(bench.Walker, "walk", stuck)
    found = walked(bench, vocabulary, "arithmetic", 3)
    assert (found["dead end"], found["crash"]) == (1, 2)
    assert "no token is allowed" in capsys.readouterr().out
