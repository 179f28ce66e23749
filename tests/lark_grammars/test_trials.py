"""The bytes that searches try: what any other one leads to, one of them does."""

from __future__ import annotations

import pytest
from lark.indenter import Indenter

import structgen as sg
from structgen.lark_grammars.tables.contextual_language import ContextualLanguage
from structgen.limits import Limits


class Lines(Indenter):
    NL_type = "NL"
    OPEN_PAREN_types = ["OPEN"]  # noqa: RUF012 (lark's)
    CLOSE_PAREN_types = ["CLOSE"]  # noqa: RUF012
    INDENT_type = "INDENT"
    DEDENT_type = "DEDENT"
    tab_len = 8


GRAMMARS = {
    "strings": ('start: ("ab" | "ac" | "b")+\n', None),
    "ordered choice": ('start: X "b"\nX: /a|ab/\n', None),
    "look-aheads": ('start: (A | "b" | "c")+\nA: /a(?=b.*c)|a(?!c)/\n', None),
    "look-behinds": ('start: ("a" | B | "c")+\nB: /(?<!a)b/ | /(?<=ac)b/\n', None),
    "what begins only behind another": ("start: B A\nB: /b|x/\nA: /(?<=x)a/\n", None),
    "slots": ('start: (A | /bc/)+\nA: /a(?:bbc)?/\n%ignore " "\n', None),
    "lines": (
        'start: (x NL)+\nx: "a" | "b" NL INDENT x NL DEDENT | OPEN x CLOSE\nOPEN: "("\nCLOSE: ")"\n'
        'NL: /(\\r?\\n[\\t ]*)+/\n%declare INDENT DEDENT\n%ignore " "\n',
        Lines(),
    ),
}


@pytest.mark.parametrize("name", GRAMMARS)
def test_what_a_byte_leads_to_one_that_is_tried_does(name: str) -> None:
    grammar, postlex = GRAMMARS[name]
    language = sg.lark(grammar, postlex=postlex).language(Limits())
    assert isinstance(language, ContextualLanguage)
    reader = language.reader
    met = [reader.start()]
    for reading in met:
        trials = reader.representative_bytes(reading)
        reached = [reader.step(reading, byte) for byte in range(256)]
        tried = {reader.step(reading, byte) for byte in trials}
        assert {one for one in reached if one is not None} <= tried
        met += [one for one in dict.fromkeys(reached) if one is not None and one not in met]
        if len(met) > 60:
            break


def test_strings_are_tried_by_their_first_bytes() -> None:
    reader = sg.lark('start: ("ab" | "ac" | "b")+\n').language(Limits()).reader  # type: ignore[attr-defined]
    assert sorted(reader.representative_bytes(reader.start())) == [*b"ab"]
