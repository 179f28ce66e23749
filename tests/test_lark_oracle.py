"""The oracle of Lark grammars: it answers as in its digests, names each change, and lark says who erred."""

from __future__ import annotations

from typing import Any

import pytest
from lark_oracle import answers, book, judge
from lark_oracle.cases import Case, cases, tokenizer

import structgen as sg

CASES = cases(None, None)
NAMES = ("shipped/dates@small", "traps/brackets@letters", "plain/0@letters", "lines/0@letters")
BRACKETS = Case("brackets@letters", 'start: "(" start ")" |\n', alphabet="()")


def committed() -> dict[str, book.Line]:
    return book.read(book.DIGESTS.read_text("utf-8"))


def said(case: Case, room: answers.Room = answers.structgen_room) -> list[answers.Answer]:
    return list(answers.answers(case, room, tokenizer(case.vocabulary)))


def without(dropped: bytes) -> answers.Room:
    """Return a room whose masks never have a token."""

    def room(source: Any, words: sg.Tokenizer, **options: Any) -> Any:
        compiled = answers.structgen_room(source, words, **options)
        token, fill = words.token_bytes.index(dropped), compiled.fill

        def less(state: sg.core.State, mask: sg.core.TokenMask, row: int = 0) -> None:
            fill(state, mask, row)
            mask.array[row, token >> 5] &= ~(1 << (token & 31))

        compiled.fill = less  # type: ignore[method-assign]
        return compiled

    return room


@pytest.mark.parametrize("name", NAMES)
def test_answers_are_those_of_the_digests(name: str) -> None:
    case = CASES[name]()
    was = committed()[name]
    assert was.inputs == case.inputs
    assert book.differences(name, was, said(case)) == []


def test_every_committed_line_of_what_is_here_has_its_case() -> None:
    elsewhere = ("syncode/", "public/")
    here = {name for name in committed() if not name.startswith(elsewhere) and "@llama3" not in name}
    assert here == set(CASES)


def test_a_bit_of_one_mask_names_the_text_the_place_and_the_kind() -> None:
    before = said(BRACKETS)
    place, digest = before[3]
    changed = [*before]
    changed[3] = place, bytes((digest[0] ^ 1,)) + digest[1:]
    found = book.differences("brackets", book.line("", before), changed)
    assert found == [book.Difference("brackets", ("mask",), place, 0)]
    assert book.differences("brackets", book.line("", before), changed, ["counts"]) == []


def test_a_text_that_ends_sooner_is_a_difference() -> None:
    before = said(BRACKETS)
    found = book.differences("brackets", book.line("", before), before[:-1])
    assert [(one.kinds, one.further) for one in found] == [(("places",), 1)]


def test_lines_are_read_as_they_were_written() -> None:
    lines = {
        "a@small": book.line("0123abcd", said(BRACKETS)),
        "b@letters": book.Line("00000000", (b"12345678",)),
    }
    assert book.read(book.write(lines)) == lines


def test_lark_says_which_of_two_rooms_lacks_a_token() -> None:
    place, _ = said(BRACKETS)[0]
    rooms = {"less": without(b"("), "whole": answers.structgen_room}
    found = judge.faults(BRACKETS, rooms, tokenizer("letters"), place)
    assert found["whole"] == []
    assert any("refuses b'('" in one for one in found["less"])


def test_lark_says_which_room_allows_what_begins_no_text() -> None:
    other = Case("other@letters", 'start: "(" start ")" | "a"\n', alphabet="()a")
    place, _ = said(BRACKETS)[0]

    def more(_source: Any, words: sg.Tokenizer) -> sg.CompiledGrammar:
        return answers.structgen_room(other.source, words)

    found = judge.faults(BRACKETS, {"more": more}, tokenizer("letters"), place)
    assert any("allows b'a'" in one for one in found["more"])
    assert any("lark takes b''" in one for one in found["more"])
