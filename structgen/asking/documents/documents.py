"""Reads documents: a *document* is a text, or a file that people hand in, with a name."""

from __future__ import annotations

import os
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Final

from structgen.asking.documents.confined_reading import FileReader, Text, confined_reader
from structgen.asking.documents.encoded_texts import decode_text
from structgen.asking.documents.html_text import html_text
from structgen.asking.documents.pdf_text import pdf_text
from structgen.base.errors import OptionError, prefix_place
from structgen.base.language import checks

MOST_CHARACTERS: Final = 50_000_000
"""The most characters of a document."""
MOST_BYTES: Final = 100_000_000
"""The most bytes of a file."""
MOST_GROWTH: Final = 20
"""The most characters of a text for each byte of its file, beside GROWN_FREELY."""
GROWN_FREELY: Final = 1_000
_READERS: Final[Mapping[str | bytes, FileReader]] = {
    **dict.fromkeys((".htm", ".html", ".xhtml", b"<!doctype html", b"<html"), html_text),
    **dict.fromkeys((".pdf", b"%pdf-"), pdf_text),
}
"""The readers of files that are not plain text, by suffixes and by the first bytes of such files."""
MOST_ENTRIES: Final = 10_000
"""The most entries of a folder and its inner folders: files, folders and links, hidden ones included."""
_OF_RESULTS: Final = ("", ".pages", ".pages.run", ".pages.lock")
"""The suffixes that the name of a file of results may have for itself and for the files beside it."""
_IS_NAME: Final = "This text is the name of a file: give Path(...) to have the file read."
_GIVEN: Final = (
    "Give a text, the Path of a file or of a folder, a dict of names and texts or files, or a list of these."
)


@dataclass(frozen=True, slots=True)
class TextDocument:
    """A text with a name."""

    name: str
    text: str
    """The text. All places in the document are offsets into it, in characters."""
    remarks: tuple[str, ...] = ()
    """Sentences about what the reader guessed or left out."""


def documents_of(
    sources: Any, results: Path | None = None, unread: dict[str, OptionError] | None = None
) -> tuple[TextDocument, ...]:
    """Return the documents that are given, in their order. `results`: a file that none of them may be, and
    which is left out of a folder. `unread`: takes the errors of documents that cannot be read, by their
    names; without it the first one is raised.

    `sources`: a text, the Path of a file, a `TextDocument`; a dict from names to texts or Paths; or a list of
    all of these, and of pairs of a name and a text or Path. The Path of a folder, without a name, stands for
    its files (`files_of`). A text alone is named "document", in a list "document 1" by its place; a file is
    named by the shortest end of its path that no other file has. PDF and HTML are told by the suffix or by
    how the file begins, all else is text: its encoding is found, and each line break becomes a newline.

    A document cannot be read where its file is not there, is not text, is damaged, or has over MOST_BYTES,
    MOST_CHARACTERS or MOST_GROWTH. Raises OptionError where none can be read, for something else, two
    documents of one name, and a folder of too many files; StructgenError where a package is missing. Cost:
    linear; PDF and HTML are read in a process with limits, a minute of processor time a file at most.
    """
    result_paths = {os.path.realpath(f"{results}{end}") for end in _OF_RESULTS if results is not None}
    # all names are known before the first file is read, as two equal ones end the call
    named_sources = _name_sources(sources, result_paths)
    name_counts = Counter(name for name, _ in named_sources)
    twice = [name for name, times in name_counts.items() if times > 1]
    if twice:
        fault = f"Two documents have the name {twice[0]!r}."
        raise OptionError(fault, where="document", cure="Give each another one: {'name': text, ...}.")
    for _, source in named_sources:
        if isinstance(source, os.PathLike) and os.path.realpath(source) in result_paths:
            fault = f"The results would be written over the document {os.fspath(source)!r}."
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
    """Return what is given as pairs of a name and a text, a path or a `TextDocument`; the files of folders in
    place of these, without `excluded_paths`."""
    is_alone = isinstance(sources, str)
    if isinstance(sources, str | bytes | os.PathLike | TextDocument) or not isinstance(sources, Iterable):
        sources = [sources]
    parts = list[Any]()
    for entry in sources.items() if isinstance(sources, Mapping) else sources:
        parts += files_of(Path(entry), excluded_paths) if isinstance(entry, os.PathLike) else [entry]
    if not parts:
        raise OptionError("There is no document.", where="document", cure=_GIVEN)
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
                fault = f"A value of type {type(source).__name__} is no document."
                raise OptionError(fault, where="document", cure=_GIVEN)
        named_sources.append((name, source))
    return named_sources


def files_of(path: Path, excluded_paths: Set[str] = frozenset()) -> list[Path]:
    """Return the files of a folder and of the folders inside it, sorted by their paths, without those of
    `excluded_paths`; of a path that is no folder this one alone.

    Hidden files and folders, whose names begin with a dot, are left out. Links are not followed: a file
    outside the folder is none of it, and one inside is not read twice. A folder that cannot be read is
    returned in place of its files. Raises OptionError above MOST_ENTRIES.
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
                            fault, where=str(path), cure="Give the folders inside it one by one."
                        )
                    is_hidden = entry.name.startswith(".") or entry.is_symlink()
                    if not is_hidden and os.path.realpath(entry) not in excluded_paths:
                        (folders if entry.is_dir() else files).append(folder / entry.name)
        except (OSError, ValueError):  # no folder, or one that cannot be read
            files.append(folder)
    return sorted(files)


def _names_of(paths: Sequence[os.PathLike[str]]) -> list[str]:
    """Return the shortest ends of paths that differ; of two equal paths all of both."""
    parts = [PurePath(path).parts for path in paths]
    ends = [part[-1:] for part in parts]
    for length in range(2, max(map(len, parts), default=0) + 1):
        times = Counter(ends)
        ends = [part[-length:] if times[end] > 1 else end for part, end in zip(parts, ends, strict=True)]
    return [os.fsencode(PurePath(*end)).decode(errors="replace") for end in ends]


def _read_document(
    name: str, source: Any, read_confined: Callable[[FileReader, bytes], Text]
) -> TextDocument:
    with prefix_place(str(source) if isinstance(source, os.PathLike) else name):
        if isinstance(source, TextDocument):
            text = source.text
            remarks = source.remarks
        elif isinstance(source, str):
            text = source
            remarks = (_IS_NAME,) if os.path.isfile(source) else ()
        else:
            text, remarks = _read_file(Path(source), read_confined)
        if len(checks.check_encodable("text", text)) > MOST_CHARACTERS:
            fault = f"The document has {len(text):,} characters, more than {MOST_CHARACTERS:,}."
            raise OptionError(fault, cure="Give parts of it.")
    return TextDocument(name, text, remarks)


def _read_file(path: Path, read_confined: Callable[[FileReader, bytes], Text]) -> Text:
    """Return the text of a file with remarks."""
    try:
        if not path.is_file():
            fault = "There is no such file, or it is a folder, a pipe or a device."
            raise OptionError(
                fault, cure="Check the path and the rights to it; give a folder without a name."
            )
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        fault = f"The file cannot be read: {error.strerror or error}."
        raise OptionError(fault, cure="Check the path.") from error
    if len(data) > MOST_BYTES:
        raise OptionError(f"The file has more than {MOST_BYTES:,} bytes.", cure="Give parts of it.")
    head = data[:1024].removeprefix(BOM_UTF8).lstrip().lower()
    matching_signs = (sign for sign in _READERS if isinstance(sign, bytes) and head.startswith(sign))
    reader = _READERS.get(next(matching_signs, path.suffix.lower()))
    text, remarks = decode_text(data) if reader is None else read_confined(reader, data)
    if len(text) > MOST_GROWTH * len(data) + GROWN_FREELY:
        fault = f"The text is {len(text):,} characters long, over {MOST_GROWTH} times as long as the file."
        raise OptionError(fault, cure="Look for what is repeated in it, or give its text.")
    return text.replace("\r\n", "\n").replace("\r", "\n"), remarks
