"""The golden cases' runner: it answers the same twice, and names the case and the step of a flipped bit."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from golden import answers, book, share
from golden.__main__ import table
from golden.case import Case
from golden.cases import CASES
from golden.run import Ran, run

import structgen as sg

NAMES = ("schema/array/max", "lark/keyword", "refused/schema/min-length")


def said(case: Case, name: str = "odd") -> dict[str, book.Line]:
    """Return the line of a case, worked out in this process."""
    found = answers.cold(case, name, False, False)
    return {f"{case.name}@{name}": found.tracks | {"refused": found.refused or "-"}}


def test_two_processes_answer_as_in_the_digests() -> None:
    ran = run([CASES[name] for name in NAMES], 1)
    committed = book.read(book.DIGESTS.read_text(encoding="utf-8"))
    assert len(ran.lines) == 5 and ran.torn == []
    assert book.differences(committed, ran.lines, ran.lines) == []


def test_a_flipped_bit_of_one_mask_names_the_case_the_kind_and_the_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = CASES["schema/array/max"]
    before, count = said(case), 0
    fill = sg.Matcher.fill_mask

    def flipped(matcher: sg.Matcher, mask: Any, row: int = 0, **options: Any) -> None:
        nonlocal count
        fill(matcher, mask, row, **options)
        if not options and len(matcher.tokens) == 2 and (count := count + 1) == 1:
            mask.array[row, 5] ^= 1 << 7

    monkeypatch.setattr(sg.Matcher, "fill_mask", flipped)
    found = book.differences(before, said(case), before)
    assert (found[0].name, found[0].kind, found[0].step) == ("schema/array/max@odd", "masks", 2)
    ran = Ran(before={"schema/array/max@odd": ["", "[", "[1", "[1,"]})
    assert "schema/array/max@odd  masks" in table(found, ran) and "step 2, after '[1'" in table(found, ran)


def test_other_words_of_an_error_are_no_difference_and_another_place_is() -> None:
    one = answers.told(sg.errors.SchemaError("It is wrong.", where="#/a", cure="Correct it."))
    assert one == answers.told(sg.errors.SchemaError("This is not right.", where="#/a"))
    assert one != answers.told(sg.errors.SchemaError("It is wrong.", where="#/b"))


def test_an_error_is_the_answer_of_its_case() -> None:
    case = Case("refused/here", partial(sg.json_schema, {"type": 3}))
    assert said(case) == {"refused/here@odd": {"refused": "SchemaError,where=#/type"}}


def test_lines_are_read_as_they_were_written() -> None:
    lines = {
        "b@odd": {"refused": "SchemaError,where=#/a%20b", "texts": "-"},
        "a@bpe": {"masks": "0123abcd:x-_Z"},
    }
    text = book.write(lines)
    assert [row.split()[0] for row in text.splitlines()[1:]] == ["a@bpe", "b@odd"]
    assert book.read(text)["b@odd"] == {"refused": "SchemaError,where=#/a%20b"}


def test_every_committed_line_has_its_case() -> None:
    committed = set(book.read(book.DIGESTS.read_text(encoding="utf-8")))
    assert committed == {f"{case.name}@{name}" for case in CASES.values() for name in case.vocabularies}


def test_a_process_that_reads_the_store_and_answers_otherwise_is_told() -> None:
    line = {"masks": "00000000:a"}
    cold = {"x@odd": share.Said("x@odd", line, ([], []), [], 0.0)}
    kept = {"x@odd": share.Said("x@odd", {"masks": "11111111:b"}, ([], []), [], 0.0)}
    ran = Ran()
    ran.add(cold, kept)
    assert ran.torn == [("x@odd", "masks")] and ran.lines["x@odd"]["torn"] == "differs:masks"
