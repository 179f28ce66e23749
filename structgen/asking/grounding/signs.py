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


def signed(text: str, marks: bytearray, number: Reading) -> Reading | None:
    """Return the negative of a number that a folded text may state with the sign around it; None where it has
    none. Its place has the sign.

    `- 5`, `$-5`, `▲ 5`, `minus $5`, `negative five`, `(5)`, `$(5)`, `(5 %)`, `5-`, `5 €-`. Figures that
    belong to something else have no sign. Cost: bounded.
    """
    value, (start, end) = Decimal(str(number.value)), (number.start, number.end)
    is_word = text[start].isalpha()
    if value <= 0 or marks[start] == PART or (number.is_part and not is_word):
        return None
    word, sign, opening, closing, beginning, minus = _patterns()
    window = start - _WINDOW  # below 0 it is 0
    if before := (word if is_word else sign).search(text, window, start):
        start = before.start()
    elif is_word:
        return None
    elif (before := opening.search(text, window, start)) and (behind := closing.match(text, end)):
        start, end = before.start(), behind.end()
    elif (behind := minus.match(text, end)) and beginning.match(text, start):
        end = behind.end()
    else:
        return None
    unsigned = number.start, number.end
    return replace(number, value=value.copy_negate(), start=start, end=end, unsigned=unsigned)


@cache
def _patterns() -> list[re.Pattern[str]]:
    """Return the patterns of a word before a number; of a dash, triangle or word there; of the two halves of
    brackets, with what else stands in them; of the place before a number that a minus may follow; and of this
    minus. A currency may stand between a sign and the figures."""
    from babel import Locale  # optional: `readings_of` has asked for it

    codes, units = "|".join(Locale("en").currencies), "|".join(FACTORS_OF)
    currency = (
        rf"(?:[A-Z]{{0,3}}{MONEY}|(?:{codes})(?![^\W\d_])|kr\.?|zł|Kč|Ft|S?Fr\.?|Rs\.?"
        r"|[百千万億亿兆]{0,2}[円元圆圓원])"
    )
    ahead = rf"{_BLANKS}(?:{currency}\s?{_BLANKS})?\Z"
    dash = rf"(?:(?<![\w.)\]}}%‰'\u2012-\u2015\ufe58-])|(?<={MONEY})|(?<=\b(?:{codes}))){_DASH}"
    word = (
        # not "au moins", "al menos", "pelo menos", "più o meno", "5 min 30"
        r"(?i:\b(?:(?<!\bo\s)(?<!\b(?:al|ao|au|du|lo|ou)\s)(?<!\bpelo\s)(?:moins|menos|meno)|(?<!\d\s)min"
        r"|(?:minus|neg\.|n(?:e|é|e\u0301)gati(?:ef|eve|fs?|v(?:[aoi]s?|e[nmrs]?)?))"
        r"(?:\s(?:of|von|de|di|van))?)\s)"
    )
    inside = rf"\.?(?:{_BLANKS}(?:[%‰]|{currency}|{_NAMES}|(?i:{units})\.?(?!\w))){{0,2}}"
    alone = rf"(?![\w(]|{_DASH}|{MONEY})|(?={currency}(?!\w|\s?\d|{_DASH}))"
    patterns = (
        rf"{word}{ahead}",
        rf"(?:{dash}|[\u25b2-\u25b5\u25bc-\u25bf]|{word}){ahead}",
        rf"(?<![\d_)\]])(?<!\b[A-Za-z])\({ahead}",
        rf"{inside}{_BLANKS}\)(?:(?![A-Za-z\d])|(?={currency}(?!\w)))",
        rf"(?<![\w./'\u2012-\u2015\ufe58-])|(?<=\b(?:{codes}))",
        rf"(?:\s?(?:[%‰]|{currency}))?{_DASH}(?:{alone})",
    )
    return [*map(re.compile, patterns)]
