"""The oracle of Lark grammars: it answers as in its digests, names each change; lark says what is wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest
from lark_oracle import answers, book
from lark_oracle.__main__ import faults
from lark_oracle.cases import Case, cases, tokenizer

CASES = cases(None, None)
NAMES = ("shipped/dates@small", "traps/brackets@letters", "plain/0@letters", "lines/0@letters")
BRACKETS = Case("brackets@letters", 'start: "(" start ")" |\n', alphabet="()")


def committed() -> dict[str, book.Line]:
    return book.read(book.DIGESTS.read_text("utf-8"))


def said(case: Case) -> list[answers.Answer]:
    return list(answers.answers(case, tokenizer(case.vocabulary)))


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


def test_lark_says_what_is_wrong_of_a_case() -> None:
    assert faults(BRACKETS) == []
    other = replace(BRACKETS, source='start: "(" start ")" | ")"\n')
    vars(other)["reference"] = BRACKETS.reference
    assert "lark takes ''" in faults(other)
