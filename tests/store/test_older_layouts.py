"""Cache entries of other sources, or of an older format: no kind of file is read as if it were new."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import structgen as sg
from structgen.automata.unicode import cached_sets
from structgen.errors import StoreWarning
from structgen.lark_grammars.kept import kept_grammars
from structgen.native import array_file, cache_entries
from structgen.store import mask_store
from structgen.store.grammar_files import GRAMMAR_SUFFIX, LEXER_SUFFIX
from structgen.tokens import vocabulary
from structgen.tokens.vocabulary import Vocabulary

TOKENIZER = sg.Tokenizer.from_huggingface(Path(__file__).parents[1] / "data" / "bpe" / "tokenizer.json")
LARK = 'start: WORD ("," WORD)*\nWORD: /[a-z]+/\n'


def masks(grammar: sg.Grammar, store: sg.MaskStore, text: bytes) -> list[list[int]]:
    """Return the tokens allowed along a text, once all of it is written to the store's folder."""
    compiled = sg.compile(grammar, TOKENIZER, store=store)
    matcher, mask, found = sg.Matcher(compiled), sg.allocate_mask(1, TOKENIZER.vocab_size), []
    for token in TOKENIZER.encode(text):
        matcher.fill_mask(mask)
        found.append(mask.allowed().tolist())
        matcher.advance(token)
    store.flush()
    return found


def of_lark(folder: Path) -> object:
    return masks(sg.lark(LARK), sg.MaskStore(folder / "masks"), b"ab,c")


def of_lexer(folder: Path) -> object:
    compiled = sg.compile(sg.lark(LARK), TOKENIZER, store=sg.MaskStore(folder / "masks"))
    return compiled.sizes["lexer_states"]  # no mask is asked for: nothing of the vocabulary is written


def of_vocabulary(folder: Path) -> object:
    return Vocabulary.of(TOKENIZER).nodes.tolist()


def of_tables(folder: Path) -> object:
    return sg.lark(LARK).tables.actions.tolist()


def of_rules(folder: Path) -> object:
    return sg.lark(LARK, lexer="characters").canonical


def of_set(folder: Path) -> object:
    return cached_sets.cached("letters", lambda: ((65, 90), (97, 122)))


KINDS = {
    "vocabulary": (of_vocabulary, ".arrays"),
    "compiled Lark grammar": (of_lark, GRAMMAR_SUFFIX),
    "lexer of a Lark grammar": (of_lexer, LEXER_SUFFIX),
    "Lark tables": (of_tables, kept_grammars.SUFFIX),
    "Lark rules": (of_rules, kept_grammars.SUFFIX),
    "code points": (of_set, cached_sets.SUFFIX),
}


@pytest.fixture(params=KINDS.values(), ids=list(KINDS))
def kind(request: pytest.FixtureRequest) -> tuple[Callable[[Path], object], str]:
    """How an entry of one kind comes about, and its suffix."""
    found: tuple[Callable[[Path], object], str] = request.param
    return found


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder."""
    monkeypatch.setenv("STRUCTGEN_CACHE", str(tmp_path))
    monkeypatch.setattr(vocabulary, "_WORTH_A_FILE", 0)
    return tmp_path


def test_an_entry_of_other_sources_is_not_read_nor_touched_and_refused_under_the_new_name(
    kind: tuple[Callable[[Path], object], str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, suffix = kind
    expected = make(folder)
    older = {path: path.read_bytes() for path in folder.rglob(f"*{suffix}")}
    assert older
    for module in (cache_entries, mask_store):
        monkeypatch.setattr(module, "package_digest", lambda: "other sources")
    assert make(folder) == expected
    newer = [path for path in folder.rglob(f"*{suffix}") if path not in older]
    assert len(newer) >= len(older)
    assert {path: path.read_bytes() for path in older} == older
    for path in newer:
        shutil.copy(next(iter(older)), path)
    with pytest.warns(StoreWarning, match="not made by this version"):
        assert make(folder) == expected
    assert not any(path.exists() and path.read_bytes() in older.values() for path in newer)


@pytest.mark.parametrize("layout", ["format", "kind"])
def test_an_entry_of_an_older_format_or_kind_is_refused_and_replaced(
    kind: tuple[Callable[[Path], object], str], folder: Path, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, suffix = kind
    encode = array_file.encode_arrays

    def older(kind: str, *given: object) -> bytearray:
        whole = encode(f"{kind}-older" if layout == "kind" else kind, *given)  # type: ignore[arg-type]
        if layout == "format":
            whole[:8] = b"SGARRAY3"
        return whole

    with monkeypatch.context() as patch:
        patch.setattr(array_file, "encode_arrays", older)
        expected = make(folder)
    before = {path: path.read_bytes() for path in folder.rglob(f"*{suffix}")}
    assert before
    with pytest.warns(StoreWarning, match="not made by this version"):
        assert make(folder) == expected
    now = {path: path.read_bytes() for path in folder.rglob(f"*{suffix}")}
    assert now and not set(now.values()) & set(before.values())
    assert make(folder) == expected
