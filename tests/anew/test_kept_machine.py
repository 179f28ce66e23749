"""The file of the Lark machine that waits in `anew/`: another process goes on where one has ended."""

from __future__ import annotations

import warnings
from pathlib import Path

import grammars_drawn as drawn
import pytest
from test_lark_machine import GRAMMARS, TOKENS

import structgen as sg
from structgen.lark_grammars.compiled import kept_lark as kept
from structgen.lark_grammars.compiled.compiled_lark import CompiledLark
from structgen.core.compiled import State
from structgen.maskbench import vocabularies
from structgen.store.mask_store import MaskStore

Asked = dict[bytes, tuple[list[int], bool, bytes]]


def asked(compiled: CompiledLark, most: int) -> Asked:
    """Return what is answered behind some texts."""
    found: Asked = {}
    pending = [(b"", compiled.start.index)]
    for text, index in pending:
        state = State(compiled, index)
        found[text] = compiled.allowed(state), compiled.may_end(index), compiled.completion(state)
        if len(found) == most:
            break
        for byte in compiled.next_bytes(state)[:6]:
            after = bytes((byte,))
            pending.append((text + after, compiled.bytes_index(index, after)))
    return found


def again(grammar: object, folder: Path, most: int) -> tuple[Asked, CompiledLark]:
    """Return what a new store's grammar answers, and the grammar; what it has met is written."""
    store = MaskStore(folder)
    compiled = CompiledLark(grammar, TOKENS, None, store)
    found = asked(compiled, most)
    store.flush()
    return found, compiled


@pytest.mark.parametrize("seed", range(8000, 8016))
def test_a_file_answers_as_the_grammar_did_and_further_texts_are_read_on(seed: int, tmp_path: Path) -> None:
    text, postlex = drawn.drawn(seed, looks=seed % 3 == 1), None
    if seed % 3 == 2:
        text, postlex = drawn.drawn_blocks(seed), drawn.Blocks()
    if drawn.judge(text, postlex) is None:
        pytest.skip("lark refuses it")
    grammar = sg.lark(text, postlex=postlex)
    try:
        whole = asked(CompiledLark(grammar, TOKENS, None, False), 40)
    except sg.StructgenError:
        pytest.skip("it has no text, or a limit")
    for most in (3, 12, 40, 40):
        found, compiled = again(grammar, tmp_path, most)
        assert found == {text: whole[text] for text in found}
        assert (compiled._kept is None) == (most == 3)


def test_nothing_is_made_for_what_the_file_has(tmp_path: Path) -> None:
    tokenizer, grammar = vocabularies.load("small"), sg.lark(GRAMMARS / "json.lark")
    masks = []
    for _ in range(2):
        store = MaskStore(tmp_path)
        compiled = CompiledLark(grammar, tokenizer, None, store)
        matcher, mask = sg.Matcher(compiled), sg.allocate_mask(1, tokenizer.vocab_size)
        masks.append([])
        for token in tokenizer.encode(b'{"a": [1, "x\\n", {"b": -2.5e3}], "c": null}'):
            matcher.fill_mask(mask)
            masks[-1].append(mask.array.tobytes())
            matcher.advance(token)
        store.flush()
    assert masks[0] == masks[1]
    assert compiled._answers._parts is None


def masks(compiled: CompiledLark, text: bytes) -> list[bytes]:
    matcher, mask, found = sg.Matcher(compiled), sg.allocate_mask(1, compiled.vocab_size), []
    for token in compiled.tokenizer.encode(text):
        matcher.fill_mask(mask)
        found.append(mask.array.tobytes())
        matcher.advance(token)
    return found


def test_texts_that_nobody_has_met_are_read_on_with_the_records_of_the_file(tmp_path: Path) -> None:
    tokenizer, grammar = vocabularies.load("small"), sg.lark(GRAMMARS / "sql.lark")
    fresh = CompiledLark(grammar, tokenizer, None, False)
    for text in (
        b"SELECT a",
        b"SELECT a, 'x y' FROM b",
        b"select x.y from t where a >= 2 and b = 'q' order by 1",
    ):
        store = MaskStore(tmp_path)
        assert masks(CompiledLark(grammar, tokenizer, None, store), text) == masks(fresh, text)
        store.flush()


def test_a_successor_has_the_records_and_goes_on() -> None:
    tokenizer, grammar, text = (
        vocabularies.load("small"),
        sg.lark(GRAMMARS / "sql.lark"),
        b"SELECT a, b FROM c",
    )
    first = CompiledLark(grammar, tokenizer, None, False)
    expected = masks(first, text)
    second = first.anew()
    assert second.sizes["machine_states"] < first.sizes["machine_states"]
    assert masks(second, text) == expected
    assert second.sizes["records"] == first.sizes["records"]
    other = b"select x.y from t where a >= 2 and b = 'q' order by 1"
    assert masks(second, other) == masks(first, other)
    assert masks(second.anew(), other) == masks(first, other)


def test_what_is_made_ahead_is_made_once() -> None:
    compiled = CompiledLark(sg.lark(GRAMMARS / "json.lark"), vocabularies.load("small"), None, False)
    states, size = compiled.prepare(), compiled.nbytes
    assert (compiled.prepare(), compiled.nbytes) == (states, size)


def test_records_are_kept_where_the_states_are_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "_MOST_STATES", 1)
    grammar = sg.lark(GRAMMARS / "json.lark")
    whole, _first = again(grammar, tmp_path, 20)
    found, compiled = again(grammar, tmp_path, 20)
    assert found == whole
    assert compiled._kept is not None
    assert compiled._kept.tables["nodes"].shape[0] == 0 < len(compiled._kept.tables["records"])


def test_a_damaged_file_is_told_and_made_anew(tmp_path: Path) -> None:
    grammar = sg.lark(GRAMMARS / "json.lark")
    whole, _compiled = again(grammar, tmp_path, 10)
    (path,) = (one for one in tmp_path.rglob("*.grammar"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.warns(sg.StoreWarning, match="damaged"):
        found, compiled = again(grammar, tmp_path, 10)
    assert found == whole
    assert compiled._kept is None


def test_masks_are_listed_where_the_store_is_full(tmp_path: Path) -> None:
    tokenizer, grammar = vocabularies.load("small"), sg.lark(GRAMMARS / "json.lark")
    rows = []
    for memory in (1 << 26, 1 << 26, 1 << 12):
        store = MaskStore(tmp_path, memory=memory)
        compiled = CompiledLark(grammar, tokenizer, None, store)
        with warnings.catch_warnings():
            rows.append(compiled.allowed(compiled.start))
        store.flush()
    assert rows[0] == rows[1] == rows[2]
