"""What a Lark grammar leaves in a store: another process, or another vocabulary, begins with its lexer; and
what is worked out ahead of documents."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grammars_drawn as drawn
import pytest
from compiled_texts import masks_along
from for_each import for_each
from lark.indenter import PythonIndenter
from test_lark_machine import GRAMMARS, LONGER, TOKENS

import structgen as sg
from structgen.base.system import cache
from structgen.doors.maskbench import vocabularies
from structgen.grammars.lark_grammars.compiled.compiled_lark import CompiledLark
from structgen.grammars.lark_grammars.lexer.contextual_lexer import Lexer
from structgen.machines.core.compiled import State
from structgen.machines.machine_core.lexeme_tables import RecordTables
from structgen.machines.store.mask_store import LEXER_SUFFIX, MaskStore

BYTES = [bytes((one,)) for one in range(256)]
OTHER_PIECES = [*BYTES[::-1], b"ab", b"a a", b"#b", b"cab", b"\n a", b" # ", b"bb", b"ccc", b"a\n\n"]
OTHER = sg.Tokenizer.from_bytes([*OTHER_PIECES, None], eos_token_id=len(OTHER_PIECES))
PIECES = {TOKENS.vocab_size: [*BYTES, *LONGER], OTHER.vocab_size: OTHER_PIECES}
Answer = tuple[list[int], bool, bytes]


def compiled(grammar: Any, store: Any = False, tokens: sg.Tokenizer = TOKENS) -> CompiledLark:
    return CompiledLark(grammar, tokens, None, store)


def answer(grammar: CompiledLark, index: int) -> Answer:
    """Return the mask of a state, whether a text may end there, and the shortest rest."""
    state = State(grammar, index)
    return grammar.allowed(state), grammar.may_end(index), grammar.completion(state)


def along(grammar: CompiledLark, seed: str) -> list[Answer]:
    """Return what is answered along a text of some random tokens."""
    pieces, source, index = PIECES[grammar.vocab_size], random.Random(seed), grammar.start.index
    found: list[Answer] = []
    for _ in range(12):
        found.append(answer(grammar, index))
        some = [pieces[token] for token in found[-1][0] if token < len(pieces)]
        if not some:
            break
        index = grammar.bytes_index(index, source.choice(some))
    return found


def grammar_of(seed: int) -> Any:
    """Return a random grammar; None where lark refuses it, it has no text, or it meets a limit."""
    text, postlex = drawn.drawn(seed, looks=seed % 3 == 1), None
    if seed % 3 == 2:
        text, postlex = drawn.drawn_blocks(seed), drawn.Blocks()
    try:
        grammar = None if drawn.judge(text, postlex) is None else sg.lark(text, postlex=postlex)
        for tokens in (TOKENS, OTHER) if grammar is not None else ():
            along(compiled(grammar, tokens=tokens), "")
    except sg.StructgenError:
        return None
    return grammar


# --- laws over random grammars ------------------------------------------------------------------------------


def damage(folder: Path, source: random.Random) -> None:
    """Have some files be away, cut off or changed."""
    for path in [one for one in folder.rglob("*") if one.suffix == LEXER_SUFFIX]:
        data = bytearray(path.read_bytes())
        how = source.randrange(5)
        if how == 0:
            path.unlink()
        elif how == 1:
            path.write_bytes(data[: source.randrange(len(data))])
        elif how == 2:
            data[source.randrange(len(data))] ^= 0x55
            path.write_bytes(data)


def hold_order(seed: int, folder: Path) -> bool:
    """Assert that vocabularies that go on one after another, and successors, answer as without a file, though
    files are damaged; return whether lark takes the grammar."""
    grammar, source = grammar_of(seed), random.Random(seed)
    if grammar is None:
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sg.errors.StoreWarning)
        for walk in range(6):
            tokens, name = source.choice((TOKENS, OTHER)), f"{seed} {walk}"
            store, expected = MaskStore(folder), along(compiled(grammar, tokens=tokens), name)
            made = compiled(grammar, store, tokens)
            assert along(made, name) == expected
            assert along(made.anew(), name) == expected
            if walk % 3:
                damage(folder, source)
    return True


def test_vocabularies_answer_in_any_order_as_without_a_file(tmp_path: Path) -> None:
    assert sum(hold_order(seed, tmp_path / str(seed)) for seed in range(8200, 8208)) > 2


@pytest.mark.slow
def test_vocabularies_answer_in_any_order_as_without_a_file_whole(tmp_path: Path) -> None:
    assert sum(hold_order(seed, tmp_path / str(seed)) for seed in range(8100, 8236)) > 40


@for_each("seed", range(8300, 8303))
def test_two_that_began_with_one_lexer_go_on_by_turns(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    grammar, folder = grammar_of(seed), tmp_path_factory.mktemp("store")
    if grammar is None:
        return
    compiled(grammar, MaskStore(folder))
    both = [
        (compiled(grammar, MaskStore(folder), tokens), compiled(grammar, tokens=tokens))
        for tokens in (TOKENS, OTHER)
    ]
    for walk in range(4):
        for one, fresh in both:
            assert along(one, f"{seed} {walk}") == along(fresh, f"{seed} {walk}")


# --- files --------------------------------------------------------------------------------------------------


def test_a_successor_has_the_lexer_and_goes_on() -> None:
    text, other = b'{"a": [1, "x"]}', b'[true, null, {"b": -2.5e3}]'
    first = compiled(sg.lark(GRAMMARS / "json.lark"), tokens=vocabularies.load_tokenizer("small"))
    expected = masks_along(first, text)
    second = first.anew()
    assert second.sizes["machine_states"] < first.sizes["machine_states"]
    assert second.sizes["records"] < first.sizes["records"]
    assert second.sizes["lexer_states"] == first.sizes["lexer_states"]
    assert masks_along(second, text) == expected
    assert masks_along(second, other) == masks_along(first, other)
    assert masks_along(second.anew(), other) == masks_along(first, other)


def test_masks_are_listed_where_the_store_is_full(tmp_path: Path) -> None:
    tokenizer, grammar = vocabularies.load_tokenizer("small"), sg.lark(GRAMMARS / "json.lark")
    rows = []
    for memory in (1 << 26, 1 << 26, 1 << 12):
        store = MaskStore(tmp_path, memory=memory)
        made = compiled(grammar, store, tokenizer)
        with warnings.catch_warnings():
            rows.append(made.allowed(made.start))
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
    """Have a grammar compiled, and a text read; return the file."""
    store = MaskStore(folder)
    masks_along(compiled(sg.lark(CALLS), store), TEXT)
    (path,) = folder.rglob(f"*{LEXER_SUFFIX}")
    return path


def test_what_is_kept_already_is_not_written_again(tmp_path: Path) -> None:
    before = written(tmp_path).stat().st_ino
    assert written(tmp_path).stat().st_ino == before


def test_each_changed_byte_of_a_file_is_told_and_the_masks_are_right(tmp_path: Path) -> None:
    path, source = written(tmp_path / "whole"), random.Random(1)
    whole, expected = path.read_bytes(), masks_along(compiled(sg.lark(CALLS)), TEXT)
    for at in (8, 20, 200, len(whole) - 9, *(source.randrange(len(whole)) for _ in range(3))):
        changed = tmp_path / str(at) / path.relative_to(tmp_path / "whole")
        changed.parent.mkdir(parents=True)
        changed.write_bytes(whole[:at] + bytes((whole[at] ^ 0x55,)) + whole[at + 1 :])
        with pytest.warns(sg.errors.StoreWarning, match="damaged"):
            found = masks_along(compiled(sg.lark(CALLS), MaskStore(tmp_path / str(at))), TEXT)
        assert found == expected


def test_a_file_that_was_cut_off_is_told_at_once(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:-64])
    with pytest.warns(sg.errors.StoreWarning, match="damaged"):
        compiled(sg.lark(CALLS), MaskStore(tmp_path))


_KILLED = """
import os, signal, sys
import structgen as sg
import structgen.base.system.cache
text, tokenizer, folder = sys.argv[1:]

def killed(*paths):
    if str(paths[1]).endswith(".lexer"):
        os.kill(os.getpid(), signal.SIGKILL)

structgen.base.system.cache.os.replace = killed
sg.compile(sg.lark(text), sg.Tokenizer.from_huggingface(tokenizer), store=folder)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_kill_in_the_midst_of_writing_leaves_no_half_file(tmp_path: Path, tokenizer: sg.Tokenizer) -> None:
    path = GRAMMARS.parent / "tests" / "data" / "bpe" / "tokenizer.json"
    command = [sys.executable, "-c", _KILLED, CALLS, str(path), str(tmp_path)]
    assert subprocess.run(command, capture_output=True).returncode == -signal.SIGKILL
    assert not list(tmp_path.rglob("*.lexer"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compiled(sg.lark(CALLS), MaskStore(tmp_path), tokenizer).answers._cached_parts is None


def test_compiling_what_was_kept_opens_one_file_of_the_store(tmp_path: Path, tokenizer: sg.Tokenizer) -> None:
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
print(*(Path(one).suffix for one in opened if one.startswith(folder) and not Path(one).is_dir()))
"""
    store = MaskStore(tmp_path)
    here = compiled(sg.lark(CALLS), store, tokenizer)
    here.allowed(here.start)
    path = GRAMMARS.parent / "tests" / "data" / "bpe" / "tokenizer.json"
    command = [sys.executable, "-c", code, CALLS, str(path), str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.split() == [LEXER_SUFFIX]


# --- the lexer is shared by vocabularies --------------------------------------------------------------------


def test_a_new_vocabulary_goes_on_with_the_states_of_the_file(tmp_path: Path) -> None:
    grammar, small = sg.lark(GRAMMARS / "markers.lark"), vocabularies.load_tokenizer("small")
    compiled(grammar, MaskStore(tmp_path))
    second = compiled(grammar, MaskStore(tmp_path), small)
    states, fresh = second.sizes["lexer_states"], compiled(grammar, tokens=small)
    for text in (b"python_version >= '3.11' and os_name == 'nt'", b"extra=='a b' or 'x' not in sys_platform"):
        assert masks_along(second, text) == masks_along(fresh, text)
    assert states > 40 and second.sizes["lexer_states"] > states


def made(monkeypatch: pytest.MonkeyPatch, grammar: Any, tokens: sg.Tokenizer, **options: Any) -> int:
    """Return how many lexers are made to compile a grammar."""
    count, plain = [0], Lexer.__init__

    def counted(self: Lexer, *given: Any, **named: Any) -> None:
        count[0] += 1
        plain(self, *given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Lexer, "__init__", counted)
        CompiledLark(grammar, tokens, **options)
    return count[0]


def test_only_the_first_vocabulary_waits_for_the_lexer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grammar, store = sg.lark(GRAMMARS / "json.lark"), MaskStore(tmp_path)
    assert made(monkeypatch, grammar, TOKENS, store=store) == 1
    assert made(monkeypatch, grammar, OTHER, store=store) == 0, "in the same process"
    assert made(monkeypatch, grammar, OTHER, store=MaskStore(tmp_path)) == 0, "as in another one"


def test_other_limits_and_stores_in_memory_share_no_lexer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grammar, store = sg.lark(GRAMMARS / "json.lark"), MaskStore(tmp_path)
    assert made(monkeypatch, grammar, TOKENS, store=store) == 1
    assert made(monkeypatch, grammar, OTHER, store=store, limits=sg.Limits(oracle_steps=10**6)) == 1
    assert made(monkeypatch, grammar, OTHER, store=False) == 1


def test_a_folder_that_takes_no_lexer_is_told_once_and_all_stays_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grammar, store = sg.lark(GRAMMARS / "json.lark"), MaskStore(tmp_path)

    def fails(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("structgen.base.system.cache.os.replace", fails)
    monkeypatch.setattr(cache._WarnedCauses, "causes", [])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for tokens in (TOKENS, OTHER, OTHER):
            found = along(compiled(grammar, store, tokens), "1")
            assert found == along(compiled(grammar, tokens=tokens), "1")
    assert [one.category for one in caught] == [sg.errors.StoreWarning]


def test_a_grammar_without_a_text_is_refused_for_each_vocabulary(tmp_path: Path) -> None:
    grammar = sg.lark('start: A B\nA: /a+(?!b)/\nB: "b"\n')
    for tokens in (TOKENS, OTHER):
        with pytest.raises(sg.errors.GrammarError, match="accepts no text"):
            compiled(grammar, MaskStore(tmp_path), tokens)
    assert not [*tmp_path.rglob("*.*")]


# --- what is worked out ahead -------------------------------------------------------------------------------

BLOCKS = r"""
start: statement+
statement: "if" NAME ":" block | "return" [NAME] _NEWLINE | NAME "(" [NAME ("," NAME)*] ")" _NEWLINE
block: _NEWLINE _INDENT statement+ _DEDENT
NAME: /[a-z]\w*/
_NEWLINE: /(\n[ \t]*)+/
%ignore " "
%declare _INDENT _DEDENT
"""
AHEAD: dict[str, tuple[Callable[[], sg.Grammar], str]] = {
    "calls": (lambda: sg.lark(CALLS), 'f("a b", 1.5, not g(x2()));\nläuft("\\"", 12); f();'),
    "blocks": (
        lambda: sg.lark(BLOCKS, postlex=PythonIndenter()),
        "if a:\n    f(a,\n  b)\n    if b:\n        return\n    return c\nreturn iffy\n",
    ),
}


@pytest.mark.parametrize("name", AHEAD)
def test_masks_of_what_was_worked_out_are_the_same_and_ask_for_no_record(
    name: str, tokenizer: sg.Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, text = AHEAD[name]
    expected = masks_along(compiled(make(), tokens=tokenizer), text.encode())
    seen = list[int]()
    made = compiled(make(), tokens=tokenizer)
    assert made.prepare(progress=seen.append) == len(seen) > 5
    monkeypatch.setattr(RecordTables, "make", lambda *_what: pytest.fail("a record was asked for"))
    assert masks_along(made, text.encode()) == expected


def test_it_takes_no_more_room_than_it_may_and_is_worked_out_once(tokenizer: sg.Tokenizer) -> None:
    make, text = AHEAD["calls"]
    whole, some, none = (compiled(make(), tokens=tokenizer) for _ in range(3))
    states, size = whole.prepare(), whole.nbytes
    assert none.prepare(room=-1) == 0 < some.prepare(room=20_000) < states
    assert masks_along(some, text.encode()) == masks_along(whole, text.encode())
    whole = compiled(make(), tokens=tokenizer)
    assert [(whole.prepare(), whole.nbytes) for _ in range(2)] == [(states, size)] * 2


def test_a_schema_has_nothing_to_work_out_ahead(tokenizer: sg.Tokenizer) -> None:
    assert sg.compile(sg.json_schema({"type": "string"}), tokenizer).prepare() == 0
