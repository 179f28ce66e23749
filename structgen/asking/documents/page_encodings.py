"""Decodes the bytes of an HTML page with the encoding that a browser would take.

An *encoding* is a way to write characters as bytes; a *label* names it in the page, for example
`windows-1252`. The standards are https://encoding.spec.whatwg.org (labels, decoders) and
https://html.spec.whatwg.org (its section "Determining the character encoding"). A page that shows one text to
a reader and another one to a program would be evidence for what nobody sees. So only the browser's encoding
is tried. Invalid bytes become U+FFFD, as in a browser: this splits a word or a number, and never makes one.

The decoders are Python's. They differ from a browser's in few characters: the euro sign at byte 80 of GBK,
two letters of KOI8-U, one of Windows-1255, four bytes of Shift_JIS. For some hundred rare characters of
EUC-JP and Big5 Python has U+FFFD or another letter, and never a digit. They differ more in ISO-2022-JP. There
invalid text, and escape sequences that Python reads in another way, are refused.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Final

from structgen.asking.documents.encoded_texts import decode_text, no_text
from structgen.base.errors import OptionError

PRESCANNED: Final = 1_024
"""The first bytes, in which a declaration counts."""
_SIGNS: Final = (
    *((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16le"), (codecs.BOM_UTF16_BE, "utf-16be")),
    *((b"<\0?\0x\0", "utf-16le"), (b"\0<\0?\0x", "utf-16be")),
)
"""Byte order marks, and how XML in UTF-16 begins without one."""
_MEANT: Final = {"utf-16le": "utf-8", "utf-16be": "utf-8", "user-defined": "windows-1252"}
"""The encoding that is read where a page declares one of these in ASCII (names without `x-`): in UTF-16 the
declaration itself would not be ASCII."""
_MARKUP: Final = re.compile(
    rb"<!(?=--)(?:.*?-->|.*)|<(?:(meta)(?=[\t\n\f\r /])|(/?[a-z][^\t\n\f\r >]*)|[!/?][^>]*)",
    re.IGNORECASE | re.DOTALL,
)
"""A comment, `<meta`, the name of another tag, and what else stands in `<>`."""
_ATTRIBUTE: Final = re.compile(
    rb"[\t\n\f\r /]*([^\t\n\f\r />][^\t\n\f\r />=]*)"
    rb"(?:[\t\n\f\r ]*=[\t\n\f\r ]*(?:\"([^\"]*)\"?|'([^']*)'?|([^\t\n\f\r >]*)))?"
)
_CONTENT: Final = re.compile(
    rb"charset[\t\n\f\r ]*=[\t\n\f\r ]*(?:\"([^\"]*)\"|'([^']*)'|([^\t\n\f\r ;]*))", re.IGNORECASE
)
_XML: Final = re.compile(rb"<\?xml[^>]*?encoding[\0- ]*=[\0- ]*(?:\"([^\"\0- ]*)\"|'([^'\0- ]*)')[^>]*>")
_UNLIKE_JAPANESE: Final = re.compile(rb"[\x0e\x0f]|\x1b(?!\([BJ]|\$[@B])|\x1b..\x1b", re.DOTALL)
"""Where Python reads ISO-2022-JP in another way than browsers do."""
_TWO_BYTES: Final = re.compile(rb"[\x81-\xfe][\x80-\xff]")
_FOUR_BYTES: Final = re.compile(rb"[\x81-\xfe](?:[0-9](?:[\x81-\xfe](?:[0-9]|\Z)|\Z)|[\x80-\xff])")
"""What is one character, or one U+FFFD; also in GB 18030."""


def decode_page(data: bytes) -> tuple[str, tuple[str, ...]]:
    """Return the characters of a page, without a byte order mark, and remarks about an encoding that is
    guessed, or is another one than the page declares, and about bytes that are not of it.

    The encoding is that of a byte order mark, else the declared one, else UTF-8, else a guess. Raises
    OptionError for bytes that are no text, and for encodings that browsers do not read. Cost: linear.
    """
    from webencodings import lookup  # optional: webencodings

    labels = [*_declared_labels(data[:PRESCANNED])]
    encoding = next(filter(None, map(lookup, labels)), None)
    declared_name = encoding.name if encoding else ""
    marks = (name for sign, name in _SIGNS if data.startswith(sign))
    name = next(marks, _MEANT.get(declared_name.removeprefix("x-"), declared_name))
    is_refused = False
    if not name:
        text, remarks = decode_text(data)
    else:
        decode = lookup("gb18030" if name == "gbk" else name).codec_info.decode
        remarks = ()
        try:
            text = decode(data, "strict")[0]
            is_refused = name == "iso-2022-jp" and bool(_UNLIKE_JAPANESE.search(data))
        except UnicodeDecodeError:
            text = decode(data, "replace" if name.startswith("utf") else _AS_BROWSERS)[0]
            is_refused = name in ("iso-2022-jp", "replacement")
            if lost := text.count("\ufffd"):
                remarks = (f"{lost:,} bytes that are not {name} were replaced by U+FFFD.",)
    if is_refused:
        fault = "The file declares an encoding that browsers do not read, or do not read in this form."
        raise OptionError(fault, cure="Pass its text.")
    if "\0" in text:
        raise no_text()
    if labels and not name == declared_name != "":
        label_text = f"{declared_name or labels[0]!r:.60}"
        remarks = (f"The declared encoding, {label_text}, is ignored, as in browsers.", *remarks)
    return text.removeprefix("\ufeff"), remarks


def _declared_labels(head: bytes) -> Iterator[str]:
    """Yield the labels of encodings that the beginning of a page declares, the better ones first: those of
    `meta` tags in their order, as the prescan of the standard finds them, then that of an XML declaration."""
    offset = 0
    while markup := _MARKUP.search(head, offset):
        offset = markup.end()
        attributes = dict[bytes, bytes]()
        while markup.lastindex and (attribute := _ATTRIBUTE.match(head, offset)):
            offset = attribute.end()
            value = attribute[2] or attribute[3] or attribute[4] or b""
            attributes.setdefault(attribute[1].lower(), value)
        if markup[1] is None or offset == len(head):
            continue  # at the end, a tag may be cut off
        if b"charset" in attributes:
            yield attributes[b"charset"].decode("latin-1")
        elif attributes.get(b"http-equiv", b"").lower() == b"content-type":
            yield from _last_group(_CONTENT.search(attributes.get(b"content", b"")))
    yield from _last_group(_XML.match(head))


def _last_group(match: re.Match[bytes] | None) -> Iterator[str]:
    """Yield the last group of a match."""
    if match is not None and match.lastindex:
        yield match[match.lastindex].decode("latin-1")


def _replace_invalid(error: UnicodeError) -> tuple[str, int]:
    """Return what stands in place of invalid bytes, and where decoding goes on. As in the standard, an ASCII
    character behind an invalid byte stays, and bytes that Windows encodings lack in Python are controls."""
    assert isinstance(error, UnicodeDecodeError), "it only decodes"
    data = error.object
    offset = error.start
    if error.encoding == "charmap":
        return chr(data[offset]) if data[offset] < 0xA0 else "\ufffd", offset + 1
    match = (_FOUR_BYTES if error.encoding == "gb18030" else _TWO_BYTES).match(data, offset)
    return "\ufffd", match.end() if match else offset + 1


_AS_BROWSERS: Final = "structgen.as_browsers"
codecs.register_error(_AS_BROWSERS, _replace_invalid)
