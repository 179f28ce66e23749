"""The file of a Lark grammar alone: a second vocabulary goes on where the first one has made the lexer."""

from __future__ import annotations

import random
import warnings
from pathlib import Path
from typing import Any

import grammars_drawn as drawn
import pytest
from test_lark_machine import GRAMMARS, LONGER, TOKENS

import structgen as sg
from structgen.core.compiled import State
from structgen.lark_grammars.compiled.compiled_lark import CompiledLark
from structgen.lark_grammars.lexer.contextual_lexer import Lexer
from structgen.maskbench import vocabularies
from structgen.native.cache_entries import CacheEntries
from structgen.store.grammar_files import GRAMMAR_SUFFIX, LEXER_SUFFIX
from structgen.store.mask_store import MaskStore

BYTES = [bytes((one,)) for one in range(256)]
OTHER_PIECES = [*BYTES[::-1], b"ab", b"a a", b"#b", b"cab", b"\n a", b" # ", b"bb", b"ccc", b"a\n\n"]
OTHER = sg.Tokenizer.from_bytes([*OTHER_PIECES, None], eos_token_id=len(OTHER_PIECES))
SQL_TEXTS = (
    b"SELECT a, 'x y' FROM b",
    b"select x.y from t where a >= 2 and b = 'q' order by 1",
    b"INSERT INTO t VALUES (1, NULL)",
)
Asked = list[tuple[list[int], bool, bytes]]


def along(compiled: CompiledLark, seed: str) -> Asked:
    """Return what is answered along a text of some random tokens."""
    pieces, source, index = [*BYTES, *LONGER], random.Random(seed), compiled.start.index
    if compiled.vocab_size == OTHER.vocab_size:
        pieces = OTHER_PIECES
    found: Asked = []
    for _ in range(12):
        state = State(compiled, index)
        allowed = compiled.allowed(state)
        found.append((allowed, compiled.may_end(index), compiled.completion(state)))
        some = [pieces[token] for token in allowed if token < len(pieces)]
        if not some:
            break
        index = compiled.bytes_index(index, source.choice(some))
    return found


def grammar_of(seed: int) -> Any:
    """Return a random grammar that lark takes and that has a text."""
    text, postlex = drawn.drawn(seed, looks=seed % 3 == 1), None
    if seed % 3 == 2:
        text, postlex = drawn.drawn_blocks(seed), drawn.Blocks()
    if drawn.judge(text, postlex) is None:
        pytest.skip("lark refuses it")
    grammar = sg.lark(text, postlex=postlex)
    try:
        for tokens in (TOKENS, OTHER):
            along(CompiledLark(grammar, tokens, None, False), "")
    except sg.StructgenError:
        pytest.skip("it has no text, or a limit")
    return grammar


def damage(folder: Path, source: random.Random) -> None:
    """Have some files be away, cut off or changed."""
    for path in [one for one in folder.rglob("*") if one.suffix in (GRAMMAR_SUFFIX, LEXER_SUFFIX)]:
        data = bytearray(path.read_bytes())
        how = source.randrange(5)
        if how == 0:
            path.unlink()
        elif how == 1:
            path.write_bytes(data[: source.randrange(len(data))])
        elif how == 2:
            data[source.randrange(len(data))] ^= 0x55
            path.write_bytes(data)


@pytest.mark.parametrize("seed", range(8200, 8236))
def test_vocabularies_answer_in_any_order_as_without_a_file(seed: int, tmp_path: Path) -> None:
    grammar, source = grammar_of(seed), random.Random(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sg.errors.StoreWarning)
        for walk in range(8):
            tokens, name = source.choice((TOKENS, OTHER)), f"{seed} {walk}"
            store = MaskStore(tmp_path)
            compiled = CompiledLark(grammar, tokens, None, store)
            assert along(compiled, name) == along(CompiledLark(grammar, tokens, None, False), name)
            store.flush()
            damage(tmp_path, source)


@pytest.mark.parametrize("seed", range(8300, 8324))
def test_two_that_began_with_one_lexer_go_on_by_turns(seed: int, tmp_path: Path) -> None:
    grammar = grammar_of(seed)
    CompiledLark(grammar, TOKENS, None, MaskStore(tmp_path))
    both = [CompiledLark(grammar, tokens, None, MaskStore(tmp_path)) for tokens in (TOKENS, OTHER)]
    for walk in range(4):
        for one in both:
            fresh = CompiledLark(grammar, one.tokenizer, None, False)
            assert along(one, f"{seed} {walk}") == along(fresh, f"{seed} {walk}")


def masks(compiled: CompiledLark, text: bytes) -> list[bytes]:
    matcher, mask, found = sg.Matcher(compiled), sg.allocate_mask(1, compiled.vocab_size), []
    for token in compiled.tokenizer.encode(text):
        matcher.fill_mask(mask)
        found.append(mask.array.tobytes())
        matcher.advance(token)
    return found


def test_a_new_vocabulary_goes_on_with_the_states_of_the_file(tmp_path: Path) -> None:
    grammar, small = sg.lark(GRAMMARS / "sql.lark"), vocabularies.load("small")
    CompiledLark(grammar, TOKENS, None, MaskStore(tmp_path))
    compiled = CompiledLark(grammar, small, None, MaskStore(tmp_path))
    states = compiled.sizes["lexer_states"]
    fresh = CompiledLark(grammar, small, None, False)
    for text in SQL_TEXTS:
        assert masks(compiled, text) == masks(fresh, text)
    assert states > 100 and compiled.sizes["lexer_states"] > states


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
    writes: list[str] = []

    def full(self: CacheEntries, kind: str, *_given: Any) -> int:
        writes.append(kind)
        return 0

    monkeypatch.setattr(CacheEntries, "write", full)
    for tokens in (TOKENS, OTHER, OTHER):
        compiled = CompiledLark(grammar, tokens, None, store)
        assert along(compiled, "1") == along(CompiledLark(grammar, tokens, None, False), "1")
    store.flush()
    assert len(writes) == 1


def test_a_grammar_without_a_text_is_refused_for_each_vocabulary(tmp_path: Path) -> None:
    grammar = sg.lark('start: A B\nA: /a+(?!b)/\nB: "b"\n')
    for tokens in (TOKENS, OTHER):
        with pytest.raises(sg.errors.GrammarError, match="accepts no text"):
            CompiledLark(grammar, tokens, None, MaskStore(tmp_path))
    assert not [*tmp_path.rglob("*.*")]


def test_each_changed_byte_of_a_lexer_is_told_and_the_masks_are_right(tmp_path: Path) -> None:
    grammar, text, source = sg.lark(GRAMMARS / "json.lark"), b'{"a": [1, "x"]}', random.Random(2)
    CompiledLark(grammar, OTHER, None, MaskStore(tmp_path / "whole"))
    (path,) = (tmp_path / "whole").rglob(f"*{LEXER_SUFFIX}")
    whole, expected = path.read_bytes(), masks(CompiledLark(grammar, TOKENS, None, False), text)
    for at in (8, 20, 200, len(whole) - 9, *(source.randrange(len(whole)) for _ in range(8))):
        folder = tmp_path / str(at)
        changed = folder / path.relative_to(tmp_path / "whole")
        changed.parent.mkdir(parents=True)
        changed.write_bytes(whole[:at] + bytes((whole[at] ^ 0x55,)) + whole[at + 1 :])
        with pytest.warns(sg.errors.StoreWarning, match="damaged"):
            found = masks(CompiledLark(grammar, TOKENS, None, MaskStore(folder)), text)
        assert found == expected
        assert len(changed.read_bytes()) == len(whole)
