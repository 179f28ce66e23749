"""Folders in place of documents, and documents that cannot be read beside others."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from structgen.asking.documents import documents
from structgen.asking.documents.documents import documents_of, files_of
from structgen.base.errors import OptionError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "mails"
    for place in ("b.txt", "a/2.txt", "a/10.txt", "a.txt", "c/d/e.txt", ".hidden.txt", ".git/config", "a/.x"):
        file = inside / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(place)
    (tmp_path / "outside.txt").write_text("outside")
    return inside


def texts(*given: object, **how: object) -> list[str]:
    return [one.text for one in documents_of([*given], **how)]  # type: ignore[arg-type]


def test_a_folder_stands_for_its_files_and_those_of_folders_inside_it(folder: Path) -> None:
    assert texts(folder) == ["a/10.txt", "a/2.txt", "a.txt", "b.txt", "c/d/e.txt"]
    assert [one.name for one in documents_of(folder)] == ["10.txt", "2.txt", "a.txt", "b.txt", "e.txt"]


def test_files_of_a_folder_are_sorted_by_their_paths_whatever_the_system_says_first(tmp_path: Path) -> None:
    source = random.Random(108)
    for number in range(40):
        place = tmp_path.joinpath(*(source.choice("ab.-Z0é") + "x" for _ in range(source.randrange(3))))
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{source.randrange(100)}{number}.txt").touch()
    walked = [Path(top, name) for top, _, names in os.walk(tmp_path) for name in names]
    wanted = [path for path in walked if not any(part.startswith(".") for part in path.parts[1:])]
    assert files_of(tmp_path) == sorted(wanted, key=lambda path: path.parts)


def test_links_in_a_folder_are_not_followed_and_one_that_is_given_is(folder: Path, tmp_path: Path) -> None:
    before = texts(folder)
    (folder / "out.txt").symlink_to(tmp_path / "outside.txt")
    (folder / "in.txt").symlink_to(folder / "a.txt")
    (folder / "loop").symlink_to(folder)
    (folder / "dangling.txt").symlink_to(tmp_path / "absent")
    assert texts(folder) == before
    (tmp_path / "link").symlink_to(folder)
    assert texts(tmp_path / "link") == before


def test_a_folder_with_a_name_is_not_read(folder: Path) -> None:
    with pytest.raises(OptionError, match=r"is a folder.* pass a folder without a name"):
        documents_of({"mails": folder})


def test_a_path_that_is_no_folder_stands_for_itself(folder: Path) -> None:
    for path in (folder / "a.txt", folder / "absent", Path("/dev/null"), Path("a\0b")):
        assert files_of(path) == [path]


def test_texts_beside_a_folder_are_numbered_among_its_files(folder: Path) -> None:
    assert [one.name for one in documents_of([folder / "a", "a text"])] == ["10.txt", "2.txt", "document 3"]


def test_a_file_of_a_folder_that_is_given_too_is_refused(folder: Path) -> None:
    with pytest.raises(OptionError, match="Two documents have the name"):
        documents_of([folder, folder / "a.txt"])


def test_a_folder_without_files_is_no_document(tmp_path: Path) -> None:
    (tmp_path / "empty/inside").mkdir(parents=True)
    with pytest.raises(OptionError, match="The list of documents is empty"):
        documents_of(tmp_path / "empty")


def test_results_of_an_earlier_run_in_the_folder_are_no_documents(folder: Path) -> None:
    before = texts(folder)
    for place in ("found.csv", "found.csv.pages", "found.csv.pages.run", "a/found.csv"):
        (folder / place).write_text(f"file {place}")
    assert texts(folder, results=folder / "found.csv") == sorted([*before, "file a/found.csv"], key=order)


def order(text: str) -> tuple[str, ...]:
    return Path(text.removeprefix("file ")).parts


def test_a_folder_of_too_many_files_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There are five files in eleven entries."""
    monkeypatch.setattr(documents, "MOST_ENTRIES", 11)
    assert len(files_of(folder)) == 5
    monkeypatch.setattr(documents, "MOST_ENTRIES", 10)
    with pytest.raises(OptionError, match=r"mails: The folder has more than .* one by one"):
        documents_of(folder)


# --- documents that cannot be read ---


def test_a_document_that_cannot_be_read_is_named_with_its_reason_and_the_others_are_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "MOST_BYTES", 100)
    monkeypatch.setattr(documents, "MOST_CHARACTERS", 90)
    (folder / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n\0")
    (folder / "long.txt").write_text("x" * 101)
    (folder / "wide.txt").write_text("x" * 95)
    os.mkfifo(folder / "pipe")
    unread = dict[str, OptionError]()
    found = documents_of([folder, folder / "absent.txt", "half \ud800", "last"], None, unread)
    assert [one.text for one in found] == ["a/10.txt", "a/2.txt", "a.txt", "b.txt", "c/d/e.txt", "last"]
    reasons = {name: error.what for name, error in unread.items()}
    assert reasons == {
        "0.png": "The file is not text.",
        "long.txt": "The file has more than 100 bytes.",
        "wide.txt": "The document has 95 characters, more than 90.",
        "pipe": "The file does not exist, or is a folder, a pipe or a device.",
        "absent.txt": "The file does not exist, or is a folder, a pipe or a device.",
        "document 11": "Character 5, '\\ud800', is half of a surrogate pair, not a character.",
    }
    assert all(name in error.where and error.cure for name, error in unread.items())


def test_broken_pdfs_and_readers_that_fail_are_named(tmp_path: Path) -> None:
    pytest.importorskip("pypdf")
    for package in ("bs4", "lxml", "markdownify"):
        pytest.importorskip(package)
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.4\nnothing")
    (tmp_path / "b.pdf").write_bytes(b"")
    (tmp_path / "c.html").write_text("<p>good")
    unread = dict[str, OptionError]()
    assert [one.text for one in documents_of(tmp_path, None, unread)] == ["good"]
    assert [*unread] == ["a.pdf", "b.pdf"]


def test_what_vanishes_or_is_forbidden_after_the_listing_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_open, real_scandir = Path.open, os.scandir

    def opened(path: Path, *how: str) -> object:
        if path.name == "b.txt":
            raise FileNotFoundError(2, "No such file or directory")
        if path.name == "a.txt":
            raise PermissionError(13, "Permission denied")
        return real_open(path, *how)

    def listed(path: Path) -> object:
        if path.name == "c":
            raise PermissionError(13, "Permission denied")
        return real_scandir(path)

    monkeypatch.setattr(Path, "open", opened)
    monkeypatch.setattr(os, "scandir", listed)
    unread = dict[str, OptionError]()
    assert [one.text for one in documents_of(folder, None, unread)] == ["a/10.txt", "a/2.txt"]
    assert {name: error.what for name, error in unread.items()} == {
        "a.txt": "The file cannot be read: Permission denied.",
        "b.txt": "The file cannot be read: No such file or directory.",
        "c": "The file does not exist, or is a folder, a pipe or a device.",
    }


def test_where_no_document_can_be_read_the_first_error_is_raised(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_bytes(b"\0")
    with pytest.raises(OptionError, match=r"a.txt: The file is not text\. Pass"):
        documents_of(tmp_path, None, {})


def test_without_a_place_for_errors_the_first_one_is_raised(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_bytes(b"\0")
    with pytest.raises(OptionError, match=r"b.txt: The file is not text"):
        documents_of(["a text", tmp_path / "b.txt"])
