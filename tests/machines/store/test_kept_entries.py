"""Cache entries of other sources, of an older format, or damaged: none is read as if it were whole, and each
warning says the right cure."""

from __future__ import annotations

import errno
import os
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

import structgen as sg
from structgen.base.native import array_file, cache_entries
from structgen.base.system import cache
from structgen.base.system.cache import (
    DAMAGED_CURE,
    ForeignFile,
    open_trusted,
    warn_unusable,
    write_atomically,
)
from structgen.errors import StoreWarning
from structgen.grammars.lark_grammars.kept import kept_grammars
from structgen.machines.store.mask_store import LEXER_SUFFIX
from structgen.tokens import vocabulary
from structgen.tokens.vocabulary import Vocabulary

TOKENIZER = sg.Tokenizer.from_huggingface(Path(__file__).parents[2] / "data" / "bpe" / "tokenizer.json")
WRITABLE = "Set STRUCTGEN_CACHE to a folder that is writable."
LARK = 'start: WORD ("," WORD)*\nWORD: /[a-z]+/\n'


def masks(grammar: sg.Grammar, store: sg.MaskStore, text: bytes) -> list[list[int]]:
    """Return the tokens allowed along a text."""
    compiled = sg.compile(grammar, TOKENIZER, store=store)
    matcher, mask, found = sg.Matcher(compiled), sg.allocate_mask(1, TOKENIZER.vocab_size), []
    for token in TOKENIZER.encode(text):
        matcher.fill_mask(mask)
        found.append(mask.allowed().tolist())
        matcher.advance(token)
    return found


def of_lark(folder: Path) -> object:
    return masks(sg.lark(LARK), sg.MaskStore(folder / "masks"), b"ab,c")


def of_vocabulary(folder: Path) -> object:
    return Vocabulary.of_tokenizer(TOKENIZER).nodes.tolist()


def of_tables(folder: Path) -> object:
    return sg.lark(LARK).tables.actions.tolist()


def of_rules(folder: Path) -> object:
    return sg.lark(LARK, lexer="characters").canonical


KINDS = {
    "vocabulary": (of_vocabulary, ".arrays"),
    "lexer of a Lark grammar": (of_lark, LEXER_SUFFIX),
    "Lark tables": (of_tables, kept_grammars.SUFFIX),
    "Lark rules": (of_rules, kept_grammars.SUFFIX),
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
    monkeypatch.setattr(cache._WarnedCauses, "causes", [])
    return tmp_path


def test_an_entry_of_other_sources_is_not_read_nor_touched_and_refused_under_the_new_name(
    kind: tuple[Callable[[Path], object], str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, suffix = kind
    expected = make(folder)
    older = {path: path.read_bytes() for path in folder.rglob(f"*{suffix}")}
    assert older
    monkeypatch.setattr(cache_entries, "package_digest", lambda: "other sources")
    assert make(folder) == expected
    newer = [path for path in folder.rglob(f"*{suffix}") if path not in older]
    assert len(newer) >= len(older)
    assert {path: path.read_bytes() for path in older} == older
    for path in newer:
        shutil.copy(next(iter(older)), path)
    with pytest.warns(StoreWarning, match="not written by this version"):
        assert make(folder) == expected
    assert not any(path.exists() and path.read_bytes() in older.values() for path in newer)


def test_an_entry_of_an_older_kind_is_refused_and_replaced(
    kind: tuple[Callable[[Path], object], str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, suffix = kind
    encode = array_file.encode_arrays

    def older(kind: str, *given: object) -> bytearray:
        return encode(f"{kind}-older", *given)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(array_file, "encode_arrays", older)
        expected = make(folder)
    before = {path: path.read_bytes() for path in folder.rglob(f"*{suffix}")}
    assert before
    with pytest.warns(StoreWarning, match="not written by this version"):
        assert make(folder) == expected
    now = {path: path.read_bytes() for path in folder.rglob(f"*{suffix}")}
    assert now and not set(now.values()) & set(before.values())
    assert make(folder) == expected


def told(use: Callable[[], object]) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        use()
    return [str(one.message) for one in caught if one.category is StoreWarning]


def flipped(data: bytes) -> bytes:
    return data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 255]) + data[len(data) // 2 + 1 :]


DAMAGES = {
    "flipped": flipped,
    "truncated": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "another version": lambda data: b"SGARRAY9" + data[8:],
}


def damaged(path: Path, how: str) -> None:
    """Damage a file, or put a folder in its place."""
    if how == "folder":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes(DAMAGES[how](path.read_bytes()))


def expected(path: Path, how: str) -> str:
    return f"Delete the folder {path}: a file belongs there." if how == "folder" else DAMAGED_CURE


@pytest.mark.parametrize("how", [*DAMAGES, "folder"])
def test_a_damaged_entry_is_told_with_its_own_cure_and_made_anew(
    kind: tuple[Callable[[Path], object], str], folder: Path, how: str
) -> None:
    make, suffix = kind
    wanted = make(folder)
    (path,) = folder.rglob(f"*{suffix}")
    damaged(path, how)
    found: list[object] = []
    said = told(lambda: found.append(make(folder)))
    assert found == [wanted]
    assert said and all(one.endswith(expected(path, how)) for one in said), said


@pytest.mark.parametrize(
    ("number", "cure"),
    [
        (errno.ENOSPC, "Free some space, empty the cache (structgen store clear), or set STRUCTGEN_CACHE to"),
        (errno.EDQUOT, "Free some space, empty the cache (structgen store clear), or set STRUCTGEN_CACHE to"),
        (errno.EACCES, WRITABLE),
        (errno.EROFS, WRITABLE),
        (errno.EIO, "Check the disk, or set STRUCTGEN_CACHE to a folder on another one."),
    ],
)
def test_a_folder_that_does_not_take_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, cure: str
) -> None:
    def fails(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("structgen.base.system.cache.os.replace", fails)
    (said,) = told(lambda: write_atomically(tmp_path / "file", [b"x"]))
    assert said.startswith(f"cannot write {tmp_path / 'file'} ({os.strerror(number)})") and cure in said
    assert not list(tmp_path.iterdir())


def test_a_full_disk_costs_one_warning_and_no_answer(
    kind: tuple[Callable[[Path], object], str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, suffix = kind
    wanted = make(folder)
    for path in folder.rglob(f"*{suffix}"):
        path.unlink()

    def fails(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("structgen.base.system.cache.os.replace", fails)
    found: list[object] = []
    (said,) = told(lambda: found.append(make(folder)))
    assert found == [wanted] and said.startswith("cannot write") and not [*folder.rglob(f"*{suffix}")]


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    (said,) = told(lambda: write_atomically(tmp_path / "taken" / "file", [b"x"]))
    assert said.endswith(WRITABLE)


def test_a_file_of_somebody_else_names_what_to_delete(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "file").chmod(0o666)
    (said,) = told(lambda: open_trusted(tmp_path / "file", "it is built again."))
    assert f"Delete {tmp_path / 'file'} if nobody needs it, or set STRUCTGEN_CACHE to a folder that" in said


def test_a_folder_in_a_files_place_is_told_once_for_reading_and_writing(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()

    def used() -> None:
        open_trusted(tmp_path / "file", "it is built again.")
        write_atomically(tmp_path / "file", [b"x"])

    assert len(told(used)) == 1


def test_another_fault_is_told_again(tmp_path: Path) -> None:
    def used() -> None:
        warn_unusable(tmp_path / "a", ForeignFile("it belongs to another user"), "cannot read a", "lost.")
        warn_unusable(tmp_path / "b", OSError(errno.ENOSPC, "full"), "cannot write b", "lost.")

    assert len(told(used)) == 2
