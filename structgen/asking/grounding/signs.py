"""Finds signs that may make a number negative: accounting brackets, dashes, triangles and words.

Each of them may mean something else: a bracket an aside, a dash a bullet or a range. For example "(500)" may
be -500 or 500, so that the text states both values. A hyphen or minus that touches its figures at the
beginning of a word is not such a sign. `numerals` reads it, as one value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from itertools import product

from structgen.asking.grounding.reading import CJK, FACTORS_OF, PART, RANGE, Reading

MONEY = "[$¢-¥֏؋৲৳૱௹฿៛\u20a0-\u20c0﷼\ufe69\uffe0\uffe1\uffe5\uffe6]"
"""The signs of currencies, as a class of a pattern."""
_DASHES = "\u2012-\u2015\u2e3a\u2e3b\ufe58-"
"""The dashes, and the hyphen of a folded text; for a class of a pattern."""
_DASH = f"[{_DASHES}]"
_TRIANGLES = "\u25b2-\u25b5\u25bc-\u25bf"
_NOTES = "*†‡§¹²³⁰-⁹"
"""The marks of footnotes, for a class of a pattern."""
_QUOTES = "'\"_`\u201d\xbb\u203a"
"""The marks that open or close a quote, depending on the character before them."""
_CLOSING = rf"\w.)\]}}%‰°º\u2032\u2033{_QUOTES}"
"""The characters after which no word begins and no quote opens; for a class of a pattern."""
_OPENS = rf"(?:(?<![{_CLOSING}])|(?<=[{CJK}]))"
_BEGINS = (
    rf"(?<!{MONEY}.)(?:(?<![{_CLOSING}{_DASHES}].)|(?<={_OPENS}[{_QUOTES}].)|(?<={_OPENS}[{_QUOTES}]{{2}}.))"
)
"""A pattern that ends after the first character of a word. One or two quotes may open before the word."""
TOUCHING = rf"-{_BEGINS}(?<![~\u2026\u301c\uff5e].)"
"""A hyphen or minus at the beginning of a word, which has no other meaning."""
_BLANKS = r"[^\S\n]{0,8}"
_NUMBER = r"(?=\.?\d|[¼-¾⅐-⅞])"
"""A pattern of the position at which the figures of a number begin."""
_NAMES = (
    r"(?i:euro|dollar|dólar|pound|pfund|livre|libra|sterlin|yen|yuan|fran[ck]|kron|peso|reais|rupee|rubel"
    r"|r(?:ou|u)ble|lira|cent)\w{0,4}"
)
"""A pattern of names of currencies."""
_DEGREES = r"(?:°(?:\s?[CF]\b)?|[℃℉度도CF](?!\w)|(?i:deg|grad|graus|celsius|fahrenheit|centigrad)\w{0,5}\.?)"
_NEGATIVE = r"neg\.|n(?:e|é|e\u0301)gati(?:ef|eve|fs?|v(?:[aoi]s?|e[nmrs]?)?)"
_MINUS = "[负負](?!け)[の的数數]?|(?:マイナス|ﾏｲﾅｽ)の?|마이너스|음[의수]"
"""A pattern of words for minus before a number, in scripts without blanks."""
_BELOW = (
    r"(?:below|under|unter(?:\sdem)?|sous|(?:au|en)[\s-]dessous\s(?:de|du)|bajo|(?:por\s)?debajo\sdel?"
    r"|sotto(?:\s(?:lo|il))?|abaixo\sd[eo]|onder(?:\shet)?)[\s-](?:the\s)?"
    r"(?:zero|z(?:é|e\u0301)ro|cero|null?|0|freezing|gefrierpunkt|vriespunt)\b"
    r"|(?:im\s(?:minus|negativen)|in\sthe\s(?:red|negative)|en\s(?:rojo|negativo|n(?:é|e\u0301)gatif)|dans\sle\srouge"
    r"|in\s(?:rosso|negativo)|no\s(?:vermelho|negativo)|in\shet\s(?:rood|negatief))\b"
)
"""A pattern of words for minus after a number."""


@dataclass(frozen=True, slots=True)
class Signs:
    """The signs of a folded text. Made by `find_signs`.

    `sign_starts` maps the offset at which a number may begin to the offset of the sign or bracket before it.
    `sign_ends` maps the offset at which a sign after a number may begin to its end.
    """

    text: str
    sign_starts: dict[int, int]
    sign_ends: dict[int, int]


def find_signs(text: str) -> Signs:
    """Return the signs of a folded text. Cost: linear."""
    leading_signs, leading_words, trailing_signs, *_ = _sign_patterns()
    return Signs(
        text,
        {
            sign.end(): sign.start()
            for pattern in (leading_signs, leading_words)
            for sign in pattern.finditer(text)
        },
        dict(sign.span() for sign in trailing_signs.finditer(text)),
    )


def read_negative(signs: Signs, marks: bytearray, number: Reading) -> Reading | None:
    """Return the negative of a number that a folded text may state with the sign around it; None where it has
    none. Its place has the sign.

    `- 5`, `$-5`, `▲ 5`, `minus $5`, `negative five`, `(5)`, `$(5)`, `(5 %)`, `(5)1`, `5-`, `5 € -`,
    `5 °C below zero`. Figures that belong to something else have no sign. Cost: bounded.
    """
    text = signs.text
    start = number.start
    end = number.end
    value = number.value
    is_word = text[start].isalpha()
    if marks[start] == PART or (number.is_part and not is_word):
        return None
    *_, closing, measures, beginning = _sign_patterns()
    first = signs.sign_starts.get(start, start)
    last = end
    if is_word and not text[first].isalpha():
        first = start
    if text[first] == "(":
        bracket = closing.match(text, end)
        first, last = (first, bracket.end()) if bracket else (start, end)
    has_behind = first == start and not number.is_part and signs.sign_ends
    if has_behind and (measure := measures.match(text, end)):
        last = signs.sign_ends.get(measure.end(), end)
        is_dash = not text[last - 1].isalnum()
        if is_dash and (is_word or measure[1] or not beginning.match(text, start)):
            last = end
    has_sign = (first, last) != (start, end)
    if not has_sign or not isinstance(value, Decimal) or value <= 0:
        return None
    return Reading("number", value.copy_negate(), first, last, number.is_part, (start, end))


@cache
def _sign_patterns() -> list[re.Pattern[str]]:
    """Return the patterns of a dash, triangle or bracket before figures; of a word before a number; of a dash
    or word behind one; of what closes a bracket behind a number; of what may stand between a number and the
    sign behind it; and of the place before a number that a dash may follow."""
    from babel import Locale  # optional: `readings_of` has asked for it

    codes = "|".join(Locale("en").currencies)
    units = "|".join(FACTORS_OF)
    currency = (
        rf"(?:[A-Z]{{0,3}}{MONEY}|(?=[A-Z]{{3}})(?:{codes})(?![^\W\d_])|kr\.?|zł|Kč|Ft|S?Fr\.?|Rs\.?"
        r"|[百千万億亿兆]{0,2}[円元圆圓원])"
    )
    ahead = rf"{_BLANKS}(?:{currency}\s?{_BLANKS})?"
    is_code = rf"(?<=\b[A-Z]{{3}}%s)(?<!\d\s[A-Z]{{3}}%s)(?<=(?:{codes})%s)"
    second = "|".join(  # of a range: the dash behind another one, behind a number and its unit
        rf"(?<=[\d%‰°)\]'\"\u2032\u2033{MONEY[1:]}{''.join(unit)}{_DASH}.)"
        for unit in product(("", r"\s"), (rf"[^\W\d_]{{{length}}}" for length in range(5)), ("", r"\s"))
    )
    dash = (
        rf"{_BEGINS}|(?<=\.\..)|(?=\S)(?:{second})|(?<=(?<!\d)(?<!\d\s){MONEY}.)"
        rf"|(?<=\b(?:kr|zł|Kč|Ft|Rs|Fr).)|{is_code % (('.',) * 3)}"
        rf"|(?<=(?<!\d)(?<!\d[{CJK}])[{CJK}].)"
    )
    words = (
        # not "au moins", "al menos", "pelo menos", "più o meno", "5 min 30"
        r"(?i:\b(?:(?<!\bo\s)(?<!\b(?:al|ao|au|du|lo|ou)\s)(?<!\bpelo\s)(?:moins|menos|meno)|(?<!\d\s)min"
        rf"|minus|{_NEGATIVE})(?:\s(?:of|von|de|di|van))?)(?:\s|{_DASH}|(?<=(?i:minus))(?=\d))"
        rf"|(?:{_MINUS}|零下|氷点下|冰点下|영하|빙점하)\s?{_DASH}?"
    )
    inside = rf"(?:{_BLANKS}(?:[%‰]|{currency}|{_NAMES}|(?i:{units})\.?(?!\w))){{0,2}}"
    alone = rf"(?!(?![{_NOTES}])[\w(>]|{_DASH}|{MONEY})|(?={currency}(?!\w|\s?\d|{_DASH}))"
    patterns = (
        rf"[({_TRIANGLES}{_DASHES}](?:(?<={_DASH})(?:{dash})|(?<=[{_TRIANGLES}])"
        rf"|(?<=\()(?<![\d_)\]].)(?<!\b[A-Za-z].)){ahead}{_NUMBER}",
        rf"(?:{words}){ahead}(?={_NUMBER}|[^\W\d_])",
        rf"(?i:-?(?:{_BELOW}|(?:minus|moins|menos|meno|negatives?|negatie[fv]|negativ|{_MINUS})(?!\s?\w)"
        rf"|n(?:e|é|e\u0301)gati(?:fs?|ves?|v[oai]s?)(?!\w|\s?\d)))"
        rf"|{_DASH}(?<![.,].)(?:(?<=\s.)(?!>|{_DASH}|[ \xa0]?(?:{currency}[ \xa0]?)?\(?\.?\d)"
        rf"|(?<!\s.)(?:{alone}))",
        rf"[.{_NOTES}]{{0,2}}{inside}{_BLANKS}\)(?:(?![A-Za-z\d])|(?={currency}(?!\w))"
        r"|(?=(?:\d\d?(?:,\d\d?)*[a-z]?|[A-Za-z]|[ivx]{2,4})(?!\w|\.\d)))",
        rf"(?:({RANGE})(?!{_BLANKS}{_DASH}))?[{_NOTES}]{{0,2}}{inside}(?:{_BLANKS}{_DEGREES}){{0,2}}{_BLANKS}",
        rf"(?<![\w./'{_DASHES}])|(?<=[{CJK}])|{is_code % (('',) * 3)}",
    )
    return [*map(re.compile, patterns)]
