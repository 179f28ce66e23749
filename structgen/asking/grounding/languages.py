"""Tells which languages a text may be in, and what their words for months mean.

A language *leads* in a text if no other has more of its function words there. Some names of months mean
different months in two languages: `listopada` is November in Polish and October in Croatian. The leading
languages decide; if none of them has the name, or several have it, each meaning is possible.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cache
from itertools import product
from typing import Final

from structgen.asking.grounding.reading import FACTORS_OF

LANGUAGES: Final = ("en", "de", "fr", "es", "it", "pt", "nl")
"""The languages whose number words are read. Their names of months are read in every text."""
_FUNCTION_WORDS: Final[Mapping[str, str]] = {
    "en": "the of and is was to for with by at",
    "de": "der die das und ist mit von für den dem",
    "fr": "le les des et est pour avec du dans au",
    "es": "el los las y con es del por en al",
    "it": "il di che per è con della gli nel alle",
    "pt": "os as em com não do da é para ao",
    "nl": "het van een en met voor is op zijn de",
    "pl": "w z na nie się jest do że oraz przez od dnia zł umowa faktury roku",
    "cs": "se na je že ve pro při jsou dne nebo který jako kč od smlouvy faktury",
    "sk": "sa na je že vo pre pri sú dňa alebo ktorý ako od zmluvy faktúry",
    "sl": "je in na se da za ki so pri ali kot dne pogodba računa",
    "hr": "je i u na se da za su od koji kao ili dana ugovor računa godine",
    "sr": "је и у на се да за су од који као или дана уговор рачуна године",
    "bg": "на и в за се от да е с са при или година договор",
    "mk": "на и во за се од да е со се при или година договор",
    "ru": "в и на не с по что для от до из или это года договор",
    "uk": "в і на не з до що для від за та або це року договір",
    "be": "у і на не з да што для ад за або гэта года дагавор",
    "lt": "ir yra su iš į kad nuo dėl arba bei šis sutartis",
    "lv": "un ir ar no uz par ka kas vai līdz gada līgums",
    "et": "ja on ei see et kui või ning selle mis oli leping",
    "fi": "ja on ei se että tai sekä oli myös kun mukaan sopimus päivänä",
    "sv": "och är att det som på av för med den till inte från ett",
    "da": "og er at det som på af for med den til ikke fra et",
    "nb": "og er at det som på av for med den til ikke fra et",
    "is": "og er að það sem á af fyrir með við til ekki frá um",
    "hu": "a az és hogy nem is egy van meg szerint vagy napján szerződés",
    "ro": "și de la cu în pe nu este din pentru sau că data prin",
    "el": "και το του της η ο την με από για στο των είναι",
    "tr": "ve bir bu için ile de da olan olarak tarihinde en tarihi",
    "ca": "el la i els les amb per del que és als dels una no",
    "gl": "o a e os as con por do da que é dos das unha non",
    "eu": "eta da du ez bat ere dira zen izan duen hau",
    "id": "dan yang di dengan untuk dari pada ini itu tidak adalah tanggal",
    "ms": "dan yang di dengan untuk daripada pada ini itu tidak ialah tarikh",
    "vi": "và của là có không được cho trong với ngày các này",
    "sq": "dhe të në e me për nga është një që si nuk",
    "af": "die en van is in het nie vir met op te om",
    "ar": "في من على إلى أن هذا التي الذي تاريخ عن مع",
    "fa": "و در از به که این را با است تاریخ برای",
    "he": "של את על לא עם הוא זה או כי גם",
    "hi": "के में की है और से को का यह पर",
    "th": "",
    "ko": "",
    "ja": "",
    "zh": "",
}
"""Frequent words of each language. Those of the first seven are words that few of the seven have in common.
The scripts of the last tell them apart."""
_MARKS: Final = r"[\u0300-\u036f\u0900-\u0903\u093a-\u094f\u0e31\u0e34-\u0e3a\u0e47-\u0e4e]"
_WORD: Final = rf"[^\W\d_](?:[^\W\d_]|{_MARKS}){{2,14}}"
EVERYDAY: Final = frozenset("out set ago may mar".split())
"""The names of months that are also everyday words. Without a year they count only with a capital letter."""
_SCRIPTS: Final = {"ko": "[가-힣]", "th": "[ก-๛]"}


def count_function_words(text: str, language: str | None) -> dict[str, int]:
    """Return how many function words of each language a text has. Where the language is known, by its code
    ("pl", "pt-BR"), only this one has any. Cost: linear."""
    if language is not None:
        own_code = re.split("[-_]", language.lower())[0]
        return {
            code: int(code == {"no": "nb", "nn": "nb"}.get(own_code, own_code)) for code in _FUNCTION_WORDS
        }
    words = Counter(re.findall(r"[^\W\d_]+", unicodedata.normalize("NFC", text).lower()))
    counts = {
        language: sum(words[word] for word in spellings.split())
        for language, spellings in _FUNCTION_WORDS.items()
    }
    return counts | {language: len(re.findall(script, text)) for language, script in _SCRIPTS.items()}


@cache
def is_year_first(language: str) -> bool:
    """Return whether a language writes the year first, and with two figures: `24. 5. 3.`"""
    from babel import Locale  # optional: `readings_of` has asked for it

    return bool(Locale(language).date_formats["short"].pattern.startswith("yy/") or language == "ko")


def factors_of_words(languages: Iterable[str], *, is_known: bool) -> dict[str, list[Decimal]]:
    """Return the words that multiply a number in some languages, and in `LANGUAGES`, with their factors.
    Where the language of a text is not known (`is_known`), a short word of Latin script is none: "3 bin"
    need not be Turkish."""
    languages = {*languages}
    factors = defaultdict[str, list[Decimal]](list)
    for language in languages:
        for word, factor in _factors_of_language(language).items():
            is_clear = is_known or not word.isascii() or len(word) > 4
            if is_clear and factor not in factors[word]:
                factors[word].append(factor)
    return FACTORS_OF | factors if languages.isdisjoint(LANGUAGES) else factors | FACTORS_OF


@cache
def _factors_of_language(language: str) -> dict[str, Decimal]:
    """Return the words of a language that multiply a number by thousands, with their factors."""
    from babel import Locale  # optional: `readings_of` has asked for it

    factors: dict[str, Decimal] = {}
    formats = Locale(language).compact_decimal_formats
    for length, form in product(("long", "short"), ("one", "few", "many", "other")):
        for size, pattern in formats.get(length, {}).get(form, {}).items():
            text = str(pattern.pattern)
            zeros = text.count("0")
            word = re.sub(r"[0'.\s\xa0]", "", text).lower()
            # two letters of Latin script are a unit of measure as well: km, mA, nt
            if word.isalpha() and not (len(word) < 3 and word.isascii()):
                factors.setdefault(word, Decimal(int(size)) / 10 ** max(zeros - 1, 0))
    return factors


def leading_languages(counts: Mapping[str, int]) -> set[str]:
    """Return the languages with the most function words; all where a text has none."""
    most = max(counts.values())
    return {language for language, count in counts.items() if count == most}


def months_of_name(name: str, counts: Mapping[str, int], year: str | None) -> set[int]:
    """Return the months that a word may name in a text with so many function words of each language.

    `year`: the figures of the year beside it. A short form counts in any of `LANGUAGES`, and with a year in
    the leading languages; a name of another language counts with a year of four figures.
    """
    leaders = leading_languages(counts)
    months = _names_of_months().get(fold_name(name), {})
    # "mai" is "more" in Romanian
    if not year and (name in EVERYDAY or (name == "mai" and "ro" in leaders)):
        return set()
    if not any(counts.values()) and (not year or len(year) < 4):
        leaders = {*LANGUAGES}
    languages = {
        language
        for language in leaders & months.keys()
        if year or language in LANGUAGES or months[language][1]
    }
    if not languages:
        languages = {
            language
            for language, (_, is_wide) in months.items()
            if language in LANGUAGES or (is_wide and year and len(year) == 4)
        }
        most = max((counts[language] for language in languages), default=0)
        languages = {language for language in languages if counts[language] == most}
    return {months[language][0] for language in languages}


def fold_name(name: str) -> str:
    """Return the name of a month in the letters by which names are compared."""
    return unicodedata.normalize("NFC", name.lower()).replace("\u0131", "i").replace("i\u0307", "i")


@cache
def month_pattern() -> str:
    """Return a pattern of a word that may name a month, with the group `month`; names that are not one word
    ("tháng 5") are listed in it."""
    odd_names = [name for name in _names_of_months() if not re.fullmatch(_WORD, name)]
    odd_pattern = "|".join(map(re.escape, sorted(odd_names, key=len, reverse=True)))
    return rf"(?P<month>(?:{odd_pattern})(?!\w|{_MARKS})|{_WORD})"


@cache
def date_connectors() -> str:
    """Return a pattern of the words that stand between the day, the month and the year of dates."""
    from babel import Locale  # optional: `readings_of` has asked for it

    words = {"of", "do", "di", "roku", "року", "года"}
    for language in _FUNCTION_WORDS:
        locale = Locale(language)
        skeletons = [locale.datetime_skeletons.get(name) for name in ("yMMMd", "yMMMM", "MMMMd")]
        for pattern in filter(None, (*skeletons, locale.date_formats["long"], locale.date_formats["medium"])):
            quoted = re.findall("'([^'\\W\\d_]+)'", pattern.pattern)
            words |= {word for word in quoted if word != "ren"}
    words |= {*Locale("th").eras["abbreviated"].values(), "พ.ศ."}
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


@cache
def _names_of_months() -> dict[str, dict[str, tuple[int, bool]]]:
    """Return for each name of a month, in small letters, with accents and without them, what it means in the
    languages that have it: the month, and whether it is the whole name."""
    from babel import Locale  # optional: `readings_of` has asked for it

    names = defaultdict[str, dict[str, tuple[int, bool]]](dict)

    def add_name(language: str, spelling: str, month: int, is_wide: bool) -> None:
        if len(spelling) > 1 or spelling >= "\u0370":
            names[spelling].setdefault(language, (month, is_wide))

    for language, width in product(_FUNCTION_WORDS, ("wide", "abbreviated")):
        locale = Locale(language)
        pattern = locale.date_formats["long"].pattern.replace("'", "")
        # letters that touch the name: Hebrew's "in" before it, a case of Basque behind it
        before, behind = (re.search(around, pattern) for around in (r"[^\W\d_a-zA-Z]+(?=M)", "(?<=M)[a-z]+"))
        for context in ("format", "stand-alone"):
            for month, raw_name in locale.months[context][width].items():
                name = fold_name(raw_name).rstrip(".\u05f3\u0970")
                if name.isdecimal() or re.search(r"\d[月월]|月", name):
                    continue
                # "de novembre", "d'abril"
                name = re.sub("^d(?:e\\s|['\u2019])", "", name)
                bare_name = re.sub(r"[\u0300-\u036f]", "", unicodedata.normalize("NFD", name))
                # a short name without its accent may be a currency: ZAR
                has_bare = language in LANGUAGES or width == "wide"
                for spelling in {name, bare_name if has_bare else name}:
                    add_name(language, spelling, month, width == "wide")
                    for affix in filter(None, (before, behind)):
                        parts = (affix[0], spelling) if affix is before else (spelling, affix[0])
                        add_name(language, "".join(parts), month, width == "wide")
    for language, spelling, month in (
        ("en", "sept", 9),
        ("de", "mrz", 3),
        ("de", "maerz", 3),
        ("de", "jänner", 1),
        ("es", "setiembre", 9),
    ):
        add_name(language, spelling, month, True)
    return names
