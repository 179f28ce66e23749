"""The end of a text in `model.generate`, whatever end tokens the model has: a row is one document, and
only end and padding tokens come behind it."""

from __future__ import annotations

import copy
import json
import warnings
from functools import cache
from typing import Any

import pytest
import torch
from object_schemas import object_of
from small_llama import END, TOKENIZER, WIDTH, batch, opinionated

import structgen as sg
from structgen.doors.integrations import generation_ends
from structgen.doors.integrations.transformers import LogitsProcessor

pytestmark = pytest.mark.filterwarnings("ignore:generate stops")
SPECIAL = next(token for token in TOKENIZER.special_ids if token != END)
BEYOND = WIDTH - 2
"""A token of the model, and not of the tokenizer."""
QUOTE = TOKENIZER.token_bytes.index(b'"')
MOST = 16

OBJECT = sg.json_schema(object_of(by={"enum": ["Ada", "Bob"]}), whitespace="compact")
NUMBERS = sg.json_schema(
    {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 99}, "minItems": 1, "maxItems": 3}
)

ENDS: dict[str, Any] = {
    "the tokenizer's": END,
    "another": SPECIAL,
    "one beyond the vocabulary": BEYOND,
    "a list with the tokenizer's": [END, SPECIAL],
    "a list without it": [SPECIAL, BEYOND],
    "none": None,
    "text": QUOTE,
    "text and another": [QUOTE, BEYOND],
}
PADS = {"another": SPECIAL, "a list with the tokenizer's": TOKENIZER.special_ids[-1], "text": BEYOND + 1}
"""Padding tokens of models; of the others it is the tokenizer's end token."""
WAYS: dict[str, dict[str, Any]] = {
    "greedy": {"do_sample": False},
    "drawn": {"do_sample": True},
    "beams": {"do_sample": False, "num_beams": 3},
    "several beams": {"do_sample": False, "num_beams": 3, "num_return_sequences": 2},
    "several draws": {"do_sample": True, "num_return_sequences": 3},
}


@cache
def llama() -> Any:
    return opinionated()


def of(eos: Any, pad: int = END) -> Any:
    """Return a model with opinions and these end and padding tokens."""
    model = copy.copy(llama())
    model.config = copy.deepcopy(model.config)
    model.generation_config = copy.deepcopy(model.generation_config)
    for config in (model.config, model.generation_config):
        config.eos_token_id, config.pad_token_id = eos, pad
    return model


def listed(ends: Any) -> set[int]:
    return set() if ends is None else {ends} if isinstance(ends, int) else set(ends)


def document(row: list[int], closing: set[int]) -> Any:
    """Return the value of the document that a row holds: all of its text, behind which only tokens of
    `closing` stand."""
    size = next((at for at, token in enumerate(row) if token in closing), len(row))
    assert closing.issuperset(row[size:])
    text = TOKENIZER.decode([token for token in row if token < TOKENIZER.vocab_size])
    assert text == TOKENIZER.decode(row[:size])
    return json.loads(text)


PAIRS = {(eos, "drawn") for eos in ENDS} | {("a list without it", way) for way in WAYS}
"""Each end with one way, and each way with one end; the others are slow."""


@pytest.mark.parametrize(
    ("eos", "way"),
    [
        pytest.param(eos, way, marks=() if (eos, way) in PAIRS else pytest.mark.slow)
        for eos in ENDS
        for way in WAYS
    ],
)
def test_each_row_is_one_document_and_ends(eos: str, way: str) -> None:
    pad = PADS.get(eos, END)
    model, inputs = of(ENDS[eos], pad), batch("one", "number two, and longer", "three")
    processor = LogitsProcessor([OBJECT, NUMBERS, OBJECT], TOKENIZER, max_new_tokens=MOST)
    out = model.generate(**inputs, **WAYS[way], logits_processor=[processor], max_new_tokens=MOST)
    closing = {END, pad} | listed(ENDS[eos])
    for at, row in enumerate(out[:, inputs["input_ids"].shape[1] :].tolist()):
        value = document(row, closing)
        if 3 * at // len(out) == 1:
            assert 1 <= len(value) <= 3
        else:
            assert value["by"] in ("Ada", "Bob")


@pytest.mark.parametrize("eos", ["another", "text and another", "none"])
@pytest.mark.parametrize("door", ["argument", "config", "model's config"])
def test_the_end_tokens_are_those_of_the_generation(eos: str, door: str) -> None:
    model, inputs, options = of(END), batch("one"), dict[str, Any]()
    if door == "argument" and ENDS[eos] is not None:
        options = {"eos_token_id": ENDS[eos]}
    elif door == "config":
        config = copy.deepcopy(model.generation_config)
        config.eos_token_id = ENDS[eos]
        options = {"generation_config": config}
    else:
        model.generation_config.eos_token_id = ENDS[eos]
    processor = LogitsProcessor(OBJECT, TOKENIZER)
    out = model.generate(
        **inputs, **options, logits_processor=[processor], max_new_tokens=MOST, do_sample=False
    )
    (row,) = out[:, inputs["input_ids"].shape[1] :].tolist()
    assert document(row, {END} | listed(ENDS[eos]))["by"] in ("Ada", "Bob")


@pytest.mark.parametrize("eos", [END, SPECIAL, QUOTE])
@pytest.mark.parametrize("assistant", ["a model", "the prompt"])
def test_drafts_of_an_assistant_are_followed(eos: int, assistant: str) -> None:
    model, inputs = of(eos), batch('{"by":"Ada"} {"by":"Ada"}')
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.get_output_embeddings().weight[::3].neg_()
    drafts = {"assistant_model": other} if assistant == "a model" else {"prompt_lookup_num_tokens": 4}
    rows = [
        model.generate(
            **inputs,
            **given,
            logits_processor=[LogitsProcessor(OBJECT, TOKENIZER)],
            max_new_tokens=MOST,
            do_sample=False,
        )[0, inputs["input_ids"].shape[1] :].tolist()
        for given in ({}, drafts)
    ]
    assert rows[0] == rows[1][: len(rows[0])]
    assert document(rows[1], {END, eos})["by"] in ("Ada", "Bob")


@pytest.mark.parametrize("named", [True, False])
def test_a_loop_of_ones_own_writes_one_document_too(named: bool) -> None:
    model = of([QUOTE, BEYOND])
    processor = LogitsProcessor(OBJECT, TOKENIZER, model=model if named else None)
    for _ in range(2):
        ids = batch("one")["input_ids"]
        size = ids.shape[1]
        for _ in range(MOST):
            scores = processor(ids, model(ids).logits[:, -1])
            ids = torch.cat((ids, scores.argmax(-1)[:, None]), 1)
        row = ids[0, size:].tolist()
        assert document(row, {END, BEYOND})["by"] in ("Ada", "Bob")
        assert (QUOTE in row) is (BEYOND not in row) is not named


@pytest.mark.parametrize("given", [True, False])
def test_an_end_token_that_the_grammar_cannot_do_without_is_refused(given: bool) -> None:
    model = of(TOKENIZER.token_bytes.index(b"~"))
    with pytest.raises(
        sg.errors.OptionError, match=rf"nothing else ends a text.*Pass eos_token_id=\[{END}\]"
    ):
        processor = LogitsProcessor(sg.regex("a~+"), TOKENIZER, model=model if given else None)
        model.generate(**batch("one"), logits_processor=[processor], max_new_tokens=8)


def told(eos: Any, times: int = 2) -> list[str]:
    """Return the warnings of generations by processors of their own."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(times):
            processor = LogitsProcessor(NUMBERS, TOKENIZER)
            of(eos).generate(**batch("one"), logits_processor=[processor], max_new_tokens=8)
    return [str(one.message) for one in caught if "generate stops" in str(one.message)]


@pytest.mark.parametrize("eos", ENDS)
def test_a_difference_is_told_once(eos: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation_ends, "_warned_pairs", set())
    expected = 0 if END in listed(ENDS[eos]) else 1
    found = told(ENDS[eos])
    assert len(found) == expected
    assert all(f"Pass eos_token_id=[{END}] to generate." in one for one in found)
    assert not told(ENDS[eos], 1)
