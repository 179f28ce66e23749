"""Signs that may make a number negative: accounting brackets, dashes, triangles and words.

Each of them may mean something else: a bracket an aside, a dash a bullet or a range. So the text states both
values. A hyphen or minus that touches its figures at the beginning of a word is no such sign: `numerals`
reads it, as one value.
"""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from functools import cache
from typing import NamedTuple

from structgen.asking.grounding.reading import FACTORS_OF, PART, Reading

MONEY = "[$¢-¥֏؋৲৳૱௹฿៛\u20a0-\u20c0﷼\ufe69\uffe0\uffe1\uffe5\uffe6]"
"""Signs of currencies."""
_DASH = "[-\u2012-\u2015\ufe58]"
"""A hyphen of a folded text, and the dashes."""
_BLANKS = r"[^\S\n]{0,8}"
_WINDOW = 48
"""More characters than the longest sign has with its blanks and its currency."""
_NAMES = (
    r"(?:euro|dollar|dólar|pound|pfund|livre|libra|sterlin|yen|yuan|fran[ck]|kron|peso|reais|rupee|rubel"
    r"|r(?:ou|u)ble|lira|cent)\w{0,4}"
)
"""Names of currencies."""


class _Signs(NamedTuple):
    """The patterns of signs around a number."""

    before: re.Pattern[str]
    """A dash, triangle or word that ends where the number begins, perhaps with a currency between."""
    word: re.Pattern[str]
    """Of these, the words: number words have no other sign."""
    opening: re.Pattern[str]
    closing: re.Pattern[str]
    """The two halves of brackets, with what else may stand in them: a currency, a unit."""
    beginning: re.Pattern[str]
    """The place before figures that begin a word: `3-5-` ends with no sign."""
    behind: re.Pattern[str]
    """A dash that touches the number, or its currency, and nothing behind it."""


def signed(text: str, marks: bytearray, number: Reading) -> Reading | None:
    """Return the negative of a number that a folded text may state with the sign around it; None where it has
    none. Its place has the sign.

    `- 5`, `–5`, `$-5`, `▲ 5`, `minus $5`, `negative five`, `(5)`, `$(5)`, `(5 %)`, `5-`, `5 €-`. Figures that
    belong to something else have no sign. Cost: bounded.
    """
    value, (start, end) = Decimal(str(number.value)), (number.start, number.end)
    is_word = text[start].isalpha()
    if value <= 0 or marks[start] == PART or (number.is_part and not is_word):
        return None
    signs, window = _signs(), max(0, start - _WINDOW)
    if (before := (signs.word if is_word else signs.before).search(text, window, start)) is not None:
        start = before.start()
    elif is_word:
        return None
    elif (opening := signs.opening.search(text, window, start)) is not None:
        if (closing := signs.closing.match(text, end)) is None:
            return None
        start, end = opening.start(), closing.end()
    elif (behind := signs.behind.match(text, end)) is not None and signs.beginning.match(text, start):
        end = behind.end()
    else:
        return None
    place = number.start, number.end
    return replace(number, value=value.copy_negate(), start=start, end=end, unsigned=place)


@cache
def _signs() -> _Signs:
    from babel import Locale  # optional: `readings_of` has asked for it

    codes, units = "|".join(Locale("en").currencies), "|".join(FACTORS_OF)
    currency = (
        rf"(?:[A-Z]{{0,3}}{MONEY}|(?:{codes})(?![^\W\d_])|kr\.?|zł|Kč|Ft|S?Fr\.?|Rs\.?|[百千万億亿兆]{{0,2}}[円元圆圓원])"
    )
    ahead = rf"{_BLANKS}(?:{currency}\s?{_BLANKS})?\Z"
    dash = rf"(?:(?<![\w.)\]}}%‰'\u2012-\u2015\ufe58-])|(?<={MONEY})|(?<=\b(?:{codes}))){_DASH}"
    word = (
        # not "au moins", "al menos", "pelo menos", "più o meno", "5 min 30"
        r"(?i:\b(?:(?<!\bo\s)(?<!\b(?:al|ao|au|du|lo|ou)\s)(?<!\bpelo\s)(?:moins|menos|meno)|(?<!\d\s)min"
        r"|(?:minus|neg\.|n(?:e|é|e\u0301)gati(?:ef|eve|fs?|v(?:[aoi]s?|e[nmrs]?)?))(?:\s(?:of|von|de|di|van))?)\s)"
    )
    inside = rf"\.?(?:{_BLANKS}(?:[%‰]|{currency}|{_NAMES}|(?i:{units})\.?(?!\w))){{0,2}}"
    free = rf"(?![\w(]|{_DASH}|{MONEY})|(?={currency}(?!\w|\s?\d|{_DASH}))"
    return _Signs(
        *map(
            re.compile,
            (
                rf"(?:{dash}|[\u25b2-\u25b5\u25bc-\u25bf]|{word}){ahead}",
                rf"{word}{ahead}",
                rf"(?<![\d_)\]])(?<!\b[A-Za-z])\({ahead}",
                rf"{inside}{_BLANKS}\)(?:(?![A-Za-z\d])|(?={currency}(?!\w)))",
                rf"(?<![\w./'\u2012-\u2015\ufe58-])|(?<=\b(?:{codes}))",
                rf"(?:\s?(?:[%‰]|{currency}))?{_DASH}(?:{free})",
            ),
        )
    )
