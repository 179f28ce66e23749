"""What people hand in as documents: names, texts, refusals."""

from __future__ import annotations

import codecs
import os
from pathlib import Path
from typing import Any

import pytest

from structgen.asking.documents import documents
from structgen.asking.documents.documents import TextDocument, documents_of
from structgen.base.errors import OptionError


def names(given: Any) -> list[str]:
    return [one.name for one in documents_of(given)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for place in ("a/x.txt", "b/x.txt", "b/y.txt", "c/b/x.txt"):
        file = tmp_path / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(place)
    return tmp_path


def test_a_text_alone_is_a_document() -> None:
    assert documents_of("a text") == (TextDocument("document", "a text"),)


def test_texts_of_a_list_are_numbered_by_their_places() -> None:
    assert names(["one", TextDocument("other", "two"), "three"]) == ["document 1", "other", "document 3"]


def test_names_of_a_dict_and_of_pairs_are_kept(folder: Path) -> None:
    given = {"first": "one", "second": folder / "b/y.txt"}
    want = (TextDocument("first", "one"), TextDocument("second", "b/y.txt"))
    assert documents_of(given) == documents_of(list(given.items())) == documents_of(iter(want)) == want


def test_a_file_is_named_by_the_shortest_end_of_its_path_that_no_other_has(folder: Path) -> None:
    files = [folder / "a/x.txt", folder / "b/x.txt", folder / "b/y.txt", folder / "c/b/x.txt"]
    assert names(files) == ["a/x.txt", f"{folder.name}/b/x.txt", "y.txt", "c/b/x.txt"]
    assert [one.text for one in documents_of(files)] == ["a/x.txt", "b/x.txt", "b/y.txt", "c/b/x.txt"]


def test_an_empty_text_is_a_document(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    assert documents_of(["", tmp_path / "empty.txt"]) == (
        TextDocument("document 1", ""),
        TextDocument("empty.txt", ""),
    )


def test_a_text_that_names_a_file_is_a_text_and_told(folder: Path) -> None:
    (one,) = documents_of(str(folder / "a/x.txt"))
    assert one.text == str(folder / "a/x.txt")
    assert one.remarks == ("This text is the name of a file: pass Path(...) to have the file read.",)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "The list of documents is empty"),
        ({}, "The list of documents is empty"),
        (b"bytes", "A document must be .*, got bytes"),
        (None, "must be .*, got NoneType"),
        (["text", 3], "must be .*, got int"),
        ([("a", "b", "c")], "must be .*, got tuple"),
        ({3: "text"}, "must be .*, got tuple"),
        ({"": "text"}, "name must be a text that is not empty, got ''."),
        ([("a", "one"), ("a", "two")], "Two documents have the name 'a'"),
        ([TextDocument("a", "one"), ("a", "two")], "Two documents have the name 'a'"),
        ("half \ud800", "document: text: Character 5"),
    ],
)
def test_what_is_no_document_is_refused(given: Any, said: str) -> None:
    with pytest.raises(OptionError, match=f"{said}(.* [A-Z]|$)"):
        documents_of(given)


def test_the_same_file_twice_is_refused(folder: Path) -> None:
    with pytest.raises(OptionError, match=r"Two documents have the name '.*a/x.txt'"):
        documents_of([folder / "a/x.txt", folder / "a/../a/x.txt", folder / "a/x.txt"])


@pytest.mark.parametrize("name", ["absent.txt", "absent/x.txt", "a/x.txt/y", "n" * 300])
def test_an_absent_file_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(OptionError, match=f"{name}: (The file does not exist|The file cannot be read)"):
        documents_of(folder / name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are of POSIX")
def test_a_pipe_or_a_device_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(OptionError, match="a pipe or a device"):
            documents_of(path)


def test_a_link_is_read_under_its_own_name(folder: Path) -> None:
    (folder / "link.txt").symlink_to("a/x.txt")
    assert documents_of(folder / "link.txt") == (TextDocument("link.txt", "a/x.txt"),)


def test_a_name_that_is_no_text_can_be_written(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff.txt"
    try:
        os.close(os.open(path, os.O_CREAT))
    except OSError:
        pytest.skip("the system has no such names")
    assert names(Path(os.fsdecode(path))) == ["\ufffd.txt"]


def test_long_documents_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MOST_CHARACTERS", 10)
    monkeypatch.setattr(documents, "MOST_BYTES", 20)
    (tmp_path / "x.txt").write_bytes(b"a" * 21)
    assert documents_of("a" * 10)
    with pytest.raises(OptionError, match="document: The document has 11 characters, more than 10"):
        documents_of("a" * 11)
    with pytest.raises(
        OptionError, match=r"x.txt: The file has more than 20 bytes. Split it, and pass the parts"
    ):
        documents_of(tmp_path / "x.txt")


# --- encodings ---

TEXT = "Die Lieferung erfolgt in Zürich, Größe 5.\n"


def read(tmp_path: Path, data: bytes) -> TextDocument:
    (tmp_path / "x.txt").write_bytes(data)
    (found,) = documents_of(tmp_path / "x.txt")
    return found


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
def test_an_encoding_that_is_certain_is_not_told(tmp_path: Path, mark: bytes, encoding: str) -> None:
    assert read(tmp_path, mark + TEXT.encode(encoding)) == TextDocument("x.txt", TEXT)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (TEXT, "utf-16-le"),
        (TEXT, "utf-16-be"),
        (TEXT, "cp1252"),
        ("caf\xe9 12", "cp1252"),
        ("Le client règle la facture très tôt, là où il était prévu; ça ira. Le présent contrat.", "cp1252"),
        ("Räkningen är på två kronor och åtta öre, så är det.", "cp1252"),
        ("Umowa została zawarta w Łodzi dnia 5 września; zażółć gęślą jaźń.", "cp1250"),
        ("Договор вступает в силу после подписания.", "cp1251"),
        ("日本語のテキストです。これは契約書の文です。", "cp932"),
        ("The party named 日本語 in section 12 of this agreement is the seller of the goods.", "cp932"),
        ("这是一个中文的句子。它说明了分词的方法。", "gb18030"),
    ],
)
def test_an_encoding_that_is_a_guess_is_told(tmp_path: Path, text: str, encoding: str) -> None:
    found = read(tmp_path, text.encode(encoding))
    assert found.text == text
    assert found.remarks == (f"The encoding is a guess: {encoding.replace('-', '_')}.",)


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4,
        b"text with\0 a NUL",
        b"\0" * 100,
        codecs.BOM_UTF16_LE + b"odd",
        codecs.BOM_UTF8 + b"\xff\xff",
    ],
)
def test_bytes_that_are_no_text_are_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(OptionError, match=r"x.txt: The file is not text\. Pass"):
        read(tmp_path, data)


def test_each_line_break_of_a_file_is_a_newline(tmp_path: Path) -> None:
    assert read(tmp_path, b"a\r\nb\rc\n\r\n").text == "a\nb\nc\n\n"
