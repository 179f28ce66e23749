"""Documents: the texts and files that people hand in, each with a name."""

from __future__ import annotations

import os
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Final

from structgen.asking.documents.confined_reading import Read, Text, confined
from structgen.asking.documents.encoded_texts import decoded_text
from structgen.asking.documents.html_text import html_text
from structgen.asking.documents.pdf_text import pdf_text
from structgen.base.errors import OptionError, within
from structgen.base.language import checks

MOST_CHARACTERS: Final = 50_000_000
"""Of a document."""
MOST_BYTES: Final = 100_000_000
"""Of a file."""
MOST_GROWTH: Final = 20
"""The most characters of a text for each byte of its file, beside GROWN_FREELY."""
GROWN_FREELY: Final = 1_000
_READERS: Final[Mapping[str | bytes, Read]] = {
    **dict.fromkeys((".htm", ".html", ".xhtml", b"<!doctype html", b"<html"), html_text),
    **dict.fromkeys((".pdf", b"%pdf-"), pdf_text),
}
"""The readers of files that are no plain text, by suffixes and by what such files begin with."""
_IS_NAME: Final = "This text is the name of a file: give Path(...) to have the file read."
_GIVEN: Final = "Give a text, a Path, a dict of names and texts or Paths, or a list of these."


@dataclass(frozen=True, slots=True)
class TextDocument:
    """A text with a name."""

    name: str
    text: str
    """Places in the document are characters of this text."""
    remarks: tuple[str, ...] = ()
    """What its reader guessed or left out, in sentences."""


def documents_of(given: Any, results: Path | None = None) -> tuple[TextDocument, ...]:
    """Return the documents that are given, in their order. `results`: a file that none of them may be.

    `given`: a text, the Path of a file, a `TextDocument`; a dict from names to texts or Paths; or a list of
    all of these, and of pairs of a name and a text or Path. A text alone is named "document", in a list
    "document 1" by its place; a file is named by the shortest end of its path that no other file has. PDF and
    HTML are told by the suffix or by how the file begins, all else is text: its encoding is found, and each
    line break becomes a newline.

    Raises OptionError for something else, two documents of one name, a file that cannot be read, and a
    document of over MOST_CHARACTERS, MOST_BYTES or MOST_GROWTH; StructgenError where a package is missing.
    Cost: linear; PDF and HTML are read in a process with limits, a minute a file at most.
    """
    named = _named(given)
    twice = [name for name, times in Counter(name for name, _ in named).items() if times > 1]
    if twice:
        what = f"Two documents have the name {twice[0]!r}."
        raise OptionError(what, where="document", cure="Give each another one: {'name': text, ...}.")
    for _, source in named:
        if results is not None and isinstance(source, os.PathLike) and os.path.exists(results):
            if os.path.exists(source) and os.path.samefile(source, results):
                what = f"The results would be written over the document {os.fspath(source)!r}."
                raise OptionError(what, where="out", cure="Name another file for the results.")
    with confined() as reading:
        return tuple(_document(name, source, reading) for name, source in named)


def _named(given: Any) -> list[tuple[str, Any]]:
    """Return what is given as pairs of a name and a text, a path or a `TextDocument`."""
    is_alone = isinstance(given, str | os.PathLike | TextDocument)
    if is_alone or isinstance(given, bytes) or not isinstance(given, Iterable):
        entries: list[Any] = [given]
    else:
        entries = list(given.items() if isinstance(given, Mapping) else given)
    if not entries:
        raise OptionError("There is no document.", where="document", cure=_GIVEN)
    names = iter(_names_of([entry for entry in entries if isinstance(entry, os.PathLike)]))
    named: list[tuple[str, Any]] = []
    for at, entry in enumerate(entries, 1):
        match entry:
            case TextDocument():
                named.append((entry.name, entry))
            case str():
                named.append(("document" if is_alone else f"document {at}", entry))
            case os.PathLike():
                named.append((next(names), entry))
            case (str() as name, str() | os.PathLike() as source):
                named.append((checks.text("name", name), source))
            case _:
                what = f"A value of type {type(entry).__name__} is no document."
                raise OptionError(what, where="document", cure=_GIVEN)
    return named


def _names_of(paths: Sequence[os.PathLike[str]]) -> list[str]:
    """Return the shortest ends of paths that differ; of two equal paths all of both."""
    parts = [PurePath(path).parts for path in paths]
    ends = [part[-1:] for part in parts]
    for length in range(2, max(map(len, parts), default=0) + 1):
        times = Counter(ends)
        ends = [part[-length:] if times[end] > 1 else end for part, end in zip(parts, ends, strict=True)]
    return [os.fsencode(PurePath(*end)).decode(errors="replace") for end in ends]


def _document(name: str, source: Any, reading: Callable[[Read, bytes], Text]) -> TextDocument:
    with within(str(source) if isinstance(source, os.PathLike) else name):
        if isinstance(source, TextDocument):
            text, remarks = source.text, source.remarks
        elif isinstance(source, str):
            text, remarks = source, (_IS_NAME,) if os.path.isfile(source) else ()
        else:
            text, remarks = _read(Path(source), reading)
        if len(checks.encodable("text", text)) > MOST_CHARACTERS:
            what = f"The document has {len(text):,} characters, more than {MOST_CHARACTERS:,}."
            raise OptionError(what, cure="Give parts of it.")
    return TextDocument(name, text, remarks)


def _read(path: Path, reading: Callable[[Read, bytes], Text]) -> Text:
    """Return the text of a file with remarks."""
    try:
        if not path.is_file():
            cure = "Give the Path of a file; of a folder its files: sorted(Path(folder).glob('*.txt'))."
            raise OptionError("There is no such file, or it is a folder, a pipe or a device.", cure=cure)
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        what = f"The file cannot be read: {error.strerror or error}."
        raise OptionError(what, cure="Check the path.") from error
    if len(data) > MOST_BYTES:
        raise OptionError(f"The file has more than {MOST_BYTES:,} bytes.", cure="Give parts of it.")
    head = data[:1024].removeprefix(BOM_UTF8).lstrip().lower()
    begun = (sign for sign in _READERS if isinstance(sign, bytes) and head.startswith(sign))
    read = _READERS.get(next(begun, path.suffix.lower()))
    text, remarks = decoded_text(data) if read is None else reading(read, data)
    if len(text) > MOST_GROWTH * len(data) + GROWN_FREELY:
        what = f"The text is {len(text):,} characters long, over {MOST_GROWTH} times as long as the file."
        raise OptionError(what, cure="Look for what is repeated in it, or give its text.")
    return text.replace("\r\n", "\n").replace("\r", "\n"), remarks
