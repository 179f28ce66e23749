"""How many requests a run makes: told before it begins, and bounded."""

from __future__ import annotations

import random
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from finding_models import document, extracted, finder, sales_in
from for_each import for_each

from structgen.base.errors import OptionError, ShortenedWarning
from structgen.doors.extraction import extract_calls
from structgen.doors.extraction.page_asking import Page
from structgen.doors.extraction.page_runs import _answers_as_they_come


@pytest.mark.parametrize("at_once", [1, 3, 8])
@pytest.mark.parametrize("most", [1, 4])
def test_a_run_ends_after_so_many_requests_with_what_is_there(most: int, at_once: int) -> None:
    text, (engine, model) = document(random.Random(3), 40), finder()
    with pytest.warns(ShortenedWarning, match="were not asked"):
        part = extracted(engine, text, page=60, overlap=25, max_requests=most, at_once=at_once)
    assert len(model.prompts) == part.requests == part.asked == most
    assert part.is_limited and part.is_stopped and not part.is_complete
    left = part.pages - part.asked - len(part.unasked)
    assert part.remarks[0] == (
        f"max_requests={most} ended the run: {left} of {part.pages} pieces were not processed. "
        "Increase it, or call again with the same out."
    )
    assert part.items and all(one.value in sales_in(text) for one in part)


def test_a_run_that_needs_no_more_is_whole() -> None:
    text, (engine, _) = document(random.Random(3), 40), finder()
    whole = extracted(engine, text, page=60, overlap=25)
    same = extracted(engine, text, page=60, overlap=25, max_requests=whole.requests)
    assert whole.is_complete and not whole.is_limited
    assert same.items == whole.items and same.remarks == whole.remarks and not same.is_limited


def test_runs_of_few_requests_go_on_until_all_pages_have_an_answer(tmp_path: Path) -> None:
    text, (engine, model) = document(random.Random(4), 40), finder()
    whole = extracted(engine, text, page=60, overlap=25)
    how: Any = {"page": 60, "overlap": 25, "out": tmp_path / "sales.jsonl", "max_requests": 3}
    asked = len(model.prompts)
    for _ in range(-(-whole.requests // 3) - 1):
        with pytest.warns(ShortenedWarning, match="were not asked"):
            assert extracted(engine, text, **how).is_limited
    last = extracted(engine, text, **how)
    assert last.is_complete and last.items == whole.items
    assert len(model.prompts) - asked == whole.requests


@for_each("seed", range(30))
def test_requests_are_never_more_and_pages_that_need_none_are_free(seed: int) -> None:
    """Of pages that take no request, one, or more, in any order: begun pages stay below the bound, and pages
    are left only where it is reached."""
    draw = random.Random(seed)
    needs = [draw.choice((0, 0, 1, 1, 1, draw.randint(1, 4))) for _ in range(30)]
    most, at_once = draw.randint(1, 20), draw.randint(1, 6)
    begun, made = list[int](), 0

    async def answer(page: Page) -> dict[str, Any]:
        begun.append(page.number)
        return {"page": page.key, "requests": needs[page.number]}

    pages = [Page("d", number, 0, 1, "x") for number in range(30)]
    seen = []
    for line, _ in ((line, True) for line in _answers_as_they_come(answer, pages, at_once, Future(), most)):
        seen.append(line["page"])
        assert made < most  # when the page of this line began
        made += min(line["requests"], 1)
    assert len(seen) == len(begun) and begun == [*range(len(begun))]
    total = sum(needs[: len(begun)])
    assert len(begun) == 30 or total >= most
    assert sum(min(need, 1) for need in needs[: len(begun)]) <= most


def test_requests_are_told_before_the_first_one(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    text, (engine, model) = document(random.Random(5), 30), finder()
    told = list[tuple[int, str]]()
    monkeypatch.setattr(extract_calls._log, "info", lambda what: told.append((len(model.prompts), what)))
    seen = list[int]()
    found = extracted(engine, text, page=60, overlap=25, progress=lambda now: seen.append(now.requests))
    assert told == [(0, f"extract: {found.pages} pieces to ask about, {found.pages} requests")]
    assert set(seen) == {found.pages}
    monkeypatch.setattr(extract_calls, "MANY", 5)
    with pytest.warns(ShortenedWarning):
        extracted(engine, text, page=60, overlap=25, progress=True, max_requests=2)
    what = f"extract: {found.pages} pieces to ask about, 2 requests\n"
    assert what in capfd.readouterr().err
    extracted(engine, text, page=60, overlap=25, progress=False)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "5", True])
def test_what_is_no_count_is_refused(wrong: Any) -> None:
    with pytest.raises(OptionError, match="max_requests"):
        extracted(finder()[0], "text", max_requests=wrong)
