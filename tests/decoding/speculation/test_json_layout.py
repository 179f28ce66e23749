"""White space of JSON texts, learnt from what was written; the oracle is json.dumps."""

from __future__ import annotations

import json
from typing import Any

import pytest
from draft_cases import PERSON, facts, paths, tokenizer, view

import structgen as sg
from structgen.decoding.speculation.drafters.grammar_tree import GrammarTree

LAYOUTS: list[dict[str, Any]] = [
    {},
    {"separators": (",", ":")},
    {"indent": 1},
    {"indent": 4},
    {"indent": "\t"},
    {"indent": 2, "separators": (",", ":")},
    {"indent": 0},
]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_grammar_tree_lays_out_as_the_text_does(layout: dict[str, Any]) -> None:
    """Behind the first record each place at which the grammar has one way but for white space is drafted."""
    grammar = sg.json_schema({"type": "array", "items": PERSON})
    matcher, drafter = sg.Matcher(sg.compile(grammar, tokenizer())), GrammarTree()
    drafter.begin(facts())
    people = [{"name": 'a "quoted, {x}: [1]\\', "kind": "customer", "active": True} for _ in range(3)]
    text = json.dumps(people, **layout).encode()
    tokens, wrong, told, done = tokenizer().encode(text), [], 0, 0
    for at, token in enumerate(tokens):
        drafted = [
            tokenizer().decode(path) for path in paths(drafter.propose(view(matcher, tokens[:at]), 32))
        ]
        if done > text.index(b"true") and drafted:
            told += 1
            if not any(text.startswith(one, done) for one in drafted):
                wrong.append(text[done : done + 20])
        matcher.advance(token)
        done += len(tokenizer().decode([token]))
    assert wrong == []
    assert told > 10
