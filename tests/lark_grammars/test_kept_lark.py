"""The file of a Lark grammar and a vocabulary: another process goes on where one has ended."""

from __future__ import annotations

import gc
import random
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import grammars_drawn as drawn
import numpy as np
import pytest
from test_lark_machine import GRAMMARS, LONGER, TOKENS

import structgen as sg
from structgen.core.compiled import State
from structgen.lark_grammars.compiled import written_lark as kept
from structgen.lark_grammars.compiled.compiled_lark import CompiledLark
from structgen.lark_grammars.lexer.lexer_tables import UNKNOWN
from structgen.maskbench import vocabularies
from structgen.store.grammar_files import GRAMMAR_SUFFIX, GrammarFiles
from structgen.store.mask_store import MaskStore

PIECES = [*(bytes((one,)) for one in range(256)), *LONGER]
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


def walked(compiled: CompiledLark, source: random.Random, most: int) -> Asked:
    """Return what is answered along a text of some random tokens."""
    found: Asked = {}
    text, index = b"", compiled.start.index
    for _ in range(most):
        state = State(compiled, index)
        allowed = compiled.allowed(state)
        found[text] = allowed, compiled.may_end(index), compiled.completion(state)
        some = [PIECES[token] for token in allowed if token < len(PIECES)]
        if not some:
            break
        piece = source.choice(some)
        text, index = text + piece, compiled.bytes_index(index, piece)
    return found


@pytest.mark.parametrize("seed", range(8100, 8148))
def test_processes_that_read_other_texts_go_on_one_after_another(seed: int, tmp_path: Path) -> None:
    text, postlex = drawn.drawn(seed, looks=seed % 3 == 1), None
    if seed % 3 == 2:
        text, postlex = drawn.drawn_blocks(seed), drawn.Blocks()
    if drawn.judge(text, postlex) is None:
        pytest.skip("lark refuses it")
    grammar = sg.lark(text, postlex=postlex)
    try:
        asked(CompiledLark(grammar, TOKENS, None, False), 40)
    except sg.StructgenError:
        pytest.skip("it has no text, or a limit")
    for walk in range(5):
        store = MaskStore(tmp_path)
        compiled = CompiledLark(grammar, TOKENS, None, store)
        for one in (compiled, compiled.anew()):
            expected = walked(CompiledLark(grammar, TOKENS, None, False), random.Random(f"{seed} {walk}"), 12)
            assert walked(one, random.Random(f"{seed} {walk}"), 12) == expected
        store.flush()


LOOKS = r"""
start: (A | B | C | WORD)*
A: /a+(?=b+c)/
B: /(?<!a)b(?!cc)/
C: /[abc]/
WORD: /\b(if|else|a[bc]*d)\b/
%ignore / +|#[^\n]*/
"""


SQL = (GRAMMARS / "sql.lark").read_text()


@pytest.mark.parametrize("text", [LOOKS, SQL, *range(8100, 8120)], ids=("looks", "sql", *map(str, range(20))))
def test_what_is_made_again_has_the_numbers_of_the_file(text: str | int, tmp_path: Path) -> None:
    if isinstance(text, int):
        text = drawn.drawn(text, looks=bool(text % 2))
        if drawn.judge(text, None) is None:
            pytest.skip("lark refuses it")
    grammar = sg.lark(text)
    try:
        _found, first = again(grammar, tmp_path, 40)
    except sg.StructgenError:
        pytest.skip("it has no text, or a limit")
    _found, compiled = again(grammar, tmp_path, 1)
    assert compiled._kept is not None
    lexer, rows, _letters = compiled._answers.parts
    moves, starts = rows.arrays["moves"].copy(), rows.arrays["starts"].copy()
    made = np.array([lexer.moves(state) for state in range(len(moves))])
    assert np.array_equal(made[moves != UNKNOWN], moves[moves != UNKNOWN])
    for carry, context in np.argwhere(starts != UNKNOWN).tolist():
        assert lexer.start(context, carry) == starts[carry, context]
    assert alike_anew(compiled) == alike_anew(first)


def alike_anew(compiled: CompiledLark) -> dict[int, int]:
    """Return which carries are alike, compared anew and in another order."""
    lexer = compiled.lexer
    known = dict(lexer._alike_of)
    lexer._alike_of.clear()
    lexer._signs.clear()
    return {carry: lexer.alike(carry) for carry in reversed(known)}


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
    with pytest.warns(sg.errors.StoreWarning, match="damaged"):
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


CALLS = r"""
start: (call ";")*
call: NAME "(" [arg ("," arg)*] ")"
?arg: STRING | NUMBER | call | "not" arg
NAME: /[^\W\d]\w*/
STRING: /"(\\.|[^"\\])*"/ | /'''(?!')(.|\n)*?'''/
NUMBER: /\d+(\.\d+)?/
COMMENT: /\/\*(.|\n)*?\*\//
%ignore /[ \n]+/
%ignore COMMENT
"""
TEXT = b'f("a", 1.5, not g(x2()));'


def written(folder: Path) -> Path:
    """Have a grammar compiled, a text read, and what was met written; return the file."""
    store = MaskStore(folder)
    masks(CompiledLark(sg.lark(CALLS), TOKENS, None, store), TEXT)
    store.flush()
    (path,) = folder.rglob(f"*{GRAMMAR_SUFFIX}")
    return path


def test_what_is_kept_already_is_not_written_again(tmp_path: Path) -> None:
    before = written(tmp_path).stat().st_ino
    assert written(tmp_path).stat().st_ino == before


def test_a_grammar_is_written_after_it_was_dropped(tmp_path: Path) -> None:
    store = MaskStore(tmp_path)
    compiled = CompiledLark(sg.lark(CALLS), TOKENS, None, store)
    masks(compiled, TEXT)
    del compiled
    gc.collect()
    store.flush()
    assert len(list(tmp_path.rglob(f"*{GRAMMAR_SUFFIX}"))) == 1


def test_each_changed_byte_of_a_file_is_told_and_the_masks_are_right(tmp_path: Path) -> None:
    path, source = written(tmp_path / "whole"), random.Random(1)
    whole, expected = path.read_bytes(), masks(CompiledLark(sg.lark(CALLS), TOKENS, None, False), TEXT)
    for at in (8, 20, 200, len(whole) - 9, *(source.randrange(len(whole)) for _ in range(12))):
        folder = tmp_path / str(at)
        changed = folder / path.relative_to(tmp_path / "whole")
        changed.parent.mkdir(parents=True)
        changed.write_bytes(whole[:at] + bytes((whole[at] ^ 0x55,)) + whole[at + 1 :])
        with pytest.warns(sg.errors.StoreWarning, match="damaged"):
            found = masks(CompiledLark(sg.lark(CALLS), TOKENS, None, MaskStore(folder)), TEXT)
        assert found == expected


def test_a_file_that_was_cut_off_is_told_at_once(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:-64])
    with pytest.warns(sg.errors.StoreWarning, match="damaged"):
        CompiledLark(sg.lark(CALLS), TOKENS, None, MaskStore(tmp_path))


def test_compiling_what_was_kept_opens_one_file_of_the_store(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
import structgen as sg
text, tokenizer, folder = sys.argv[1:]
tokenizer = sg.Tokenizer.from_huggingface(tokenizer)
grammar = sg.lark(text)
sg.compile(sg.lark('start: "a"'), tokenizer, store=False)
opened = []
sys.addaudithook(lambda event, said: opened.append(str(said[0])) if event == "open" else None)
store = sg.MaskStore(path=folder)
compiled = sg.compile(grammar, tokenizer, store=store)
compiled.allowed(compiled.start)
print(*(Path(one).suffix for one in opened if one.startswith(folder) and not Path(one).is_dir()))
store.flush()
"""
    path = GRAMMARS.parent / "tests" / "data" / "bpe" / "tokenizer.json"
    command = [sys.executable, "-c", code, CALLS, str(path), str(tmp_path)]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(2)]
    assert runs[1].stdout.split() == [GRAMMAR_SUFFIX]


def test_flush_waits_for_what_is_being_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, write = threading.Event(), GrammarFiles.write

    def slow(files: GrammarFiles, grammar: Any) -> int:
        begun.set()
        time.sleep(0.5)
        return write(files, grammar)

    monkeypatch.setattr(GrammarFiles, "write", slow)
    store = MaskStore(tmp_path)
    masks(CompiledLark(sg.lark(CALLS), TOKENS, None, store), TEXT)
    CompiledLark(sg.lark(CALLS), TOKENS, None, store)  # has a thread write the one before
    assert begun.wait(30)
    store.flush()
    assert len(list(tmp_path.rglob(f"*{GRAMMAR_SUFFIX}"))) == 1
