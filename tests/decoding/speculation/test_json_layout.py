"""White space of JSON texts, learnt from what was written; the oracle is json.dumps."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from draft_cases import PERSON, facts, paths, tokenizer, view

import structgen as sg
from structgen.decoding.speculation.drafters.grammar_tree import GrammarTree
from structgen.decoding.speculation.drafters.json_layout import WHITE, JsonLayout

RECORDS = [
    {"name": 'a "quoted, {name}: [1]"', "list": [1, {"x": None}], "none": [], "empty": {}, "last\\": "\\"}
] * 3
LAYOUTS: list[dict[str, Any]] = [
    {},
    {"separators": (",", ":")},
    {"indent": 1},
    {"indent": 4},
    {"indent": "\t"},
    {"indent": 2, "separators": (",", ":")},
    {"indent": 0},
]


@pytest.mark.parametrize("options", LAYOUTS)
def test_white_space_is_told_once_the_layout_is_known(options: dict[str, Any]) -> None:
    text = json.dumps(RECORDS, **options).encode()
    layout = JsonLayout()
    known = text.index(b"last")  # all kinds of places were met by then
    wrong, told, run = [], 0, b""
    before = deepcopy(layout)
    for at, byte in enumerate(text):
        if byte in WHITE and layout.place[2] == 0:
            if not run:
                before = deepcopy(layout)
            run += text[at : at + 1]
        elif layout.place[2] == 0 or run:
            place = before if run else layout
            if at > known:
                told += bool(run)
                if place.before(place.place, byte, True) != run:
                    wrong.append(at)
            run = b""
        layout.read(text[at : at + 1])
    assert wrong == []
    assert told > 10 or options.get("separators") == (",", ":")


def test_a_run_that_is_begun_is_completed() -> None:
    layout = JsonLayout()
    layout.read(b'{\n    "a": [\n        1,\n')
    assert layout.before(layout.place, ord("2"), True) == b"        "
    layout.read(b"   ")
    assert layout.before(layout.place, ord("2"), True) == b"     "
    layout.read(b"\t")  # the run is another one than before
    assert layout.before(layout.place, ord("2"), True) == b""


@pytest.mark.parametrize(("indent", "expected"), [(2, b'\n  "kind": "'), (None, b' "kind": "')])
def test_the_grammar_tree_lays_out_as_the_text_does(indent: int | None, expected: bytes) -> None:
    matcher = sg.Matcher(sg.compile(sg.json_schema(PERSON), tokenizer()))
    drafter = GrammarTree()
    drafter.begin(facts())
    written = json.dumps({"name": "Jo", "kind": "customer"}, indent=indent).encode()
    tokens = tokenizer().encode(written[: written.index(b",") + 1])
    for at, token in enumerate(tokens):
        drafter.propose(view(matcher, tokens[:at]), 16)
        matcher.advance(token)
    texts = {tokenizer().decode(path) for path in paths(drafter.propose(view(matcher, tokens), 32))}
    assert any(text.startswith(expected) for text in texts)
