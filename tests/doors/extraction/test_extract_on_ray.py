"""Pages on workers: the answers and the file of one process. Workers are in this process here;
tests/doors/serving has those of Ray."""

from __future__ import annotations

import pickle
import random
import sys
from pathlib import Path
from typing import Any

import pytest
from finding_models import PROMPT, Sale, document, extracted, finder

import structgen as sg
from structgen.base.errors import OptionError
from structgen.doors.extraction import page_asking, page_runs
from structgen.doors.extraction.page_asking import PageQuestion
from structgen.doors.typed.local import Local

sys.path.insert(0, str(Path(__file__).parents[2] / "decoding" / "engine"))
import in_process_workers


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> str:
    """Have a name stand for a model that finds sales, in this process and in workers."""
    monkeypatch.setattr(page_asking.Preparation, "__init__", _preparation)
    in_process_workers.use(monkeypatch, page_runs)
    return "structgen/extract"


_MADE: Any = page_asking.Preparation.__init__


def _preparation(self: Any, model: Any, tools: Any, given: Any) -> None:
    _MADE(self, finder()[0] if isinstance(model, str) else model, tools, given)


def test_workers_give_the_items_of_one_process(named: str, tmp_path: Path) -> None:
    text = document(random.Random(20), 40)
    how: dict[str, Any] = {"page": 60, "overlap": 25, "out": tmp_path / "sales.jsonl"}
    alone = extracted(finder()[0], text, page=60, overlap=25)
    found = extracted(named, text, **how, workers=2)
    assert found.items == alone.items and found.is_complete and len(alone) > 5
    asked = (tmp_path / "sales.jsonl.pages").read_bytes()
    assert extracted(named, text, **how).items == alone.items  # goes on in this process: nothing is missing
    assert (tmp_path / "sales.jsonl.pages").read_bytes() == asked


def test_a_question_is_sent_without_what_was_made_of_it(named: str) -> None:
    question = PageQuestion(named, list[Sale], PROMPT, {"outline": False}, overlap=25)
    assert isinstance(question.writer, Local)
    again = pickle.loads(pickle.dumps(question))
    assert "writer" not in vars(again) and again.overlap == 25 and again.instruction == PROMPT


def test_a_model_without_a_name_goes_to_no_worker() -> None:
    with pytest.raises(OptionError, match="workers"):
        sg.extract(finder()[0], "x", list[Sale], workers=1)
