"""A typed hole may end with a token that holds the punctuation behind it; text and values are the same."""

from __future__ import annotations

import json
import re

import pytest
from toy_models import Telling, Toy, byte_tokenizer
from toy_models import filled as fill

import structgen as sg
from structgen.decoding.infilling.schedulers import CanvasStep, ConfidentPrefix

TOKENIZER = byte_tokenizer()
ENDS = TOKENIZER.token_bytes.index(b'"}')
BEFORE = TOKENIZER.encode(b'{"a": ')
CROSSED = TOKENIZER.token_bytes.index(b'", "')


def told(*tokens: int) -> Telling:
    return Telling(TOKENIZER, 1, list(tokens), shift=False)


@pytest.mark.parametrize("scheduler", ["auto", "left-to-right"])
def test_a_hole_ends_with_the_token_that_holds_the_text_behind_it(scheduler: str) -> None:
    model = told(*BEFORE, *b'"qwe', ENDS)
    found = fill('{"a": {x: str, 5}}', model, scheduler=scheduler)
    assert found.text == '{"a": "qwe"}' and found.values == {"x": "qwe"}
    assert ENDS in found.tokens and not found.full


class Whole:
    """A scheduler of the caller's own."""

    def fill(self, step: CanvasStep) -> None:
        ConfidentPrefix(0.0).fill(step)


@pytest.mark.parametrize(
    "options",
    [{"length": "exact"}, {"scheduler": Whole()}],
    ids=["exact", "a scheduler of one's own"],
)
def test_elsewhere_no_token_crosses_the_edge(options: dict[str, object]) -> None:
    found = fill('{"a": {x: str, 5}}', told(*BEFORE, *b'"qwe', ENDS), **options)
    assert ENDS not in found.tokens and isinstance(json.loads(found.text)["a"], str)


def test_text_behind_punctuation_is_not_crossed() -> None:
    found = fill('{x: str, 5}, "b"', told(*b'"qwe', CROSSED))
    assert CROSSED not in found.tokens and found.text.endswith('", "b"')


TEMPLATES = {
    "a": ("<{a: /[a-z]{1,3}/, 4}>", r"<([a-z]{1,3})>"),
    "text that a hole may end with": ("{a: /[a.]{1,3}/, 3}.a{b: int, 3}.", r"([a.]{1,3})\.a(-?\d+)\."),
    "one name twice": ("{a: /[0-9]+/, 3};{a: /[0-9]+/, 3},", r"([0-9]+);\1,"),
    "one name twice, alike": ("{a: /[0-9]+/, 3},{a: /[0-9]+/, 3},.", r"([0-9]+),\1,\."),
    "beside another hole": ('{"k":{a: bool, 2}{b: /\\}?/, 2}}', r'\{"k":(true|false)(\}?)\}'),
}


@pytest.mark.parametrize("temperature", [0.0, 2.0])
@pytest.mark.parametrize(("template", "pattern"), TEMPLATES.values(), ids=TEMPLATES.keys())
def test_the_text_is_the_template_with_texts_of_the_types(
    template: str, pattern: str, temperature: float
) -> None:
    for seed in range(12):
        found = fill(template, Toy(TOKENIZER), temperature=temperature, seed=seed)
        match = re.fullmatch(pattern, found.text)
        assert match, found.text
        written = [one if isinstance(one, str) else json.dumps(one) for one in found.values.values()]
        assert written == list(match.groups())


def test_a_hole_has_as_many_slots_for_its_own_text_as_without_punctuation() -> None:
    assert fill("{a: /[a-z]{4}/, 4}>>>", Toy(TOKENIZER)).text.endswith(">>>")
    with pytest.raises(sg.errors.NoFillingError, match="has 3 slots and needs 4") as raised:
        fill("{a: /[f-z]{4}/, 3}>>>", Toy(TOKENIZER))
    assert raised.value.slots == 4
