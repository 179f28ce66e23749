"""Extracts the text of a PDF file, sheet by sheet."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from io import BytesIO
from itertools import accumulate
from logging.handlers import BufferingHandler
from typing import Any, Final

from structgen.asking.documents.html_text import left_out
from structgen.asking.documents.sheets import Sheet
from structgen.base.errors import OptionError

_SHOWING: Final = frozenset((b"Tj", b"TJ", b"'", b'"'))
"""The operators that show a text."""
INVISIBLE: Final = 3
"""The mode of text that is neither filled nor outlined."""
MOST_PAGES: Final = 20_000
"""More are refused at once: the shortest ones take a millisecond each."""
FAULTS_KEPT: Final = 10_000
"""Messages of pypdf that are kept, one for each fault that it passes over, and those that are told."""
FAULTS_TOLD: Final = 3


def pdf_text(data: bytes) -> tuple[str, tuple[str, ...], tuple[Sheet, ...]]:
    """Return the text of a PDF, its pages parted by blank lines; remarks about its faults, pages without
    text, and what was left out; and a sheet for each page.

    Invisible text beside visible text of a page is left out; alone it is what a scanner has read, and is
    taken. White and covered text is not told from other text. The empty password is tried.

    Raises OptionError for a file with another password, with over MOST_PAGES pages, and without text, and the
    errors of pypdf for one that is no PDF. Its cost is the file's to choose: run it in a process with limits.
    """
    from pypdf import PdfReader  # optional: pypdf

    handler = BufferingHandler(FAULTS_KEPT)
    logger = logging.getLogger("pypdf")
    logger.handlers = [handler]
    logger.propagate = False
    reader = PdfReader(BytesIO(data))
    if reader.is_encrypted and not reader.decrypt(""):
        raise OptionError(
            "The PDF is protected by a password.", cure="Save it without a password, and pass that file."
        )
    if (count := len(reader.pages)) > MOST_PAGES:
        kind = f"The PDF has {count:,} pages, more than {MOST_PAGES:,}."
        raise OptionError(kind, cure="Split it, and pass the parts.")
    pages = [_visible_and_invisible(page) for page in reader.pages]
    texts = [_clean_text((visible or invisible).strip()) for visible, invisible in pages]
    if not any(texts):
        cure = "Pass the output of an OCR program such as ocrmypdf."
        raise OptionError("The PDF contains no text: its pages are images, perhaps scanned.", cure=cure)
    sheets = _sheets_of(reader, texts)
    faults = dict.fromkeys(record.getMessage() for record in handler.buffer)
    remarks = [f"The PDF has a fault: {fault}" for fault in list(faults)[:FAULTS_TOLD]]
    empty = [str(number) for number, text in enumerate(texts, 1) if not text]
    scanned_pages = [
        str(number) for number, (visible, invisible) in enumerate(pages, 1) if invisible and not visible
    ]
    remarks += (
        f"Pages with {what}: {', '.join(numbers)}."
        for what, numbers in (
            ("no text", empty),
            ("only invisible text, as a scanner writes it", scanned_pages),
        )
        if numbers
    )
    hidden = " ".join(invisible for visible, invisible in pages if visible)
    full_text = "\n\n".join(filter(None, texts))
    return full_text, (*remarks, *left_out(hidden, "invisible")), sheets


def _clean_text(text: str) -> str:
    """Return a text without halves of surrogate pairs and NUL, which faulty fonts say, and with newlines."""
    whole_characters = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole_characters.replace("\0", "\ufffd").replace("\r\n", "\n").replace("\r", "\n")


def _sheets_of(reader: Any, texts: Sequence[str]) -> tuple[Sheet, ...]:
    """Return the sheets of a PDF. `texts`: those of its pages. A sheet without text begins where the next one
    does. Labels that cannot be read are left out, with a message in pypdf's log."""
    labels = [""] * len(texts)
    try:
        if "/PageLabels" in reader.root_object:
            labels = [*map(_clean_text, reader.page_labels)]
    except Exception as error:  # whatever a broken tree of labels raises
        logging.getLogger("pypdf").warning("The labels of its pages cannot be read: %.200r", error)
    # a blank line parts the texts
    starts = accumulate((len(text) + 2 * bool(text) for text in texts), initial=0)
    pairs = zip(labels, starts, strict=False)  # the last start is the end
    return tuple(Sheet(start, number, len(texts), label) for number, (label, start) in enumerate(pairs, 1))


def _visible_and_invisible(page: Any) -> tuple[str, str]:
    """Return the visible and the invisible text of a page."""
    modes = [0]
    """That of the text now, and those that the end of a group returns to."""
    is_dropping_invisible = True
    dropped_count = 0

    def visit_operator(operator: bytes, operands: list[Any], *_: object) -> None:
        nonlocal dropped_count
        if operator == b"q":
            modes.append(modes[-1])
        elif operator == b"Q" and len(modes) > 1:
            modes.pop()
        elif operator == b"Tr" and operands:
            modes[-1] = operands[0]
        elif operator in _SHOWING and (modes[-1] == INVISIBLE) is is_dropping_invisible:
            operands.clear()
            dropped_count += 1

    visible = page.extract_text(visitor_operand_before=visit_operator).strip()
    if not dropped_count:
        return visible, ""
    modes = [0]
    is_dropping_invisible = False
    return visible, page.extract_text(visitor_operand_before=visit_operator).strip()
