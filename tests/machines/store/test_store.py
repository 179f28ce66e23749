"""The mask store: what grammars of one process share, and what a folder holds."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import structgen as sg
from structgen.base.native.cache_entries import evict_files
from structgen.decoding.runs.resources import small_tokenizer
from structgen.errors import OptionError
from structgen.machines.store.mask_store import LEXER_SUFFIX, VocabularyStore, default_store
from structgen.tokens.token_mask import tokens_of
from structgen.tokens.vocabulary import Vocabulary

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 2, "maxLength": 9},
        "code": {"type": "string", "pattern": "^[a-f]{2,5}$"},
        "size": {"type": "number", "minimum": 3},
        "note": {"type": "string"},
    },
    "required": ["name", "size"],
}
TEXT = '{"name": "Ada", "code": "abcd", "size": 31.25, "note": "a \\"b\\" \\u00e9\\n"}'


@pytest.fixture(scope="module")
def tokenizer() -> sg.Tokenizer:
    return sg.Tokenizer.from_huggingface(small_tokenizer())


def compiled_of(tokenizer: sg.Tokenizer, store: Any, schema: Any = SCHEMA) -> sg.CompiledGrammar:
    return sg.compile(sg.json_schema(schema), tokenizer, store=store)


def masks_of(compiled: sg.CompiledGrammar, text: str = TEXT) -> list[bytes]:
    """Return the masks on the way through a document."""
    tokenizer = compiled.tokenizer
    matcher, mask, found = sg.Matcher(compiled), sg.allocate_mask(1, tokenizer.vocab_size), []
    for token in tokenizer.encode(text.encode()):
        mask.array[:] = -1
        matcher.fill_mask(mask)
        found.append(mask.array.tobytes())
        matcher.advance(token)
    assert matcher.is_complete
    return found


@pytest.fixture(scope="module")
def expected(tokenizer: sg.Tokenizer) -> list[bytes]:
    return masks_of(compiled_of(tokenizer, False))


def part_of(store: sg.MaskStore, tokenizer: sg.Tokenizer) -> VocabularyStore:
    return store.of(Vocabulary.of_tokenizer(tokenizer))


def test_the_oldest_files_go_when_the_folder_is_full(tmp_path: Path) -> None:
    for number in range(8):
        path = tmp_path / f"{number}{LEXER_SUFFIX}"
        path.write_bytes(bytes(100))
        os.utime(path, (number, number))
    evict_files(tmp_path, 350, [LEXER_SUFFIX])
    assert sorted(int(path.stem) for path in tmp_path.iterdir()) == [5, 6, 7]


def test_schemas_and_their_masks_leave_no_file(tmp_path: Path, tokenizer: sg.Tokenizer) -> None:
    store = sg.MaskStore(tmp_path)
    masks_of(compiled_of(tokenizer, store))
    assert not list(tmp_path.iterdir())


def test_the_option_that_lost_its_meaning_is_refused_by_name_with_a_cure(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"'grammars'.*Leave it out: .*in memory alone"):
        sg.MaskStore(tmp_path, grammars=True)  # type: ignore[call-arg]


def test_what_a_crashed_writer_left_goes_in_time(tmp_path: Path) -> None:
    for name, age in (("old", 4000), ("new", 10)):
        path = tmp_path / f".x.masks.{name}.tmp"
        path.touch()
        os.utime(path, (time.time() - age,) * 2)
    evict_files(tmp_path, 0, [LEXER_SUFFIX])
    assert [path.name for path in tmp_path.iterdir()] == [".x.masks.new.tmp"]


def test_the_default_store_lies_in_the_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRUCTGEN_CACHE", str(tmp_path / "one"))
    one = default_store()
    assert one.path == tmp_path / "one" / "masks" and default_store() is one
    monkeypatch.setenv("STRUCTGEN_CACHE", str(tmp_path / "two"))
    assert default_store().path == tmp_path / "two" / "masks"


def test_no_store_means_nothing_is_shared(tokenizer: sg.Tokenizer, expected: list[bytes]) -> None:
    one, two = compiled_of(tokenizer, False), compiled_of(tokenizer, False)
    assert masks_of(one) == masks_of(two) == expected
    assert part_of(one.store, tokenizer).records_made == part_of(two.store, tokenizer).records_made > 0


def test_grammars_share_what_they_have_in_common(tokenizer: sg.Tokenizer) -> None:
    store = sg.MaskStore()
    compiled = [
        compiled_of(
            tokenizer,
            store,
            {"type": "object", "properties": {key: {"type": "string"}}, "additionalProperties": False},
        )
        for key in "ab"
    ]
    masks_of(compiled[0], '{"a": "xyz"}')
    made = part_of(store, tokenizer).records_made
    masks_of(compiled[1], '{"b": "xyz"}')
    assert part_of(store, tokenizer).records_made == made > 0


@pytest.mark.parametrize("memory", [0, 1000, 3000, 6000])
def test_past_the_memory_masks_are_computed_not_kept(
    tokenizer: sg.Tokenizer, expected: list[bytes], memory: int
) -> None:
    row = 4 * -(-tokenizer.vocab_size // 32)
    store = sg.MaskStore(memory=memory)
    compiled = compiled_of(tokenizer, store)
    assert masks_of(compiled) == masks_of(compiled) == expected
    assert store.nbytes <= 2 * max(memory, row)


@pytest.mark.parametrize("option", [{"memory": -1}, {"memory": 1.5}, {"disk": -1}, {"disk": True}])
def test_a_size_that_is_none_is_refused(option: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="must be a whole number, at least 0"):
        sg.MaskStore(**option)


@given(st.binary(min_size=8, max_size=8))
def test_tokens_of_a_row_are_its_bits(data: bytes) -> None:
    row = np.frombuffer(data, np.int32)
    assert tokens_of(row).tolist() == [i for i in range(64) if data[i // 8] >> (i % 8) & 1]


def test_a_matcher_tells_its_memory_at_most_64_bytes_a_token(tokenizer: sg.Tokenizer) -> None:
    matcher = sg.Matcher(
        compiled_of(tokenizer, sg.MaskStore(), {"type": "array", "items": {"type": "integer"}})
    )
    empty = matcher.nbytes
    tokens = tokenizer.encode(("[" + ", ".join(["12"] * 2000) + "]").encode())
    for token in tokens:
        matcher.advance(token)
    assert 8 * len(tokens) <= matcher.nbytes - empty <= 64 * len(tokens)


def test_the_store_counts_its_memory(tokenizer: sg.Tokenizer) -> None:
    store = sg.MaskStore()
    assert store.nbytes == 0
    compiled = compiled_of(tokenizer, store)
    masks_of(compiled)
    part = store.of(compiled.vocabulary)
    assert store.nbytes > part.rows[: part.used].nbytes > 0
