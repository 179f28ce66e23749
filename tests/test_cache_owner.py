"""The cache folder shared with others: whose files are read, how folders are made, what is told once."""

from __future__ import annotations

import errno
import os
import random
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import forked
import pytest
from long_waits import without_waits

from structgen.errors import StoreWarning
from structgen.system import cache
from structgen.system.cache import ForeignFile, TrustedFile, open_trusted, remove_own, write_atomically

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="files have no owners here")


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache._Told, "causes", [])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of ours."""
    path = tmp_path / "file"
    assert write_atomically(path, [b"content"])
    return path


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_to_is_refused(path: Path, mode: int) -> None:
    path.chmod(mode)
    with pytest.raises(ForeignFile, match="others may write to it"):
        TrustedFile(path)


def test_a_file_of_another_user_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:
        os.chown(path, 12345, 12345)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(ForeignFile, match="belongs to another user"):
        TrustedFile(path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root's files are root's")
def test_a_file_of_root_is_read_by_all(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with TrustedFile(path) as file:
        assert file.bytes().tobytes() == b"content"
    remove_own(path)
    assert path.exists()  # but not deleted


def test_a_link_a_pipe_and_a_folder_are_refused(path: Path) -> None:
    link, pipe, folder = (path.with_name(name) for name in ("link", "pipe", "folder"))
    link.symlink_to(path)
    os.mkfifo(pipe, 0o600)
    folder.mkdir(0o700)
    for other in (link, pipe, folder):
        with pytest.raises(ForeignFile):
            TrustedFile(other)


def test_what_is_checked_is_what_is_read(path: Path) -> None:
    """Another file may take the name at any moment."""
    with TrustedFile(path) as file:
        path.unlink()
        path.write_bytes(b"another")
        path.chmod(0o666)
        assert file.bytes().tobytes() == b"content"


def test_a_file_that_was_cut_short_after_it_was_opened_gives_nothing(path: Path) -> None:
    with TrustedFile(path) as file:
        os.truncate(path, 3)
        assert file.bytes().tobytes() == b""


def test_each_folder_is_made_closed_whatever_the_umask_is(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir(0o755)
    (tmp_path / "there").chmod(0o755)
    before = os.umask(0)
    try:
        assert write_atomically(tmp_path / "there" / "a" / "b" / "file", [b"x"])
    finally:
        os.umask(before)
    modes = [(tmp_path / "there" / name).stat().st_mode & 0o7777 for name in (".", "a", "a/b", "a/b/file")]
    assert modes == [0o755, 0o700, 0o700, 0o600]


def test_the_files_of_others_are_told_of_once(path: Path) -> None:
    path.chmod(0o666)
    other = path.with_name("other")
    other.write_bytes(b"x")
    other.chmod(0o666)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for one in (path, other, path):
            assert open_trusted(one, "it is made anew.") is None
    (said,) = caught
    assert said.category is StoreWarning and "others may write to it" in str(said.message)


_KINDS = """
import structgen as sg
import tokenizers
bytes_alone = sg.Tokenizer.from_bytes([*(bytes([byte]) for byte in range(256)), None], eos_token_id=256)
for grammar in (sg.json_schema({"const": 1}), sg.lark('start: "a"'), sg.regex("a", dialect="python")):
    compiled = sg.compile(grammar, bytes_alone, store=False)
    sg.Matcher(compiled).fill_mask(sg.allocate_mask(1, 257))
"""
"""Imports what each kind of grammar needs, for another tokenizer."""

_USE = """
import errno, os, sys, warnings
warnings.simplefilter("always")
import structgen as sg
from structgen.system import cache
from structgen.system.resources import small_tokenizer

caught = []
warnings.showwarning = lambda message, category, *_: caught.append(f"{category.__name__}: {message}")
full = sys.argv[1] == "full"
if full:
    really = os.open
    def none_left(path, flags, *rest, **more):
        if flags & os.O_CREAT and str(path).startswith(os.environ["STRUCTGEN_CACHE"]):
            raise OSError(errno.ENOSPC, "No space left on device")
        return really(path, flags, *rest, **more)
    os.open = none_left

from structgen.store import grammar_files
from structgen.tokens import vocabulary
vocabulary._WORTH_A_FILE = 0
tokenizer = sg.Tokenizer.from_huggingface(small_tokenizer())
found = []
grammars = (
    sg.json_schema({"type": "integer"}),
    sg.lark('start: "ab" "c"+'),
    sg.regex(r"(?i:\\w)[0-9]+", dialect="python"),
)
for grammar in grammars:
    compiled = sg.compile(grammar, tokenizer)
    mask = sg.allocate_mask(1, compiled.vocab_size)
    sg.Matcher(compiled).fill_mask(mask)
    found.append(mask.array.tobytes().hex())
sg.MaskStore(os.path.join(os.environ["STRUCTGEN_CACHE"], "masks")).flush()
grammar_files._Queue.get().flush()
print("\\n".join([*found, *caught]))
"""


def _used(folder: Path, how: str) -> tuple[list[str], list[str]]:
    """Return the masks that a process finds, and what it is told."""
    environment = {**os.environ, "STRUCTGEN_CACHE": str(folder)}
    done = forked.run(_USE, how, ahead=_KINDS, env=environment)
    assert done.returncode == 0, done.stderr
    assert not without_waits(done.stderr)
    lines = done.stdout.splitlines()
    return lines[:3], lines[3:]


@pytest.fixture(scope="module")
def well(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Return a folder that a process has filled, and the masks that it found."""
    folder = tmp_path_factory.mktemp("well")
    masks, told = _used(folder, "")
    assert not told
    return folder, masks


def test_a_full_disk_and_a_folder_that_cannot_be_made_cost_one_warning_and_no_answer(
    tmp_path: Path, well: tuple[Path, list[str]]
) -> None:
    masks = well[1]
    (tmp_path / "file").write_bytes(b"")
    for folder, how, why in (
        (tmp_path / "full", "full", errno.ENOSPC),
        (tmp_path / "file" / "below", "", errno.ENOTDIR),
    ):
        found, told = _used(folder, how)
        assert found == masks
        (said,) = told
        assert said.startswith("StoreWarning: cannot write") and os.strerror(why) in said


def _flipped(path: Path, _other: Path) -> None:
    data = bytearray(path.read_bytes())
    data[random.Random(path.name).randrange(len(data))] ^= 0x10
    path.write_bytes(data)


def _cut_off(path: Path, _other: Path) -> None:
    os.truncate(path, path.stat().st_size * 2 // 3)


def _made_foreign(path: Path, _other: Path) -> None:
    _flipped(path, path)  # what it holds would be told of, if it were read
    path.chmod(0o666)


def _of_another_key(path: Path, other: Path) -> None:
    path.write_bytes(other.read_bytes() if other != path else path.read_bytes()[::-1])


@pytest.mark.parametrize("fault", [_flipped, _cut_off, _made_foreign, _of_another_key])
def test_damaged_foreign_and_other_files_change_no_answer(
    tmp_path: Path, well: tuple[Path, list[str]], fault: Callable[[Path, Path], None]
) -> None:
    """The promise of docs/inside/cache.md, for every file that the grammars of all kinds leave."""
    masks, folder = well[1], tmp_path / "folder"
    shutil.copytree(well[0], folder)
    left = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
    assert {path.suffix for path in left} >= {
        ".arrays",
        ".grammar",
        ".lark-tables",
        ".lexer",
        ".ranges",
    }
    for path, other in zip(left, [*left[1:], left[0]], strict=True):
        fault(path, other)
    found, told = _used(folder, "")
    assert found == masks
    assert told and all(one.startswith("StoreWarning: ") for one in told)
    if fault is _made_foreign:
        assert all(path.exists() for path in left) and len(told) == 1 and "others may write" in told[0]


def test_a_file_whose_opening_was_cut_short_is_let_go_of_in_silence() -> None:
    TrustedFile.__new__(TrustedFile).__del__()
