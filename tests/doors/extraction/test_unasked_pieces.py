"""Pieces that are not asked: no page is passed over without a word, and what looks stated may be asked."""

from __future__ import annotations

import asyncio
import csv
import datetime as dt
import io
import json
import random
import re
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from finding_models import TOKENIZER, extracted, finder
from pydantic import BaseModel, create_model
from told_models import Told

import structgen as sg
from structgen.base.errors import OptionError, ShortenedWarning
from structgen.doors.extraction.page_asking import Page
from structgen.doors.extraction.page_runs import _answers_as_they_come

READ = {
    dt.date: ("on 3 May 2024", "am 7. Oktober 2023"),
    dt.timedelta: ("for 12 hours", "für 3 Tage"),
    int: ("it costs 61", "vierzig lamps"),
}
"""By type, texts that state a value of it. No text states a value of another type, but for numbers."""
UNREAD = {
    dt.date: ("dated 3 Bealtaine 2024", "2024 ж. 3 мамыр", "3 მაისი, 2024 წ."),
    dt.timedelta: ("for 3 fortnights", "przez 14 dni", "на 5 дней"),
}
NOTHING = ("the weather was fine and nobody came late", "хорошая погода", "今天天气很好", "!!!", "may be")
KINDS = {dt.date: "date", dt.timedelta: "duration", int: "number"}


def nothing_found(text: str) -> list[Any]:
    return []


def a_type(draw: random.Random) -> tuple[Any, dict[str, Any]]:
    """Return a type of items with required fields, and their types by name in the order of the fields."""
    kinds = draw.sample([*KINDS], draw.randrange(1, 4))
    fields = {f"f{at}": kind for at, kind in enumerate(kinds)}
    model: Any = create_model("Item", **{name: (kind, ...) for name, kind in fields.items()})
    return list[model], fields


def a_piece(draw: random.Random) -> tuple[str, set[Any]]:
    """Return a text, and the types of which it states a value."""
    kind = draw.choice([*KINDS])
    match draw.randrange(3):
        case 0:
            return draw.choice(READ[kind]), {kind, int}
        case 1 if kind in UNREAD:
            return draw.choice(UNREAD[kind]), {int}
    return draw.choice(NOTHING), set()


def check_counts(found: Any, prompts: list[str]) -> None:
    """Check that no piece is passed over: of pieces that are whole pages."""
    assert found.pages == found.asked + len(found.unasked) and found.asked == len(prompts) == found.requests
    places = [(one.document, one.start, one.end) for one in found.unasked]
    assert len({*places}) == len(places)
    named = [
        re.search(r"(.*): Not processed: ([\d,]+) pieces? with (.*?) \(piece", one) for one in found.remarks
    ]
    told = {(match[1], match[3]): int(match[2].replace(",", "")) for match in named if match}
    assert len(told) == sum(match is not None for match in named)
    for one in found.unasked:
        told[one.document, one.reason] -= 1
        assert one.field in one.reason
    assert not any(told.values())


def check_law(seed: int) -> None:
    """Pieces of random documents, one page each, are asked where they state each field."""
    draw = random.Random(seed)
    target, fields = a_type(draw)
    pieces = {f"d{at}": a_piece(draw) for at in range(draw.randrange(1, 6))}
    engine, model = finder(nothing_found)
    found = extracted(engine, {name: text for name, (text, _) in pieces.items()}, target)
    check_counts(found, model.prompts)
    lacking = {
        name: next((field for field, kind in fields.items() if kind not in kinds), None)
        for name, (_, kinds) in pieces.items()
    }
    assert {one.document: one.field for one in found.unasked} == {
        name: f"/{field}" for name, field in lacking.items() if field is not None
    }
    for one in found.unasked:
        kind = fields[one.field[1:]]
        text = pieces[one.document][0]
        assert one.reason == f"no {KINDS[kind]} for {one.field}"
        if text in UNREAD.get(kind, ()):
            assert one.count and one.places, text
        if text in NOTHING:
            assert not one.count
    assert found.is_complete and not found.is_stopped


def test_each_piece_is_asked_or_told() -> None:
    for seed in range(30):
        check_law(seed)


@pytest.mark.slow
def test_each_piece_of_many_documents_is_asked_or_told() -> None:
    for seed in range(1_000, 21_000):
        check_law(seed)


def long_document(draw: random.Random, pieces: int) -> str:
    return "\n\n".join(f"{a_piece(draw)[0].capitalize()}." for _ in range(pieces))


@pytest.mark.parametrize("seed", range(4))
def test_a_run_that_goes_on_counts_what_a_whole_run_counts(seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    text, (target, _) = long_document(draw, 30), a_type(draw)
    engine, model = finder(nothing_found)
    whole = extracted(engine, text, target, page=30, overlap=0)
    check_counts(whole, model.prompts)
    assert whole.pages > 5

    def stop(now: Any) -> None:
        if now.pages == 4:
            raise KeyboardInterrupt

    how = {"page": 30, "overlap": 0, "out": tmp_path / "items.jsonl"}
    with pytest.warns(ShortenedWarning, match=f"{whole.pages - 4} pieces of {whole.pages} were not asked"):
        part = extracted(engine, text, target, **how, progress=stop, at_once=1)
    assert part.asked + len(part.unasked) == 4 and part.is_stopped
    again = extracted(engine, text, target, **how)
    assert again.unasked == whole.unasked and again.remarks == whole.remarks
    assert again.asked == whole.asked and again.is_complete
    asked = len(model.prompts)
    assert extracted(engine, text, target, **how).unasked == whole.unasked and len(model.prompts) == asked


def test_the_halves_of_a_page_are_told_too() -> None:
    """A page whose answer is cut is asked by halves, of which one states nothing."""
    sales = "Ada Byron bought 3 lamps. Bert Reed bought 4 lamps. Cora Quist bought 5 lamps. " * 2
    text = f"{sales}{'The weather was fine and nobody came late to the hall by the river. ' * 6}"

    class Sale(BaseModel):
        who: str
        count: int

    def found(said: str) -> Any:
        return [
            {"who": who, "count": int(count)}
            for who, count in re.findall(r"([A-Z]\w+ \w+) bought (\d+)", said)
        ]

    engine, model = finder(found)
    made = extracted(engine, text, list[Sale], page=800, max_tokens=60, overlap=0)
    assert made.unasked and made.asked == made.pages == 1 and made.requests == len(model.prompts) > 1
    assert all(0 < one.start < one.end <= len(text) for one in made.unasked)
    (remark,) = (one for one in made.remarks if "Not processed" in one)
    what = rf"document: Not processed: {len(made.unasked)} pieces? with no number for /count \(piece 1"
    assert re.match(what, remark)


def test_a_million_characters_of_an_unread_language_are_one_remark() -> None:
    text = "Бұл келісім 2024 ж. 3 мамыр күні Алматы қаласында тараптар арасында жасалды.\n\n" * 14_000
    engine, model = finder(nothing_found)

    class Deed(BaseModel):
        made: dt.date

    found = extracted(engine, text, list[Deed], page=3000, overlap=0)
    assert len(text) > 900_000 and not model.prompts and len(found.unasked) == found.pages > 100
    (remark,) = found.remarks
    assert (
        len(remark) < 600 and f"Not processed: {found.pages:,} pieces" in remark and "13,997 more" in remark
    )


# --- unverified ---------------------------------------------------------------------------------------------


class Deed(BaseModel):
    made: dt.date
    total: int


TEXT = "made on 3 Bealtaine 2024, for the sum of 100 dollars"
ANSWER = {"made": "2024-05-03", "total": 100}


def test_what_looks_stated_is_asked_and_marked_as_not_verified(tmp_path: Path) -> None:
    engine, model = finder(lambda text: [ANSWER])
    found = extracted(engine, TEXT, list[Deed], unverified=True)
    assert len(model.prompts) == found.asked == 1 and not found.unasked
    (item,) = found
    assert item.made == Deed(made=dt.date(2024, 5, 3), total=100) and not item.error
    assert item.unverified == ["/made"]
    assert [(one.is_unverified, TEXT[one.start : one.end]) for one in item.fields] == [
        (True, "3 Bealtaine 2024"),
        (False, "100"),
    ]
    assert json.loads(found.to_jsonl())["unverified"] == ["/made"]
    (row,) = csv.DictReader(io.StringIO(found.to_csv()))
    assert row["unverified"] == "made" and row["made"] == "2024-05-03"
    assert found.page().count("not verified") == 2


def test_what_is_read_goes_before_what_looks_stated() -> None:
    """A date that is read is the only one, and is verified: as without the option."""
    text = f"Signed on 7 October 2023, {TEXT}"
    engine, _ = finder(lambda text: [{"made": "2023-10-07", "total": 100}])
    found = extracted(engine, text, list[Deed], unverified=True)
    assert [one.value["made"] for one in found] == ["2023-10-07"] and not found[0].unverified
    assert "unverified" not in found.to_csv() + found.to_jsonl() + found.page()
    assert found.items == extracted(engine, text, list[Deed]).items


@pytest.mark.parametrize("is_unverified", [False, True])
def test_one_object_has_what_looks_stated_where_it_may(is_unverified: bool) -> None:
    engine, _ = finder(lambda text: ANSWER)
    found = extracted(engine, TEXT, Deed, unverified=is_unverified)
    if is_unverified:
        assert found.value == Deed(made=dt.date(2024, 5, 3), total=100) and found[0].unverified == ["/made"]
    else:
        with pytest.raises(sg.errors.NotStatedError, match="/made"):
            _ = found.value


def test_a_verified_value_of_another_page_goes_before_one_that_is_not() -> None:
    text = f"{TEXT}.\n\n{'The weather was fine. ' * 3}\n\nThe deed is of 7 October 2023."

    def found(said: str) -> Any:
        return {"made": "2023-10-07" if "October" in said else "2024-05-03", "total": 100}

    engine, _ = finder(found)
    made = extracted(engine, text, Deed, unverified=True, page=25, overlap=0)
    assert made[0].value["made"] == "2023-10-07" and not made[0].unverified
    assert [(one.value, one.is_unverified) for one in made[0].conflicts if one.path == "/made"] == [
        ("2024-05-03", True)
    ]


def test_the_mask_holds_guesses_to_the_figures_of_the_piece() -> None:
    """A model that wants another date, or another number, cannot write it."""
    wanted = json.dumps([{"made": "1999-12-31", "total": 7}])
    model = Told(wanted)
    found = extracted(sg.Engine(model, TOKENIZER), TEXT, list[Deed], unverified=True)
    assert all(one.value["made"] == "2024-05-03" and one.value["total"] == 100 for one in found)


def test_pieces_that_look_like_nothing_are_not_asked_under_unverified_either() -> None:
    engine, model = finder(nothing_found)
    found = extracted(engine, "The weather was fine.", list[Deed], unverified=True)
    assert not model.prompts and len(found.unasked) == 1 and "unverified=True" not in found.remarks[0]


def test_unverified_beside_free_numbers_is_refused() -> None:
    engine, _ = finder(nothing_found)
    with pytest.raises(OptionError, match="unverified"):
        extracted(engine, TEXT, list[Deed], unverified=True, grounded=False)


def test_answers_without_guesses_are_not_those_of_a_call_with_them(tmp_path: Path) -> None:
    engine, _ = finder(nothing_found)
    extracted(engine, TEXT, list[Deed], out=tmp_path / "deeds.jsonl")
    with pytest.raises(OptionError, match="option"):
        extracted(engine, TEXT, list[Deed], out=tmp_path / "deeds.jsonl", unverified=True)


# --- the next page is asked when the last answer was taken --------------------------------------------------


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_no_page_is_asked_before_the_answer_of_another_was_taken(at_once: int) -> None:
    """However long the caller looks at an answer, the event loop begins with no further page."""
    loops, begun = list[Any](), list[str]()

    async def answer(page: Page) -> dict[str, Any]:
        loops.append(asyncio.get_running_loop())
        begun.append(page.key)
        return {"page": page.key}

    pages = [Page("d", number, 0, 1, "x") for number in range(10)]
    lines = _answers_as_they_come(answer, pages, at_once, Future())
    for count, _ in enumerate(lines, 1):
        for _ in range(10):  # all that is ready runs
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loops[0]).result(10)
        assert len(begun) == count + at_once - 1
        if count + at_once > len(pages):
            break
    lines.close()
    assert len(begun) == len(pages)
