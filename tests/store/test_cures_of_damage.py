"""A warning about a kept file says the right cure: for damage, a folder in its place, a full disk."""

from __future__ import annotations

import errno
import os
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

import structgen as sg
from structgen.errors import StoreWarning
from structgen.lark_grammars.kept import kept_grammars
from structgen.native.array_file import open_arrays, write_arrays
from structgen.system import cache
from structgen.system.cache import DAMAGED_CURE, ForeignFile, open_trusted, tell_unusable, write_atomically

WRITABLE = "Set STRUCTGEN_CACHE to a folder that can be written."
LARK = 'start: "{" WORD "}"\nWORD: /[a-z]+/\n'


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache._Told, "causes", [])


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


@pytest.fixture(scope="module")
def tokenizer() -> sg.Tokenizer:
    return sg.Tokenizer.from_huggingface(str(Path(__file__).parents[1] / "data/bpe/tokenizer.json"))


def last_mask(tokenizer: sg.Tokenizer, folder: Path) -> list[int]:
    """Return a mask of a Lark grammar, with a new store in a folder, and leave all on the disk."""
    store = sg.MaskStore(folder)
    compiled = sg.compile(sg.lark(LARK), tokenizer, store=store)
    mask = sg.allocate_mask(1, tokenizer.vocab_size)
    matcher = sg.Matcher(compiled)
    for token in tokenizer.encode(b"{ab"):
        matcher.fill_mask(mask)
        matcher.advance(token)
    matcher.fill_mask(mask)
    store.flush()
    return [int(token) for token in mask.allowed()]


@pytest.mark.parametrize("how", [*DAMAGES, "folder"])
@pytest.mark.parametrize("suffix", [".grammar", ".lexer"])
def test_a_damaged_file_of_masks_or_of_a_lexer_has_its_own_cure(
    tokenizer: sg.Tokenizer, tmp_path: Path, how: str, suffix: str
) -> None:
    mask = last_mask(tokenizer, tmp_path)
    (path,) = tmp_path.rglob(f"*{suffix}")
    damaged(path, how)
    if suffix == ".lexer":  # it is read where there is no file of the vocabulary
        next(tmp_path.rglob("*.grammar")).unlink()
    found: list[list[int]] = []
    said = told(lambda: found.append(last_mask(tokenizer, tmp_path)))
    assert found == [mask]
    assert said and all(one.endswith(expected(path, how)) for one in said), said
    assert not any(WRITABLE in one for one in said)


@pytest.mark.parametrize("how", [*DAMAGES, "folder"])
def test_a_damaged_file_of_a_lark_grammar_has_its_own_cure(
    tokenizer: sg.Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setenv("STRUCTGEN_CACHE", str(tmp_path))
    text = f'start: "{how}" A\nA: /[a-z]+/'
    sg.lark(text)
    (path,) = tmp_path.rglob(f"*{kept_grammars.SUFFIX}")
    damaged(path, how)
    said = told(lambda: sg.compile(sg.lark(text), tokenizer, store=False))
    assert said and all(one.endswith(expected(path, how)) for one in said), said


@pytest.mark.parametrize("how", [*DAMAGES, "folder"])
def test_a_damaged_file_of_arrays_has_its_own_cure(tmp_path: Path, how: str) -> None:
    path = tmp_path / "file.arrays"
    assert write_arrays(path, "kind", "key", {"n": 1}, {})
    damaged(path, how)
    (said,) = told(lambda: open_arrays(path, "kind", "key"))
    assert said.endswith(expected(path, how))


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

    monkeypatch.setattr("structgen.system.cache.os.replace", fails)
    (said,) = told(lambda: write_atomically(tmp_path / "file", [b"x"]))
    assert said.startswith(f"cannot write {tmp_path / 'file'} ({os.strerror(number)})") and cure in said
    assert not list(tmp_path.iterdir())


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    (said,) = told(lambda: write_atomically(tmp_path / "taken" / "file", [b"x"]))
    assert said.endswith(WRITABLE)


def test_a_file_of_somebody_else_names_what_to_delete(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "file").chmod(0o666)
    (said,) = told(lambda: open_trusted(tmp_path / "file", "it is made anew."))
    assert f"Delete {tmp_path / 'file'} if nobody needs it, or set STRUCTGEN_CACHE to a folder that" in said


def test_a_folder_in_a_files_place_is_told_once_for_reading_and_writing(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()

    def used() -> None:
        open_trusted(tmp_path / "file", "it is made anew.")
        write_atomically(tmp_path / "file", [b"x"])

    assert len(told(used)) == 1


def test_another_fault_is_told_again(tmp_path: Path) -> None:
    def used() -> None:
        tell_unusable(tmp_path / "a", ForeignFile("it belongs to another user"), "cannot read a", "lost.")
        tell_unusable(tmp_path / "b", OSError(errno.ENOSPC, "full"), "cannot write b", "lost.")

    assert len(told(used)) == 2
