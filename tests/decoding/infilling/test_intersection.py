"""Holes with a type of their own under a grammar of the whole: against lists of all fillings, and parsers."""

from __future__ import annotations

import itertools
import json
import re

import jsonschema
import lark
import numpy as np
import pytest
from enumerated import accepts, check, random_automaton
from for_each import for_each
from object_schemas import BOOLEAN, object_of
from toy_models import filled as fill

import structgen as sg
from structgen.decoding.infilling.canvas import Piece, whole_part
from structgen.decoding.infilling.intersection import intersection
from structgen.decoding.infilling.lattice import NULL
from structgen.decoding.infilling.schedulers import NAMES

TOKENS, END, PAD = 5, 3, 4


TEMPLATES = {
    "typed": (Piece(name="a", slots=3), Piece((0,), "0"), Piece(name="b", slots=2, least=1)),
    "adjacent": (Piece(name="a", slots=2), Piece(name="b", slots=3), Piece((1, 2), "12")),
    "beside any": (Piece((2,), "2"), Piece(name="a", slots=2), Piece(name="any", slots=2), Piece((1,), "1")),
    "exact": (Piece(name="any", slots=2), Piece(name="a", slots=2, least=2), Piece(name="b", slots=1)),
}


def fillings(
    pieces: tuple[Piece, ...], whole: object, types: dict[str, object]
) -> dict[tuple[int, ...], float]:
    """Return all valid fillings of the canvas: the slow obvious way."""
    choices = []
    for piece in pieces:
        texts = [piece.tokens] if not piece.name else []
        for size in range(piece.least, piece.slots + 1) if piece.name else ():
            texts += itertools.product(range(TOKENS), repeat=size)
        choices.append(texts)
    found = {}
    for texts in itertools.product(*choices):
        is_typed = all(
            accepts(types[piece.name], list(text))
            for piece, text in zip(pieces, texts, strict=True)
            if piece.name in types
        )
        if not is_typed or not accepts(whole, [token for text in texts for token in text]):
            continue
        filling: list[int] = []
        for piece, text in zip(pieces, texts, strict=True):
            filling += [*text, *[NULL] * (len(piece) - len(text))]
        found[tuple(filling)] = 0.0
    return found


@pytest.mark.parametrize("name", TEMPLATES)
def test_masks_are_those_of_all_fillings_of_both(name: str) -> None:
    pieces = TEMPLATES[name]
    outline = tuple(one.name or one.tokens for one in pieces)
    feasible = 0
    for seed in range(8):
        chance = np.random.default_rng(seed)
        whole = random_automaton(chance, 4, TOKENS)
        types = {one: random_automaton(chance, 3, TOKENS) for one in "ab" if one in outline}
        both, marks = intersection(whole, outline, tuple(types.items()), 1000)
        part = whole_part(pieces, both, marks, end_token=END, pad_token=PAD)
        wanted = fillings(pieces, whole, types)
        check(part.lattice, wanted, part.at[0])
        feasible += bool(wanted)
    assert feasible >= 2


SCHEMA = object_of(
    id={"type": "integer", "minimum": 5, "maximum": 40}, tag={"type": "string", "maxLength": 5}, on=BOOLEAN
)
TEMPLATE = '{"id": {id: /[0-9]*[02468]/, 3}, "tag": "{tag: /[a-c]+é?/, 5}", "on": {on}}'


@for_each("scheduler", NAMES)
def test_the_whole_is_a_document_and_each_hole_is_of_its_type(scheduler: str) -> None:
    found = fill(TEMPLATE, grammar=SCHEMA, scheduler=scheduler, temperature=1.5)
    jsonschema.validate(json.loads(found.text), SCHEMA)
    assert re.fullmatch("[0-9]*[02468]", found.values["id"])
    assert re.fullmatch("[a-c]+é?", found.values["tag"]) and found.values["on"] in ("true", "false")
    assert found.value["tag"] == found.values["tag"]


def test_a_hole_with_a_json_type_has_a_value_and_the_whole_is_parsed_by_lark() -> None:
    source = 'start: item (";" item)*\nitem: /[a-z]+/ "=" (/-?[0-9]+/ | /"[^"\\\\\\\\]*"/)'
    parser = lark.Lark(source, parser="lalr")
    for seed in range(2):
        found = fill(
            "{rest};b={n: int, 4};c={text: str, 6}",
            grammar=sg.lark(source),
            temperature=1.5,
            seed=seed,
        )
        parser.parse(found.text)
        assert isinstance(found.values["n"], int) and isinstance(found.values["text"], str)
        assert f";b={found.values['n']};c=" in found.text


def test_states_of_both_past_the_limit_are_refused_with_their_numbers() -> None:
    asked = {"template": "{a: /([bc]{6})*/, 50}", "grammar": "([bc]{7})*", "length": "exact"}
    with pytest.raises(
        sg.errors.OptionError, match=r"has 7 states .*'a' a type of 6: .* than the 41 .* max_states="
    ):
        fill(**asked, max_states=48, slots={"a": 42})
    assert len(fill(**asked, max_states=49, slots={"a": 42}).text) == 42


def test_a_depth_goes_to_the_grammars_that_have_anything_to_count() -> None:
    tree = {"type": "array", "items": {"$ref": "#"}, "maxItems": 2}
    found = fill("{a: /x+/, 3} {b}", holes={"b": tree}, depth=2, slots=8)
    assert re.fullmatch(r"x+ \[.*\]", found.text) and found.exactness == "depth<=2"
    inside = fill('{"k": {b}}', grammar='\\{"k": .*\\}', holes={"b": tree}, depth=2, slots=8)
    assert isinstance(inside.values["b"], list) and inside.exactness == "depth<=2"
    with pytest.raises(sg.errors.OptionError, match="Only brackets"):
        fill("{a: /x+/, 3} {b: /y/}", depth=2)
