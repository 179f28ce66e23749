"""Decodes bytes into text: by a byte order mark, as UTF-8, or by a guess, which a remark reports to the
caller.
"""

from __future__ import annotations

import codecs
from typing import Final

from structgen.base.errors import OptionError
from structgen.base.system.installation import require_extras

_SIGNS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks; those of UTF-32 stand first, for one begins as one of UTF-16 does."""
_BROADER: Final = {"ascii": "cp1252", "iso8859-1": "cp1252"}
"""What is meant where these are guessed."""
_EASTERN: Final = frozenset(("Croatian", "Czech", "Hungarian", "Polish", "Romanian", "Slovak", "Slovene"))
"""Languages whose letters Windows-1250 has."""


def decode_text(data: bytes) -> tuple[str, tuple[str, ...]]:
    """Return the text of bytes, without a byte order mark, and a remark where its encoding is a guess.

    UTF-16 and UTF-32 are found without a mark, too. What the text says of its encoding has no say. Raises
    OptionError for bytes that are no text, and without charset-normalizer for those whose encoding must be
    guessed. Cost: linear, some 10 ns a byte.
    """
    mark_encodings = [name for sign, name in _SIGNS if data.startswith(sign)][:1]
    for encoding in mark_encodings or ("utf-8",):
        if (text := _decode_bytes(data, encoding)) is not None:
            return text, ()
    guess = _guess_encoding(data)
    if mark_encodings or (text := _decode_bytes(data, guess)) is None:
        raise no_text()
    return text, (f"The encoding is a guess: {guess}.",)


def no_text() -> OptionError:
    """Return the error of bytes that are no text."""
    cure = "Pass a file of text, HTML or PDF; if the encoding is not recognised, pass the text itself."
    return OptionError("The file is not text.", cure=cure)


def _decode_bytes(data: bytes, encoding: str) -> str | None:
    """Return what the bytes say; None where they are not in this encoding, or say NUL."""
    try:
        text = data.decode(_BROADER.get(codecs.lookup(encoding).name, encoding))
    except (LookupError, UnicodeError):
        return None
    return None if "\0" in text else text


def _guess_encoding(data: bytes) -> str:
    """Return the likeliest encoding; "" where none is likely.

    charset-normalizer takes the first of equals by the alphabet, and short western texts for Chinese. So a
    text most of which is ASCII is Windows-1252 unless something speaks for another encoding.
    """
    with require_extras("A file whose encoding is not UTF-8", "documents"):
        from charset_normalizer import from_bytes  # optional: charset-normalizer
    best = from_bytes(data, preemptive_behaviour=False).best()
    guess, language, is_clear = (
        ("", "", False) if best is None else (best.encoding, best.language, best.coherence > 0)
    )
    is_doubtful = not is_clear or (guess == "cp1250" and language not in _EASTERN)
    high_bytes = data.translate(None, bytes(range(128)))
    is_western = len(data) > 4 * len(high_bytes)
    if is_doubtful and is_western and _decode_bytes(data, "cp1252") is not None:
        return "cp1252"
    # nearly all bytes are UTF-16 of something; that of most scripts has many NULs
    return "" if guess.startswith("utf") and not is_clear and 4 * data.count(0) <= len(data) else guess
