"""The cache folder: where it is, and that files come into it whole or not at all."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import platformdirs
import pytest

from structgen.base.system import cache
from structgen.base.system.cache import cache_folder, write_atomically
from structgen.errors import StoreWarning


@pytest.mark.parametrize("value", ["/here/and/there", "~/somewhere", "", None])
def test_the_environment_names_the_folder(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tilde is the home folder; without the variable it is the platform's folder."""
    if value is None:
        monkeypatch.delenv("STRUCTGEN_CACHE", raising=False)
    else:
        monkeypatch.setenv("STRUCTGEN_CACHE", value)
    usual = platformdirs.user_cache_dir("structgen", appauthor=False)
    assert cache_folder() == Path(value or usual).expanduser()


def test_asking_for_the_folder_does_not_make_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRUCTGEN_CACHE", str(tmp_path / "none"))
    cache_folder()
    assert not (tmp_path / "none").exists()


def test_parts_are_written_one_after_another_in_folders_made_for_them(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    assert write_atomically(path, [b"one", bytearray(b" two"), memoryview(b" three")])
    assert path.read_bytes() == b"one two three"


def test_writing_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert write_atomically(path, [b"a long first text"])
    assert write_atomically(path, [b"short"])
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("file", b"short")]


def test_a_write_that_fails_midway_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def parts() -> Iterator[bytes]:
        yield b"new"
        raise OSError(28, "No space left on device")

    with pytest.warns(StoreWarning, match="No space left on device"):
        assert not write_atomically(path, parts())
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("file", b"old")]


def test_an_error_of_the_callers_own_passes_through_and_leaves_no_rest(tmp_path: Path) -> None:
    def parts() -> Iterator[bytes]:
        yield b"new"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_atomically(tmp_path / "file", parts())
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_folders_place_gives_a_warning_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"")
    with pytest.warns(StoreWarning, match="Set STRUCTGEN_CACHE to a folder that is writable"):
        assert not write_atomically(tmp_path / "taken" / "file", [b"x"])


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_folder_gives_a_warning(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.warns(StoreWarning):
            assert not write_atomically(tmp_path / "file", [b"x"])
    finally:
        tmp_path.chmod(0o700)


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    seen = []

    def parts() -> Iterator[bytes]:
        for _ in range(3):
            seen.append(path.read_bytes())
            yield b"new"

    assert write_atomically(path, parts())
    assert (seen, path.read_bytes()) == ([b"old"] * 3, b"newnewnew")


def test_success_is_silent(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert write_atomically(tmp_path / "file", [b"x"])


def test_the_warning_points_at_the_caller() -> None:
    with pytest.warns(StoreWarning) as caught:
        (lambda: cache.warn_of_file("It is so."))()
    assert caught[0].filename == __file__
