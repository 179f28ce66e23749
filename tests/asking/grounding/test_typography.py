"""A quote in other typography is found at its place, and gets the letters of the text; another is not."""

from __future__ import annotations

import json
import pickle
import random
import re
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from for_each import for_each

pytest.importorskip("babel")
pytest.importorskip("text_to_num")

import structgen as sg
from structgen.asking.grounding.evidence import evidence_of
from structgen.asking.grounding.repairs import QuoteRepair
from structgen.asking.grounding.stated_text import StatedText
from structgen.asking.grounding.typography import OTHER, SPELLING, RunSearch, compare
from structgen.grammars.text_grammars.word_runs import borders_of

SEEDS = [range(300), pytest.param(range(300, 20_300), marks=pytest.mark.slow)]
WORDS = (
    *(
        "Olga",
        "O’Brien",
        "rock 'n' roll",
        "“Hello,”",
        "„Guten",
        "Tag“",
        "«café»",
        "cafe\u0301",
        "naïve",
        "Ångström",
    ),
    *(
        "efﬁcient",
        "flow",
        "fjord",
        "ﬂat",
        "…and",
        "so...",
        "wait…",
        "Ｗｉｄｅ",
        "２０２４",
        "1,204.50",
        "-5",
        "€ 12",
        "(3)",
    ),
    *(
        "soft\u00adened",
        "zero\u200bwidth",
        "東京は",
        "ガラス",
        "ﾃｽﾄ",
        "한국어",
        "well-known",
        "pages 10–12",
        "сімʼя",
        "Œuvre",
        "§ 5",
        "x²",
    ),
)
BLANKS = (" ", " ", " ", "\n", "  ", "\u00a0", "\t\u2009", "\r\n\r\n")


def place_of(chance: random.Random, words: tuple[str, ...]) -> tuple[str, int, int]:
    """Return a text of words, and the place of a quote in it."""
    chosen = [chance.choice(words) for _ in range(chance.randint(4, 14))]
    first = chance.randrange(len(chosen))
    last = min(len(chosen), first + chance.randint(1, 5))
    text = start = end = ""
    for index, word in enumerate(chosen):
        if index == first:
            start = text
        text += word
        if index == last - 1:
            end = text
        text += chance.choice(BLANKS)
    return text, len(start), len(end)


def at_each(chance: random.Random, text: str, of: dict[str, str]) -> str:
    """Return a text in which each of some pieces is perhaps another one."""
    for piece, other in of.items():
        if chance.random() < 0.5:
            text = text.replace(piece, other)
    return text


def inserted(chance: random.Random, text: str, chars: str, *, is_inside: bool) -> str:
    """Return a text with a character between two others, or between two letters."""
    places = [
        at for at in range(1, len(text)) if not is_inside or (text[at - 1].isalpha() and text[at].isalpha())
    ]
    if not places:
        return text
    at = chance.choice(places)
    return text[:at] + chance.choice(chars) + text[at:]


def wide(chance: random.Random, text: str) -> str:
    chars = (
        chr(ord(char) + 0xFEE0) if "!" <= char <= "~" and chance.random() < 0.5 else char for char in text
    )
    return "".join(chars)


def narrow(chance: random.Random, text: str) -> str:
    return "".join(chr(ord(char) - 0xFEE0) if "\uff01" <= char <= "\uff5e" else char for char in text)


LIGATURES = {"ffi": "ﬃ", "fi": "ﬁ", "fl": "ﬂ", "Oe": "Œ", "oe": "œ"}
CHANGES: dict[str, Callable[[random.Random, str], str]] = {
    "marks of quotation": lambda chance, text: at_each(
        chance, text, {"’": "'", "ʼ": "’", "“": '"', "”": '"', "„": "“", "«": '"', "»": "”", "'": "‘"}
    ),
    "an ellipsis": lambda chance, text: (
        at_each(chance, text, {"...": "…"}) if "..." in text else text.replace("…", "...")
    ),
    "NFC": lambda chance, text: unicodedata.normalize("NFC", text),
    "NFD": lambda chance, text: unicodedata.normalize("NFD", text),
    "ligatures": lambda chance, text: at_each(chance, text, LIGATURES),
    "no ligatures": lambda chance, text: at_each(
        chance, text, {other: piece for piece, other in LIGATURES.items() if piece != "Oe"}
    ),
    "full width": wide,
    "half width": narrow,
    "soft hyphens": lambda chance, text: inserted(chance, text, "\u00ad", is_inside=True),
    "no soft hyphens": lambda chance, text: text.replace("\u00ad", ""),
    "zero width": lambda chance, text: inserted(
        chance, text, "\u200b\u200c\u200d\u2060\ufeff", is_inside=False
    ),
    "no zero width": lambda chance, text: text.replace("\u200b", ""),
    "white space": lambda chance, text: chance.choice(BLANKS).join(text.split()),
}


def places(text: str, value: str) -> list[tuple[int, int]]:
    (found,) = evidence_of([value], StatedText({"text": text}))
    return [(place.start, place.end) for place in found.places]


@pytest.mark.parametrize("seeds", SEEDS)
def test_a_quote_in_other_typography_is_found_at_its_place_and_gets_the_letters_of_the_text(
    seeds: range,
) -> None:
    repaired = set()
    for seed in seeds:
        chance = random.Random(seed)
        text, start, end = place_of(chance, WORDS)
        value, search = text[start:end], RunSearch({"text": text})
        for name in chance.sample([*CHANGES], chance.randint(1, 3)):
            value = CHANGES[name](chance, value)
        difference, runs = search.find_runs(value, 1_000)
        if difference == 0 and value.split() != text[start:end].split():
            continue  # the text has it in this typography at another place
        assert (start, end) in [run[1:] for run in runs] and difference < SPELLING, (seed, text, value)
        letters = {" ".join(text[start:end].split()) for _, start, end in runs}
        assert " ".join(search.repair_letters(value).split()) in letters, (seed, value)
        repaired.add(difference)
    assert repaired == {0, 1}


DISTINCT = (
    *(
        "Alpha",
        "beta",
        "GAMMA",
        "Delta-Epsilon",
        "zeta – eta",
        "theta—iota",
        "kap-\npa",
        "lamb-\n  da",
        "Mü",
        "nu-\u2010Xi",
    ),
    *("omi\u00ad\ncron", "pi-rho-\nsigma", "Tau", "ups–ilon", "Straße", "phi (Chi)", "“Psi”", "o’mega"),
)
SPELLINGS: dict[str, Callable[[random.Random, str], str]] = {
    "case": lambda chance, text: chance.choice((str.upper, str.lower, str.swapcase, str.title))(text),
    "dashes": lambda chance, text: text.replace("–", chance.choice("-—−‐")).replace("—", chance.choice("-–")),
    "two hyphens": lambda chance, text: text.replace("—", "--"),
    "joined": lambda chance, text: "".join(
        text.replace("-\n  ", chance.choice(("", "-")))
        .replace("-\n", chance.choice(("", "-")))
        .split("\u00ad\n")
    ),
    "broken": lambda chance, text: text.replace("lpha", chance.choice(("lp-\nha", "l-\r\n pha"))),
    "typography": lambda chance, text: CHANGES[
        chance.choice([name for name in CHANGES if name != "no soft hyphens"])
    ](chance, text),
}


@pytest.mark.parametrize("seeds", SEEDS)
def test_a_quote_in_another_case_with_other_dashes_or_without_hyphens_at_line_ends_is_found_once(
    seeds: range,
) -> None:
    for seed in seeds:
        chance = random.Random(seed)
        words = chance.sample(DISTINCT, chance.randint(3, 9))
        first = chance.randrange(len(words))
        before, quote = " ".join(words[:first]), " ".join(words[first : first + chance.randint(1, 4)])
        text = " ".join((before, quote, *words[first:][len(quote.split()) :]))
        start = len(before) + 1
        value = quote
        # a hyphen is one at a line's end as long as the line ends there
        for name in sorted(chance.sample([*SPELLINGS], chance.randint(1, 3)), key="broken".__eq__):
            value = SPELLINGS[name](chance, value)
        text = f"{before} {quote} omega"
        assert places(text, value) == [(start, start + len(quote))], (seed, text, value)
        # of two places none is chosen
        twice = f"{text}. {quote}"
        if compare(value, quote) == SPELLING:
            assert places(twice, value) == [], (seed, twice, value)


def changed_words(chance: random.Random, quote: str) -> str:
    """Return a quote in which a word, a digit or a sign before a digit is another one."""
    letters = [at for at, char in enumerate(quote) if char.isalpha()]
    digits = [at for at, char in enumerate(quote) if char.isdigit() and char.isascii()]
    ways: list[Callable[[], str]] = []
    if letters:
        at = chance.choice(letters)
        ways.append(
            lambda: quote[:at] + ("x" if quote[at] in "QqZz" else chance.choice("QZqz")) + quote[at + 1 :]
        )
        ways.append(lambda: quote[:at] + "q" + quote[at:])
    if digits:
        place = chance.choice(digits)
        other = chance.choice([digit for digit in "0123456789" if digit != quote[place]])
        ways.append(lambda: quote[:place] + other + quote[place + 1 :])
        ways.append(lambda: quote[:place] + other + quote[place:])
        ways.append(lambda: quote[:place] + chance.choice("+±~#") + quote[place:])
        if not re.match(r"[\d.,]", quote[place - 1 : place]):  # 1-2 may be the code 12
            ways.append(lambda: quote[:place] + chance.choice("-–−") + quote[place:])
    for sign in "-–−":
        if f"{sign}5" in quote or f"{sign}12" in quote:
            for other_sign in {"", "+", *"-–−—"} - {sign}:
                ways.append(
                    lambda sign=sign, other=other_sign: quote.replace(f"{sign}5", f"{other}5").replace(
                        f"{sign}12", f"{other}12"
                    )
                )  # type: ignore[misc]
    for piece, other in (
        ("é", "e"),
        ("x²", "x2"),
        ("ガ", "カ"),
        ("-known", "known"),
        ("-known", " known"),
        ("Å", "A"),
        ("ï", "i"),
    ):
        if piece in quote:
            ways.append(lambda piece=piece, other=other: quote.replace(piece, other))  # type: ignore[misc]
    words = quote.split()
    if len(words) > 1:
        ways += [lambda: " ".join(words[1:]), lambda: " ".join([*words[:-1], "quiz"])]
        if not any(map(str.isdigit, quote)):  # a code may be written without blanks
            ways.append(lambda: "".join(words))
    return chance.choice(ways or [lambda: f"{quote} quiz"])()


@pytest.mark.parametrize("seeds", SEEDS)
def test_a_changed_word_digit_or_sign_is_never_found_at_the_place(seeds: range) -> None:
    for seed in seeds:
        chance = random.Random(seed)
        text, start, end = place_of(chance, (*WORDS, "–5", "−12", "Zürich–Basel"))
        value = changed_words(chance, text[start:end])
        if chance.random() < 0.5:
            value = CHANGES[chance.choice([*CHANGES])](chance, value)
        if (
            not value.strip()
            or unicodedata.normalize("NFKC", value).split()
            == unicodedata.normalize("NFKC", text[start:end]).split()
        ):
            continue
        assert (start, end) not in places(text, value), (seed, text[start:end], value)


LIKELY = "aAbBé1- \n’'\"“.…(ﬁfi–\u00ad\u200bß一"


@pytest.mark.parametrize("seeds", SEEDS)
def test_the_search_finds_the_runs_of_all_that_could_be_quotes_with_the_smallest_difference(
    seeds: range,
) -> None:
    for seed in seeds:
        chance = random.Random(seed)
        text = "".join(chance.choices(LIKELY, k=chance.randint(1, 14)))
        begins, ends, _ = (numbers.tolist() for numbers in borders_of(text))
        start = chance.randrange(len(text))
        value = text[start : start + chance.randint(1, 6)]
        value = (
            CHANGES[chance.choice([*CHANGES])](chance, value).swapcase() if chance.random() < 0.5 else value
        )
        if not any(map(str.isalnum, value)):
            continue
        pairs = [(begin, end) for begin in begins for end in ends if begin < end]
        by_difference: dict[int, list[tuple[int, int]]] = {0: [], 1: [], 2: [], OTHER: []}
        for begin, end in pairs:
            by_difference[compare(value, text[begin:end])].append((begin, end))
        difference, runs = RunSearch({"text": text}).find_runs(value, 100)
        expected = next((known for known in (0, 1, 2) if by_difference[known]), OTHER)
        if expected == SPELLING and difference == OTHER:  # several places
            assert (
                len({begin for begin, _ in by_difference[2]}) > 1
                or len({end for _, end in by_difference[2]}) > 1
            )
            continue
        assert difference == expected, (seed, text, value)
        if difference < SPELLING:
            # a character without width beside a run makes no second place of it
            assert {run[1:] for run in runs} <= {*by_difference[difference]}, (seed, text, value)
            assert difference or len(runs) == len(by_difference[0]), (seed, text, value)


@for_each(
    ("value", "words", "difference"),
    [
        ("5'", "5′", 1),
        ("5'", '5"', OTHER),
        ("'a'", "“a”", 1),
        ("``a''", "“a”", 1),
        ('a 5"', "a 5''", OTHER),
        ("and …", "and . . .", 1),
        ("m2", "M2", OTHER),
        ("5 mw", "5 MW", SPELLING),
        ("SECTION 5", "Section 5", SPELLING),
        ("a -5", "a –5", OTHER),
        ("a - 5", "a – 5", OTHER),
        ("a -EUR 5", "a –EUR 5", OTHER),
        ("10-12", "10–12", OTHER),
        ("COVID-19", "COVID-\n19", OTHER),
        ("re-sign", "resign", OTHER),
        ("recover", "re-\ncover", SPELLING),
        ("re-cover", "re-\ncover", SPELLING),
        ("pre and post", "pre- and post", OTHER),
        ("preand", "pre- and", OTHER),
        ("2", "²", OTHER),
        ("1/2", "½", OTHER),
        ("No 5", "№ 5", OTHER),
        ("IV", "Ⅳ", OTHER),
        ("-½ %", "–½ %", OTHER),
        ('7½"', "7½′", OTHER),
        ("5'\"", "5''", OTHER),
        ('5 "', "5 ′", OTHER),
        ("❤", "❤\ufe0f", 1),
        ("e", "é", OTHER),
    ],
)
def test_what_differs_in_typography_alone(value: str, words: str, difference: int) -> None:
    assert compare(value, words) == compare(words, value) == difference


@for_each(
    ("text", "value"),
    [
        ("1" * 400_000, "1" * 200_000),
        ("一" * 100_000, "一" * 50_000 + "\u200b"),
        ("a. " * 100_000, ". a" * 50_000),
        ("-." * 100_000 + "a5", "-." * 90_000 + "A5"),
        ("x" * 300_000 + "1", "X" * 300_000 + "1"),
        ("(" * 100_000 + "a" + ")" * 100_000, "[" * 100_000 + "a"),
        ("The page. " * 100_000, "THE"),
    ],
)
def test_a_text_that_repeats_itself_is_searched_all_the_same(text: str, value: str) -> None:
    assert RunSearch({"text": text}).find_runs(value, 2)[0] in (1, OTHER)


def schema_of(**members: Any) -> dict[str, Any]:
    return {"type": "object", "properties": members, "required": [*members], "additionalProperties": False}


STRING = {"type": "string"}
SCHEMA = schema_of(
    quote={"type": "string", "x-quote": {"words": 3}},
    free=STRING,
    listed={"enum": ["o'brien", 5]},
    held={"type": "string", "pattern": "^[a-z']+$"},
    inferred={"type": "string", "x-inferred": True},
    inside={"type": "array", "items": {"anyOf": [{"type": "null"}, schema_of(**{"o'brien": STRING})]}},
)
DOCUMENT = {
    **dict.fromkeys(("quote", "free", "listed", "held", "inferred"), "o'brien"),
    "inside": [None, {"o'brien": "o'brien"}],
}


def repaired(pieces: list[str], *, quotes: bool) -> str:
    repair = QuoteRepair(sg.json_schema(SCHEMA, strict=None), quotes, StatedText({"text": "for O’Brien."}))
    return "".join(map(repair.repair_piece, pieces)) + repair.open_string


@pytest.mark.parametrize("quotes", [False, True])
def test_quotes_alone_are_repaired_in_any_pieces(quotes: bool) -> None:
    text = json.dumps(DOCUMENT)
    whole = repaired([text], quotes=quotes)
    expected = {**DOCUMENT, "quote": "O’Brien"}
    if quotes:
        expected |= {"free": "O’Brien", "inside": [None, {"o'brien": "O’Brien"}]}
    assert json.loads(whole) == expected
    for size in range(1, 9):
        pieces = [text[at : at + size] for at in range(0, len(text), size)]
        assert repaired(pieces, quotes=quotes) == whole
    assert repaired([text[:-9] + "!!"], quotes=quotes)[-2:] == "!!"


def test_a_long_string_is_read_once_in_small_pieces() -> None:
    # a reader that begins again at each piece takes hours
    text = json.dumps({**DOCUMENT, "free": '"a" ' * 5_000})
    assert repaired([text[at : at + 4] for at in range(0, len(text), 4)], quotes=False) == repaired(
        [text], quotes=False
    )


def test_a_search_of_runs_is_pickled() -> None:
    search = pickle.loads(pickle.dumps(RunSearch({"a": "Mr O’Brien"})))
    assert search.find_runs("O'Brien", 2) == RunSearch({"a": "Mr O’Brien"}).find_runs("O'Brien", 2)


@for_each(
    "keywords",
    [
        {"minLength": 7, "maxLength": 7},
        {"minLength": 7, "x-unknown": 1, "anyOf": [{"maxLength": 9}]},
        {"$comment": "c", "pattern": "rien$"},
    ],
)
def test_keywords_beside_a_quote_change_nothing(keywords: dict[str, Any]) -> None:
    schema = schema_of(a={"type": "string", "x-quote": {}, **keywords})
    repair = QuoteRepair(sg.json_schema(schema, strict=None), False, StatedText({"text": "for O’Brien."}))
    assert json.loads(repair.repair_piece('{"a": "O\'Brien"}')) == {"a": "O’Brien"}


def test_marks_that_the_type_forbids_are_no_error() -> None:
    schema = schema_of(a={"type": "string", "x-quote": {}, "pattern": "rien$", "allOf": [{"pattern": "^O"}]})
    repair = QuoteRepair(sg.json_schema(schema, strict=None), False, StatedText({"text": "for O’Brien."}))
    assert json.loads(repair.repair_piece('{"a": "O\'Brien"}'))["a"] in ("O'Brien", "O’Brien")


@for_each(
    "text",
    ['no JSON: "o\'brien"', '{"quote": "o\'brien\\q"}', '{"quote": "o\'brien', "", '{"other": "o\'brien"}'],
)
def test_what_is_no_document_stays_as_it_is(text: str) -> None:
    assert repaired([text], quotes=True) == text
