"""What `compile` refuses, and what a compiled grammar is by itself."""

from __future__ import annotations

import gc
import os
import pickle
import weakref
from pathlib import Path
from typing import Any

import pytest

import structgen as sg

BYTES: list[bytes | None] = [bytes([byte]) for byte in range(256)]
TOKENIZER = sg.Tokenizer.from_bytes([*BYTES, None], eos_token_id=256)
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


def test_a_vocabulary_that_cannot_write_a_byte_is_refused_by_its_name() -> None:
    tokens = [*BYTES, None]
    tokens[ord("{")] = None
    tokenizer = sg.Tokenizer.from_bytes(tokens, eos_token_id=256)
    with pytest.raises(sg.errors.TokenizerError, match="0x7b"):
        sg.compile(sg.json_schema(SCHEMA), tokenizer)


def test_bytes_that_utf_8_never_has_may_be_missing() -> None:
    tokens = [*BYTES, None]
    tokens[0xFF] = None
    compiled = sg.compile(sg.json_schema(SCHEMA), sg.Tokenizer.from_bytes(tokens, eos_token_id=256))
    assert compiled.allowed(compiled.start)


def test_a_compiled_grammar_pickles_with_its_limits() -> None:
    compiled = sg.compile(sg.json_schema(SCHEMA), TOKENIZER, limits=sg.Limits(depth=7))
    again = pickle.loads(pickle.dumps(compiled))
    assert again.limits == compiled.limits
    assert again.allowed(again.start) == compiled.allowed(compiled.start)


@pytest.mark.parametrize("kind", [str, Path], ids=["text", "path"])
def test_a_folder_is_the_store_that_lies_there(kind: Any, tmp_path: Path) -> None:
    compiled = sg.compile(sg.lark('start: "a" "b"'), TOKENIZER, store=kind(tmp_path / "masks"))
    compiled.allowed(compiled.start)
    assert compiled.store.path == tmp_path / "masks"
    assert list(compiled.store.path.rglob("*.lexer"))


def test_a_folder_has_one_store_however_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stores = [
        sg.compile(sg.json_schema(SCHEMA), TOKENIZER, store=one).store
        for one in ("masks", tmp_path / "masks", f"{tmp_path}{os.sep}x{os.sep}..{os.sep}masks{os.sep}")
    ]
    assert stores[0] is stores[1] is stores[2]


def test_the_store_of_a_folder_goes_with_the_last_who_has_it(tmp_path: Path) -> None:
    compiled = sg.compile(sg.json_schema(SCHEMA), TOKENIZER, store=tmp_path)
    gone = weakref.ref(compiled.store)
    del compiled
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("store", [True, 3, "", b"masks"], ids=repr)
def test_what_is_no_store_is_refused(store: Any) -> None:
    with pytest.raises(sg.errors.OptionError, match="MaskStore"):
        sg.compile(sg.json_schema(SCHEMA), TOKENIZER, store=store)


def test_completions_survive_growing_automata() -> None:
    """Arrays that a completion outgrew are still read by compiled code: they must not be gone."""
    schema = {
        "not": {
            "patternProperties": {"[ab]": {"minLength": 1}},
            "additionalProperties": False,
            "properties": {"b": {"minimum": 1}},
        }
    }
    compiled = sg.compile(sg.json_schema(schema), TOKENIZER, store=False)
    state = compiled.start
    for byte in '{"}c즻":"}%oé","x":1,"aa":"":'.encode():
        compiled.allowed(state)
        compiled.tokens_to_finish(state)
        after = compiled.step(state, byte)
        if after is None:
            break
        state = after
    rest = compiled.step_bytes(state, compiled.completion(state))
    assert rest is not None and rest.is_complete


def test_a_vocabulary_and_its_masks_outlive_the_last_grammar() -> None:
    """A server's next grammar finds what the last one left: nothing is walked again."""
    store = sg.MaskStore()
    tokenizer = sg.Tokenizer.from_bytes([*BYTES, b"kept", None], eos_token_id=257)
    compiled = sg.compile(sg.json_schema(SCHEMA), tokenizer, store=store)
    compiled.allowed(compiled.start)
    vocabulary = id(compiled.vocabulary)
    del compiled
    store.let_go()
    gc.collect()
    compiled = sg.compile(sg.json_schema(SCHEMA), tokenizer, store=store)
    made = store.of(compiled.vocabulary).records_made
    compiled.allowed(compiled.start)
    assert id(compiled.vocabulary) == vocabulary
    assert store.of(compiled.vocabulary).records_made == made > 0


@pytest.mark.parametrize("whitespace", ["any", "bounded"])
def test_after_an_end_token_white_space_is_refused_too(whitespace: str) -> None:
    compiled = sg.compile(sg.json_schema({"const": 1}, whitespace=whitespace), TOKENIZER, store=False)
    for blank in b" \n\t\r":
        matcher = sg.Matcher(compiled)
        assert matcher.accepts([ord("1"), 256, blank]) == 2
        matcher.advance(ord("1"))
        matcher.advance(256)
        with pytest.raises(sg.errors.FinishedError):
            matcher.advance(blank)


def has_mask_of_start(compiled: Any) -> bool:
    """Return whether the mask of the start is memoised."""
    return sg.Matcher(compiled).fill_known(sg.allocate_mask(1, TOKENIZER.vocab_size), 0)


@pytest.mark.parametrize("first_mask", [True, False])
def test_the_first_mask_of_a_schema_is_made_with_the_grammar_unless_nobody_needs_it(first_mask: bool) -> None:
    compiled = sg.compile(sg.json_schema(SCHEMA), TOKENIZER, store=False, first_mask=first_mask)
    assert has_mask_of_start(compiled) is first_mask
    assert compiled.allowed(compiled.start) == [9, 10, 13, 32, ord("{")]


def test_a_grammar_of_texts_leaves_its_first_mask() -> None:
    assert not has_mask_of_start(sg.compile(sg.lark('start: "a" "b"'), TOKENIZER, store=False))


def test_a_limit_that_the_first_mask_meets_is_told_by_the_mask() -> None:
    text = {"type": "string", "pattern": "^(a|b)*c{3}$"}
    schema = {"type": "array", "items": {"type": "array", "items": text}}
    tokenizer = sg.Tokenizer.from_bytes([*BYTES, b'[["a', None], eos_token_id=257)
    compiled = sg.compile(sg.json_schema(schema), tokenizer, limits=sg.Limits(oracle_steps=10), store=False)
    with pytest.raises(sg.errors.LimitError, match="10 steps"):
        sg.Matcher(compiled).fill_mask(sg.allocate_mask(1, tokenizer.vocab_size))


def test_first_mask_is_true_or_false() -> None:
    with pytest.raises(sg.errors.OptionError, match="must be True or False"):
        sg.compile(sg.json_schema(SCHEMA), TOKENIZER, first_mask=1)  # type: ignore[arg-type]
