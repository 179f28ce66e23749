"""Compiled Lark grammars on disk: who finds one ready has the masks that it would have made, and goes on."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import lark
import numpy as np
import pytest
from lark.indenter import PythonIndenter
from same_masks import bare

import structgen as sg
from structgen.errors import StoreWarning
from structgen.lark_grammars.compiled import registers as K
from structgen.lark_grammars.kept import kept_masks
from structgen.lark_grammars.kept.kept_masks import Groups
from structgen.lark_grammars.kept.state_snapshot import Slots
from structgen.lark_grammars.lark_grammar import LarkGrammar
from structgen.lark_grammars.lexer import kept_lexemes
from structgen.lark_grammars.lexer.contextual_lexer import Lexer
from structgen.lark_grammars.masks import kept_lark, lark_answers
from structgen.lark_grammars.masks.compiled_lark import CompiledLark
from structgen.lark_grammars.masks.vocabulary_tables import Records
from structgen.lark_grammars.tables import contextual_language
from structgen.lark_grammars.tables.grammar_tables import GrammarTables
from structgen.native.array_file import Later, read_header
from structgen.store.grammar_files import GRAMMAR_SUFFIX, GrammarFiles
from structgen.store.mask_store import VocabularyStore
from structgen.system.source_digests import package_digest

ROOT = Path(__file__).parents[2]

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
PYTHON = "python.lark of the lark package"
GRAMMARS = {
    "calls": (CALLS, 'f("a", 1.5, not g(x2()));', "läuft(not h('''a''b''', 12)); /* ; */ f();"),
    "Python": (
        PYTHON,
        "def f(x):\n    if x:\n        return [1, x.y]\n    return f(2)\n",
        "class A(B):\n  def g(self):  # all\n      while True: pass\n  x = {'a': lambda: 1}\nimport os\n",
    ),
}


def _grammar(text: str) -> LarkGrammar:
    if text == PYTHON:
        path = Path(lark.__file__).parent / "grammars" / "python.lark"
        return sg.lark(path, start="file_input", postlex=PythonIndenter())
    return sg.lark(text)


@pytest.fixture(scope="module")
def tokenizer() -> sg.Tokenizer:
    return sg.Tokenizer.from_huggingface(ROOT / "tests" / "data" / "bpe" / "tokenizer.json")


def masks(compiled: CompiledLark, text: str) -> list[list[int]]:
    """The tokens that are allowed before each token of a text, and behind it."""
    state, found = compiled.start, []
    for token in compiled.tokenizer.encode(text.encode()):
        found.append(compiled.allowed(state))
        after = compiled.step(state, token)
        assert after is not None
        state = after
    return [*found, compiled.allowed(state)]


def kept(grammar: LarkGrammar, tokenizer: sg.Tokenizer, folder: Path, text: str) -> None:
    """Have a grammar compiled, a text read, and what was met written."""
    store = sg.MaskStore(path=folder)
    masks(CompiledLark(grammar, tokenizer, None, store), text)
    store.flush()


def refuse(*_arguments: object) -> None:
    raise AssertionError("a language was made")


@pytest.mark.parametrize("name", GRAMMARS)
def test_masks_that_were_kept_need_no_lexer(
    name: str, tokenizer: sg.Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, text, _other = GRAMMARS[name]
    grammar = _grammar(source)
    kept(grammar, tokenizer, tmp_path, text)
    expected = masks(CompiledLark(grammar, tokenizer, None, False), text)
    monkeypatch.setattr(contextual_language.ContextualLanguage, "__init__", refuse)
    assert masks(CompiledLark(grammar, tokenizer, None, sg.MaskStore(path=tmp_path)), text) == expected


@pytest.mark.parametrize("name", GRAMMARS)
def test_a_kept_grammar_goes_on_with_texts_that_nobody_has_met(
    name: str, tokenizer: sg.Tokenizer, tmp_path: Path
) -> None:
    source, text, other = GRAMMARS[name]
    grammar = _grammar(source)
    kept(grammar, tokenizer, tmp_path, text)
    kept(grammar, tokenizer, tmp_path, other)  # from the first file, and written again
    fresh = CompiledLark(grammar, tokenizer, None, False)
    found = CompiledLark(grammar, tokenizer, None, sg.MaskStore(path=tmp_path))
    for one in (other, text, text + other):
        assert masks(found, one) == masks(fresh, one)


def test_what_is_kept_already_is_not_written_again(tokenizer: sg.Tokenizer, tmp_path: Path) -> None:
    grammar = _grammar(CALLS)
    text = GRAMMARS["calls"][1]
    kept(grammar, tokenizer, tmp_path, text)
    (path,) = tmp_path.rglob(f"*{GRAMMAR_SUFFIX}")
    path.chmod(0o400)
    before = path.stat().st_ino
    kept(grammar, tokenizer, tmp_path, text)
    assert path.stat().st_ino == before


def test_a_grammar_is_written_after_it_was_dropped(tokenizer: sg.Tokenizer, tmp_path: Path) -> None:
    store = sg.MaskStore(path=tmp_path)
    compiled = CompiledLark(_grammar(CALLS), tokenizer, None, store)
    masks(compiled, GRAMMARS["calls"][1])
    del compiled
    gc.collect()
    store.flush()
    assert len(list(tmp_path.rglob(f"*{GRAMMAR_SUFFIX}"))) == 1


def damage(folder: Path, at: int | None = None, part: str = "") -> None:
    """Change the file of a folder's only grammar: one byte, or one of each word of a part."""
    (path,) = folder.rglob(f"*{GRAMMAR_SUFFIX}")
    content = bytearray(path.read_bytes())
    if at is not None:
        content[at] ^= 0x55
    else:
        held = np.frombuffer(bytes(content), np.uint64).view(np.uint8)
        key = f"{path.stem} {package_digest()}"
        header = read_header(held, kept_lark.KIND, key)
        which = header.names.index(part)
        number = header.shapes[which][0] >> 16
        place = header.sections[number].place
        for name, one in header.arrays(number, held[place:]).items():
            if name == part:
                break
            place += -(-one.nbytes // 64) * 64
        assert one.nbytes
        for word in range(place, place + one.nbytes, 8):
            content[word] ^= 0x55
    path.write_bytes(content)


@pytest.mark.parametrize("at", [8, 20, 200])
def test_a_damaged_file_is_told_and_made_anew(at: int, tokenizer: sg.Tokenizer, tmp_path: Path) -> None:
    grammar = _grammar(CALLS)
    text = GRAMMARS["calls"][1]
    kept(grammar, tokenizer, tmp_path, text)
    damage(tmp_path, at)
    with pytest.warns(StoreWarning, match="damaged"):
        compiled = CompiledLark(grammar, tokenizer, None, sg.MaskStore(path=tmp_path))
    assert masks(compiled, text) == masks(CompiledLark(grammar, tokenizer, None, False), text)


PARTS = (
    *(f"states.{name}" for name in ("nodes", "pairs", "places", "edges")),
    *(f"slots.{name}" for name in Slots._fields),
    *GrammarTables._fields[:-1],  # nothing is sure of so small a grammar
    *(f"masks.{name}" for name in Groups._fields),
    *("start", "lexemes", "dense.sums", "dense.crcs"),
)


@pytest.mark.parametrize("part", PARTS)
def test_what_is_read_at_once_is_checked_at_once(part: str, tokenizer: sg.Tokenizer, tmp_path: Path) -> None:
    grammar, text = _grammar(CALLS), GRAMMARS["calls"][1]
    kept(grammar, tokenizer, tmp_path, text)
    damage(tmp_path, part=part)
    with pytest.warns(StoreWarning, match="damaged"):
        compiled = CompiledLark(grammar, tokenizer, None, sg.MaskStore(path=tmp_path))
    assert masks(compiled, text) == masks(CompiledLark(grammar, tokenizer, None, False), text)


@pytest.mark.parametrize("part", ["masks.lists", "dense", *Records._fields])
def test_what_is_read_later_is_checked_when_it_is_read(
    part: str, tokenizer: sg.Tokenizer, tmp_path: Path
) -> None:
    grammar, (_, text, other) = _grammar(CALLS), GRAMMARS["calls"]
    kept(grammar, tokenizer, tmp_path, text)
    damage(tmp_path, part=part)
    store = sg.MaskStore(path=tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compiled = CompiledLark(grammar, tokenizer, None, store)
    fresh = CompiledLark(grammar, tokenizer, None, False)
    with pytest.warns(StoreWarning, match="damaged"):
        assert masks(compiled, text) == masks(fresh, text)
        assert masks(compiled, other) == masks(fresh, other)
        store.flush()


def test_a_file_that_was_cut_off_is_told_at_once(tokenizer: sg.Tokenizer, tmp_path: Path) -> None:
    grammar, text = _grammar(CALLS), GRAMMARS["calls"][1]
    kept(grammar, tokenizer, tmp_path, text)
    (path,) = tmp_path.rglob(f"*{GRAMMAR_SUFFIX}")
    path.write_bytes(path.read_bytes()[:-64])
    with pytest.warns(StoreWarning, match="damaged"):
        CompiledLark(grammar, tokenizer, None, sg.MaskStore(path=tmp_path))


def checks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the list of addresses at which masks that were kept are checked from now on."""
    found: list[int] = []
    plain = kept_masks.checksum_at
    monkeypatch.setattr(
        kept_masks, "checksum_at", lambda address, words: (found.append(address), plain(address, words))[1]
    )
    return found


@pytest.mark.parametrize("name", GRAMMARS)
def test_compiling_what_was_kept_checks_no_mask_and_no_record(
    name: str, tokenizer: sg.Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, text, _other = GRAMMARS[name]
    grammar = _grammar(source)
    kept(grammar, tokenizer, tmp_path, text)
    read = checks(monkeypatch)
    monkeypatch.setattr(Later, "checked", refuse)
    compiled = CompiledLark(grammar, tokenizer, None, sg.MaskStore(path=tmp_path))
    assert not read
    compiled.allowed(compiled.start)
    assert 1 <= len(read) <= 2  # the lists of a group, and its dense row


def test_compiling_what_was_kept_opens_its_file_alone(tokenizer: sg.Tokenizer, tmp_path: Path) -> None:
    kept(_grammar(CALLS), tokenizer, tmp_path, GRAMMARS["calls"][1])
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
compiled = sg.compile(grammar, tokenizer, store=folder)
compiled.allowed(compiled.start)
print(*(Path(one).suffix for one in opened))
"""
    path = ROOT / "tests" / "data" / "bpe" / "tokenizer.json"
    command = [sys.executable, "-c", code, CALLS, str(path), str(tmp_path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.split() == [GRAMMAR_SUFFIX]


def test_masks_of_one_group_are_read_together(
    tokenizer: sg.Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grammar, text = _grammar(PYTHON), GRAMMARS["Python"][1]
    kept(grammar, tokenizer, tmp_path, text)
    compiled = CompiledLark(grammar, tokenizer, None, sg.MaskStore(path=tmp_path))
    read = checks(monkeypatch)
    masks(compiled, text)
    kept_of = compiled._kept
    assert kept_of is not None and not kept_of._waiting
    groups = kept_of._groups
    assert len(read) == len(groups.bounds) + len(np.unique(groups.bounds[groups.bounds[:, 0] >= 0, 0]))
    assert len(groups.bounds) < len(groups.states)
    masks(compiled, text)
    assert len(read) == len(set(read))


def test_a_store_without_room_for_the_rows_reads_nothing(tokenizer: sg.Tokenizer, tmp_path: Path) -> None:
    grammar = _grammar(CALLS)
    text = GRAMMARS["calls"][1]
    kept(grammar, tokenizer, tmp_path, text)
    small = sg.MaskStore(path=tmp_path, memory=4 * ((tokenizer.vocab_size + 31) // 32))
    expected = masks(CompiledLark(grammar, tokenizer, None, False), text)
    assert masks(CompiledLark(grammar, tokenizer, None, small), text) == expected


@pytest.mark.parametrize("name", GRAMMARS)
def test_a_successor_has_the_masks_and_goes_on(name: str, tokenizer: sg.Tokenizer) -> None:
    source, text, other = GRAMMARS[name]
    first = CompiledLark(_grammar(source), tokenizer, None, False)
    expected = masks(first, text)
    second = first.anew()
    # both live on, and what one of them meets serves the other
    assert masks(second, other) == masks(CompiledLark(_grammar(source), tokenizer, None, False), other)
    assert masks(second, text) == expected == masks(first, text)
    assert masks(first, other) == masks(second, other)


def test_a_successor_has_the_masks_without_making_them(
    tokenizer: sg.Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = CompiledLark(_grammar(CALLS), tokenizer, None, False)
    text = GRAMMARS["calls"][1]
    expected = masks(first, text)
    second = first.anew()
    monkeypatch.setattr(CompiledLark, "_collect", refuse)
    assert masks(second, text) == expected


def test_a_successor_leaves_states_behind_where_they_are_too_many(tokenizer: sg.Tokenizer) -> None:
    grammar = _grammar(CALLS)
    first = CompiledLark(grammar, tokenizer, sg.Limits(grammar_memory=1 << 14), False)
    text = GRAMMARS["calls"][1]
    expected = masks(first, text)
    second = first.anew()
    assert second.sizes["machine_states"] < first.sizes["machine_states"]
    assert masks(second, text) == expected


@pytest.mark.parametrize("name", GRAMMARS)
def test_what_one_has_asked_and_left_is_answered_to_the_other(name: str, tokenizer: sg.Tokenizer) -> None:
    source, text, other = GRAMMARS[name]
    first = CompiledLark(_grammar(source), tokenizer, None, False)
    masks(first, text)
    second = first.anew()
    assert (
        second._vocabulary_tables is first._vocabulary_tables
        and second._answers._needs is not first._answers._needs
    )
    book = first._vocabulary_tables
    for cells in (book._moves, book._endings, book._starts):
        cells[cells == K.UNKNOWN] = K.PENDING
    book._records[book._records == 0] = -1
    assert masks(second, other) == masks(CompiledLark(_grammar(source), tokenizer, None, False), other)


@pytest.mark.parametrize("name", GRAMMARS)
def test_a_reader_that_has_met_much_does_not_pass_to_a_successor(name: str, tokenizer: sg.Tokenizer) -> None:
    source, text, other = GRAMMARS[name]
    grammar = _grammar(source)
    first = CompiledLark(bare(grammar), tokenizer, sg.Limits(grammar_memory=1), False)
    expected = masks(first, text)
    second = first.anew()
    assert second._source is not first._source
    assert masks(second, other) == masks(CompiledLark(grammar, tokenizer, None, False), other)
    assert masks(second, text) == masks(first, text) == expected


def test_places_of_proofs_do_not_pass_to_a_successor(tokenizer: sg.Tokenizer) -> None:
    first = CompiledLark(_grammar(PYTHON), tokenizer, None, False)
    masks(first, GRAMMARS["Python"][1])
    assert first.anew().sizes["places"] < first.sizes["places"] // 4


@pytest.mark.parametrize("name", GRAMMARS)
def test_lexeme_states_are_what_they_were(name: str) -> None:
    tables = _grammar(GRAMMARS[name][0]).tables
    first = Lexer(tables)
    starts = [first.start(context, first.initial_look_behind()) for context in range(len(tables.contexts))]
    for state in starts:
        for byte in b"l\xc3\xa4uft '''a''b/*":
            if state >= 0:
                state = first.move(state, byte).after
    second, third = Lexer(tables), Lexer(tables)
    assert kept_lexemes.decode_lexemes(kept_lexemes.encode_lexemes(first, "more", 1), second) == ["more", 1]
    # what nobody has asked for is handed on
    kept_lexemes.decode_lexemes(kept_lexemes.encode_lexemes(second), third)
    assert {state: third.row(state) for state in first.rows} == first.rows
    assert {state: third.ways(state) for state in first.rows} == {s: first.ways(s) for s in first.rows}
    assert second.states == first.states
    assert second.starts == first.starts
    for number in range(len(first.states)):
        assert second.row(number) == first.row(number)
        assert second.end(number) == first.end(number)
    assert second.states == first.states


def test_places_are_forgotten_in_a_long_text(
    tokenizer: sg.Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    grammar, text = _grammar(PYTHON), "".join(GRAMMARS["Python"][1:])
    expected = masks(CompiledLark(grammar, tokenizer, None, False), text)
    monkeypatch.setattr(lark_answers, "_MOST_PLACES", 64)
    compiled = CompiledLark(grammar, tokenizer, None, False)
    assert masks(compiled, text) == expected
    assert compiled.sizes["places"] < 10 * compiled.sizes["machine_states"]
    assert masks(compiled, text) == expected


def test_flush_waits_for_what_is_being_written(
    tokenizer: sg.Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, write = threading.Event(), GrammarFiles.write

    def slow(files: GrammarFiles, written: Any) -> int:
        begun.set()
        time.sleep(0.5)
        return write(files, written)

    monkeypatch.setattr(GrammarFiles, "write", slow)
    store = sg.MaskStore(path=tmp_path)
    masks(CompiledLark(_grammar(CALLS), tokenizer, None, store), GRAMMARS["calls"][1])
    CompiledLark(_grammar(CALLS), tokenizer, None, store)  # has a thread write the one before
    assert begun.wait(30)
    store.flush()
    assert len(list(tmp_path.rglob(f"*{GRAMMAR_SUFFIX}"))) == 1


def prepared(folder: Path, tokenizer: sg.Tokenizer) -> LarkGrammar:
    """Have all that CALLS has worked out ahead and written, but no mask; return the grammar."""
    grammar, store = _grammar(CALLS), sg.MaskStore(path=folder)
    CompiledLark(grammar, tokenizer, None, store).prepare()
    store.flush()
    return grammar


def rows_read(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Return which dense rows are read from now on."""
    found: set[int] = set()
    plain = kept_masks.DenseRows.row
    monkeypatch.setattr(kept_masks.DenseRows, "row", lambda rows, at: (found.add(at), plain(rows, at))[1])
    return found


def test_dense_rows_of_records_are_read_as_masks_use_them(
    tokenizer: sg.Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grammar, text = prepared(tmp_path, tokenizer), GRAMMARS["calls"][1]
    compiled = CompiledLark(grammar, tokenizer, None, sg.MaskStore(path=tmp_path))
    read = rows_read(monkeypatch)
    first = compiled.allowed(compiled.start)
    used = set(read)
    assert used
    assert [first, *masks(compiled, text)[1:]] == masks(CompiledLark(grammar, tokenizer, None, False), text)
    assert used < read


def test_a_damaged_dense_row_of_a_record_is_told_and_the_file_is_made_anew(
    tokenizer: sg.Tokenizer, tmp_path: Path
) -> None:
    grammar, text = prepared(tmp_path, tokenizer), GRAMMARS["calls"][1]
    damage(tmp_path, part="dense")
    store = sg.MaskStore(path=tmp_path)
    compiled = CompiledLark(grammar, tokenizer, None, store)
    expected = masks(CompiledLark(grammar, tokenizer, None, False), text)
    with pytest.warns(StoreWarning, match="damaged"):
        assert masks(compiled, text) == expected
        store.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert masks(CompiledLark(grammar, tokenizer, None, sg.MaskStore(path=tmp_path)), text) == expected


def test_a_store_without_room_has_the_masks_of_dense_rows_that_were_kept(
    tokenizer: sg.Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grammar, text = prepared(tmp_path, tokenizer), GRAMMARS["calls"][1]
    expected = masks(CompiledLark(grammar, tokenizer, None, False), text)
    monkeypatch.setattr(VocabularyStore, "intern_row", lambda *_arguments: None)
    (path,) = tmp_path.rglob(f"*{GRAMMAR_SUFFIX}")
    before, store = path.stat().st_ino, sg.MaskStore(path=tmp_path)
    assert masks(CompiledLark(grammar, tokenizer, None, store), text) == expected
    store.flush()
    assert path.stat().st_ino == before
