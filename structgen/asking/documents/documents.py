"""Reads documents: texts and files that a caller hands in become `TextDocument`s.

A *document* is a text with a name. A *source* is what the caller gives for it: a text, the path of a file or
a folder, or a pair of a name and one of these. A *reader* turns the bytes of an HTML or PDF file into text.
It is *confined*: it runs in a process of its own, with limits of time and memory. *Remarks* are sentences
about what was guessed or left out. *Results* are the file that the answers are written to.

For example `documents_of({"letter": "Dear ..."})` returns one document with the name "letter".
"""

from __future__ import annotations

import os
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, Final

from structgen.asking.documents.confined_reading import (
    ConfinedReader,
    FileReader,
    Text,
    TextOfSheets,
    confined_reader,
)
from structgen.asking.documents.encoded_texts import decode_text
from structgen.asking.documents.html_text import html_text
from structgen.asking.documents.pdf_text import pdf_text
from structgen.asking.documents.sheets import Sheet
from structgen.base.errors import OptionError, prefix_place
from structgen.base.language import checks

MOST_CHARACTERS: Final = 50_000_000
"""The most characters of a document."""
MOST_BYTES: Final = 100_000_000
"""The most bytes of a file."""
MOST_GROWTH: Final = 20
"""The most characters of a text for each byte of its file. GROWN_FREELY more are allowed for any file."""
GROWN_FREELY: Final = 1_000
"""The characters that the text of a file may have beyond MOST_GROWTH times its bytes."""
_READERS: Final[Mapping[str | bytes, FileReader]] = {
    **dict.fromkeys((".htm", ".html", ".xhtml", b"<!doctype html", b"<html"), html_text),
    **dict.fromkeys((".pdf", b"%pdf-"), pdf_text),
}
"""The readers of files that are not plain text, by suffix (`str`) and by the first bytes (`bytes`). The bytes
are compared in lower case."""
MOST_ENTRIES: Final = 10_000
"""The most entries of a folder and its inner folders: files, folders and links, hidden ones included."""
_OF_RESULTS: Final = ("", ".pages", ".pages.run", ".pages.lock")
"""The suffixes of the file of results ("") and of the files that are written beside it."""
_IS_NAME: Final = "This text is the name of a file: pass Path(...) to have the file read."
_GIVEN: Final = (
    "Pass a text, the Path of a file or of a folder, a dict of names and texts or files, or a list of these."
)


@dataclass(frozen=True, slots=True)
class TextDocument:
    """A text with a name."""

    name: str
    text: str
    """The text. All places in the document are offsets into it, in characters."""
    remarks: tuple[str, ...] = ()
    """The sentences about what the reader guessed or left out."""
    sheets: tuple[Sheet, ...] = field(default=(), compare=False)
    """The sheets of a PDF, one for each of its pages; () for any other document."""
    path: Path | None = field(default=None, compare=False)
    """The file that it was read from."""


def documents_of(
    sources: Any, results: Path | None = None, unread: dict[str, OptionError] | None = None
) -> tuple[TextDocument, ...]:
    """Return the documents for `sources`, in their order.

    `sources` is a text, the Path of a file or a `TextDocument`. It may also be a dict from names to texts or
    Paths, or a list of all of these and of pairs of a name and a text or Path. The Path of a folder, without
    a name, stands for its files (`files_of`). `results` is the file that the results go to: no document may
    be this file, and it is left out of folders. `unread` is a dict that takes the errors of documents that
    cannot be read, by their names. Without it the first such error is raised.

    A single text is named "document"; a text in a list is named by its position, "document 1". A file is
    named by the shortest end of its path that no other file has. PDF and HTML are recognised by the first
    bytes or by the suffix; all else is text. Its encoding is found, and each line break becomes a newline.

    A document cannot be read where its file is missing, is damaged, is not text, or exceeds MOST_BYTES,
    MOST_CHARACTERS or MOST_GROWTH. Raises OptionError where no document can be read. It is raised also for a
    source of another type, for two documents of one name, and for a folder of too many files. Raises
    StructgenError where a package is missing. Cost: linear; at most a minute of processor time for each PDF
    or HTML file.
    """
    result_paths = {os.path.realpath(f"{results}{end}") for end in _OF_RESULTS if results is not None}
    # All names are found before the first file is read, because two equal names end the call.
    named_sources = _name_sources(sources, result_paths)
    name_counts = Counter(name for name, _ in named_sources)
    twice = [name for name, times in name_counts.items() if times > 1]
    if twice:
        fault = f"Two documents have the name {twice[0]!r}."
        raise OptionError(fault, where="document", cure="Rename one of them: {'name': text, ...}.")
    for _, source in named_sources:
        if isinstance(source, os.PathLike) and os.path.realpath(source) in result_paths:
            fault = f"The results would overwrite the document {os.fspath(source)!r}."
            raise OptionError(fault, where="out", cure="Name another file for the results.")
    documents = list[TextDocument]()
    with confined_reader() as read_confined:
        for name, source in named_sources:
            try:
                documents.append(_read_document(name, source, read_confined))
            except OptionError as error:
                if unread is None:
                    raise
                unread[name] = error
    if unread and not documents:
        raise next(iter(unread.values()))
    return tuple(documents)


def _name_sources(sources: Any, excluded_paths: Set[str]) -> list[tuple[str, Any]]:
    """Return pairs of a name and a source: a text, a path or a `TextDocument`. The files of a folder stand in
    its place, without the files of `excluded_paths` (real paths)."""
    is_alone = isinstance(sources, str)
    if isinstance(sources, str | bytes | os.PathLike | TextDocument) or not isinstance(sources, Iterable):
        sources = [sources]
    parts = list[Any]()
    for entry in sources.items() if isinstance(sources, Mapping) else sources:
        parts += files_of(Path(entry), excluded_paths) if isinstance(entry, os.PathLike) else [entry]
    if not parts:
        raise OptionError("The list of documents is empty.", where="document", cure=_GIVEN)
    names = iter(_names_of([part for part in parts if isinstance(part, os.PathLike)]))
    named_sources = list[tuple[str, Any]]()
    for number, source in enumerate(parts, 1):
        match source:
            case TextDocument(name):
                pass
            case str():
                name = "document" if is_alone else f"document {number}"
            case os.PathLike():
                name = next(names)
            case (str() as name, str() | os.PathLike() as source):
                checks.check_text("name", name)
            case _:
                fault = f"A document must be a text, a Path, a dict or a list, got {type(source).__name__}."
                raise OptionError(fault, where="document", cure=_GIVEN)
        named_sources.append((name, source))
    return named_sources


def files_of(path: Path, excluded_paths: Set[str] = frozenset()) -> list[Path]:
    """Return the files of a folder and of the folders inside it, sorted by their paths.

    If `path` is not a folder, it is returned alone. Files whose real paths are in `excluded_paths` are left
    out, and so are hidden files and folders, whose names begin with a dot. Links are not followed: they could
    lead out of the folder, or to a file that is read already. A folder that cannot be read is returned in
    place of its files. Raises OptionError for more than MOST_ENTRIES entries.
    """
    files = list[Path]()
    folders = [path]
    count = 0
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    count += 1
                    if count > MOST_ENTRIES:
                        fault = f"The folder has more than {MOST_ENTRIES:,} files and folders."
                        raise OptionError(
                            fault, where=str(path), cure="Pass the folders inside it one by one."
                        )
                    is_hidden = entry.name.startswith(".") or entry.is_symlink()
                    if not is_hidden and os.path.realpath(entry) not in excluded_paths:
                        (folders if entry.is_dir() else files).append(folder / entry.name)
        except (OSError, ValueError):  # not a folder, or a folder that cannot be read
            files.append(folder)
    return sorted(files)


def _names_of(paths: Sequence[os.PathLike[str]]) -> list[str]:
    """Return for each path its shortest end that no other path has; equal paths are returned whole.

    For example `a/x.txt` and `b/y.txt` give `x.txt` and `y.txt`.
    """
    parts = [PurePath(path).parts for path in paths]
    ends = [part[-1:] for part in parts]
    for length in range(2, max(map(len, parts), default=0) + 1):
        times = Counter(ends)
        ends = [part[-length:] if times[end] > 1 else end for part, end in zip(parts, ends, strict=True)]
    return [os.fsencode(PurePath(*end)).decode(errors="replace") for end in ends]


def _read_document(name: str, source: Any, read_confined: ConfinedReader) -> TextDocument:
    """Return the document of one source. `read_confined` runs a reader on bytes in a process with limits.
    Raises OptionError where the document cannot be read."""
    with prefix_place(str(source) if isinstance(source, os.PathLike) else name):
        if isinstance(source, TextDocument):
            document = source
        elif isinstance(source, str):
            document = TextDocument(name, source, (_IS_NAME,) if os.path.isfile(source) else ())
        else:
            path = Path(source)
            document = TextDocument(name, *_read_file(path, read_confined), path.absolute())
        if len(checks.check_encodable("text", document.text)) > MOST_CHARACTERS:
            fault = f"The document has {len(document.text):,} characters, more than {MOST_CHARACTERS:,}."
            raise OptionError(fault, cure="Split it, and pass the parts.")
    return document


def _read_file(
    path: Path,
    read_confined: ConfinedReader,
) -> TextOfSheets:
    """Return the text of a file, the remarks about it, and the sheets of a PDF. Raises OptionError where it
    cannot be read."""
    try:
        if not path.is_file():
            fault = "The file does not exist, or is a folder, a pipe or a device."
            raise OptionError(fault, cure="Check the path and the permissions; pass a folder without a name.")
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        fault = f"The file cannot be read: {error.strerror or error}."
        raise OptionError(fault, cure="Check the path.") from error
    if len(data) > MOST_BYTES:
        raise OptionError(
            f"The file has more than {MOST_BYTES:,} bytes.", cure="Split it, and pass the parts."
        )
    return read_bytes(data, path.suffix, read_confined)


def read_bytes(
    data: bytes,
    suffix: str,
    read_confined: ConfinedReader,
) -> TextOfSheets:
    """Return the text of the bytes of a file, the remarks about it, and the sheets of a PDF.

    `suffix`: that of its name, such as ".pdf"; `read_confined`: a function of `confined_reader`. Raises
    OptionError where they cannot be read.
    """
    head = data[:1024].removeprefix(BOM_UTF8).lstrip().lower()
    matching_signs = (sign for sign in _READERS if isinstance(sign, bytes) and head.startswith(sign))
    reader = _READERS.get(next(matching_signs, suffix.lower()))
    file_text: Text = decode_text(data) if reader is None else read_confined(reader, data)
    text, remarks = file_text[:2]
    sheets = file_text[2] if len(file_text) > 2 else ()
    if len(text) > MOST_GROWTH * len(data) + GROWN_FREELY:
        fault = f"The text is {len(text):,} characters long, over {MOST_GROWTH} times as long as the file."
        raise OptionError(fault, cure="Look for repeated content in the file, or pass its text.")
    return text.replace("\r\n", "\n").replace("\r", "\n"), remarks, sheets
