"""What a mask of quotes can say is what the evidence places: over random texts of Unicode."""

from __future__ import annotations

import random

import pytest
from for_each import for_each

pytest.importorskip("babel")
pytest.importorskip("text_to_num")

import structgen as sg
from structgen.asking.grounding.evidence import evidence_of
from structgen.asking.grounding.grounded_grammar import grounded_grammar
from structgen.asking.grounding.stated_text import StatedText
from structgen.grammars.text_grammars.word_runs import runs_of

MANY = [range(200), pytest.param(range(200, 20_200), marks=pytest.mark.slow)]
LIKELY = "aabbé一カไ \t\n\u00a0\u3000;\"(-.,'_@/\\!"
LIKELY += "\u0301\u0e31\u093f\u200f\u200d\ufe0f\U0001f1e6\U0001f44d\U0001f3fb"


def random_text(chance: random.Random) -> str:
    def character() -> str:
        while True:
            char = chr(
                chance.choice((chance.randrange(0x80), chance.randrange(0x3000), chance.randrange(0x110000)))
            )
            # where figures are, a code may stand in other letters, with other marks; an apostrophe that is a
            # letter is looked for as an apostrophe, which alone is no word
            if not char.isnumeric() and not 0xD800 <= ord(char) < 0xE000 and not 0x2B9 <= ord(char) <= 0x2BD:
                return char

    return "".join(
        chance.choice(LIKELY) if chance.random() < 0.8 else character() for _ in range(chance.randint(1, 11))
    )


def sayable(text: str) -> set[str]:
    """Return all runs of a text, read byte by byte; none of a text without words."""
    try:
        grammar = runs_of(text)
    except sg.errors.GrammarError:
        return set()
    language = grammar.language(grammar.limits)
    found, pending = set[str](), [(language.start(), b"")]
    while pending:
        config, read = pending.pop()
        if language.accepts(config):
            found.add(read.decode())
        for byte in language.first_bytes(config):
            after = language.step(config, byte)
            assert after is not None
            pending.append((after, read + bytes((byte,))))
    return found


@pytest.mark.parametrize("seeds", MANY)
def test_what_the_mask_can_say_is_what_the_evidence_places(seeds: range) -> None:
    for seed in seeds:
        text = random_text(random.Random(seed))
        folded = " ".join(text.split())
        sizes = range(len(folded) + 1)
        candidates = {folded[start:end] for start in sizes for end in sizes[start + 1 :]}
        candidates = {one for one in candidates if one == " ".join(one.split())}
        stated = StatedText({"text": text})
        stated.readings = ()
        placed = {one.value for one in evidence_of([*candidates], stated, is_exact=True) if one.places}
        assert sayable(text) == placed, (seed, text)


@for_each(
    ("text", "quotes"),
    [
        ("Acme Inc. paid.", "Acme Inc.|Acme Inc|paid.|paid"),
        (".NET developer", ".NET developer|NET developer|.NET"),
        ("see /etc/passwd", "/etc/passwd|etc/passwd"),
        ("use --force now", "--force|force"),
        ("call (555) 010-9999", "(555) 010-9999|555) 010-9999"),
        ("by Yahoo! today", "Yahoo!|Yahoo"),
        ("in C++, C#, 50 %", "C++|C|C#|50 %|50"),
        ('"Yes," he said', '"Yes,"|Yes,|Yes'),
        ("Ça va\u00a0?", "Ça va ?|Ça va"),
        ("好的\u3002走", "好的\u3002|好的|好"),
        ("~/.bashrc @ada #tag $5", "~/.bashrc|@ada|#tag|$5"),
    ],
)
def test_a_quote_has_its_marks_or_not(text: str, quotes: str) -> None:
    said = sayable(text)
    for quote in quotes.split("|"):
        (one,) = sg.outcome_of(f'{{"a": {sg_json(quote)}}}', {"type": "object"}, grounded=text).evidence
        assert quote in said and one.places, quote


def sg_json(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@for_each("quote", ["Inc. pai", ". paid", "cme", "Acme (", "Acme Inc. ", ".", "?!"])
def test_what_cuts_a_word_or_takes_the_mark_of_another_is_no_quote(quote: str) -> None:
    text = "Acme Inc. paid (?! it"
    assert quote not in sayable(text)
    if quote == quote.strip():
        (one,) = evidence_of([quote], StatedText({"text": text}))
        assert one.places == ()


def test_a_text_of_marks_alone_states_no_quote() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "x-quote": {}}}, "required": ["a"]}
    with pytest.raises(sg.errors.NotStatedError, match="words"):
        grounded_grammar(sg.json_schema(schema), StatedText({"text": "?! ... (((" * 1_000}))
    assert [one.places for one in evidence_of(["?!", "("], StatedText({"text": "?! (("}))] == [(), ()]
