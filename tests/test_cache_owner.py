"""The cache folder shared with others: whose files are read, how folders are made, what is told once."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest

from structgen.base.system import cache
from structgen.base.system.cache import ForeignFile, TrustedFile, open_trusted, remove_own, write_atomically
from structgen.errors import StoreWarning

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="files have no owners here")


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache._WarnedCauses, "causes", [])


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
        assert file.read_bytes().tobytes() == b"content"
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
        assert file.read_bytes().tobytes() == b"content"


def test_a_file_that_was_cut_short_after_it_was_opened_gives_nothing(path: Path) -> None:
    with TrustedFile(path) as file:
        os.truncate(path, 3)
        assert file.read_bytes().tobytes() == b""


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
            assert open_trusted(one, "it is built again.") is None
    (said,) = caught
    assert said.category is StoreWarning and "others may write to it" in str(said.message)


def test_a_file_whose_opening_was_cut_short_is_let_go_of_in_silence() -> None:
    TrustedFile.__new__(TrustedFile).__del__()
