"""Grammars inside JSON strings, held to json.loads."""

from __future__ import annotations

import itertools
import json
import random
import re

import pytest
from for_each import for_each
from hypothesis import given, settings
from hypothesis import strategies as st
from language_words import accepts, check_rest

import structgen as sg

LETTERS = 'a"\\/\n\t\x01\x1f\x7fé€\U0001f600'


def spellings(char: str) -> list[str]:
    """All ways in which JSON may write a character."""
    found = [] if char < " " or char in '"\\' else [char]
    short = {
        '"': '\\"',
        "\\": "\\\\",
        "/": "\\/",
        "\b": "\\b",
        "\f": "\\f",
        "\n": "\\n",
        "\r": "\\r",
        "\t": "\\t",
    }
    found += [short[char]] if char in short else []
    units = char.encode("utf-16-be")
    forms = []
    for at in range(0, len(units), 2):
        hexed = f"{int.from_bytes(units[at : at + 2], 'big'):04x}"
        forms.append([f"\\u{hexed}", f"\\u{hexed.upper()}"])
    return [*found, *("".join(form) for form in itertools.product(*forms))]


@for_each("char", LETTERS)
def test_every_spelling_of_a_character_is_taken(char: str) -> None:
    grammar = sg.in_json_string(sg.literal(f"<{char}>"))
    for spelling in spellings(char):
        assert json.loads(f'"{spelling}"') == char
        assert accepts(grammar, f'"<{spelling}>"'), spelling
    assert not accepts(grammar, f'"<{char}>') and not accepts(grammar, '"<>"')


@settings(max_examples=2 * settings().max_examples)
@given(text=st.text(LETTERS + "b", max_size=4), noise=st.text('a"\\u0/n\n{}dD83', max_size=6), data=st.data())
def test_a_string_is_taken_if_its_value_is_a_text(text: str, noise: str, data: st.DataObject) -> None:
    pattern = r'(?s:a|"|\\.|\n{1,2}|[é-😀]|\x01)*'
    grammar = sg.in_json_string(sg.regex(pattern))
    written = "".join(data.draw(st.sampled_from(spellings(char))) for char in text)
    for candidate in (f'"{written}"', f'"{noise}"', f'"{written}{noise}"'):
        try:
            value = json.loads(candidate)
        except ValueError:
            value = None
        good = isinstance(value, str) and re.fullmatch(pattern, value) is not None
        good = good and not re.search("[\ud800-\udfff]", value or "")
        assert accepts(grammar, candidate) == good, candidate


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(text=st.text(LETTERS, max_size=6))
def test_canonical_is_what_json_dumps_writes(text: str) -> None:
    grammar = sg.in_json_string(sg.literal(text), escapes="canonical")
    written = json.dumps(text, ensure_ascii=False)
    language = grammar.language(sg.Limits())
    at = language.start()
    for index, byte in enumerate(written.encode()):
        going = [one for one in range(256) if language.step(at, one) is not None]
        assert going == [byte], (index, going)
        check_rest(language, at)
        at = language.step(at, byte)
    assert language.accepts(at)


@pytest.mark.parametrize("pattern", ['a\n"|bbb', "[^a]{2}", "(?:é|\n)+|b{4}", "😀|\\\\\\\\\\\\"])
def test_rests_are_the_shortest_in_every_place(pattern: str) -> None:
    language = sg.in_json_string(sg.regex(pattern)).language(sg.Limits())
    chooser = random.Random(0)
    for _ in range(6):
        config = language.start()
        for _ in range(12):
            check_rest(language, config)
            least = len(language.shortest(config))
            ways = [language.step(config, byte) for byte in range(256)]
            going = [after for after in ways if after is not None]
            assert all(len(language.shortest(after)) >= least - 1 for after in going)
            if not going:
                break
            # escapes are few among the bytes that may come
            escape = language.step(config, 0x5C)
            config = chooser.choice(going) if escape is None or chooser.random() < 0.4 else escape


def test_composed_grammars_and_schemas_are_escaped_part_by_part() -> None:
    schema = sg.json_schema({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]})
    grammar = (
        '{"code": '
        + sg.in_json_string("```\n" + sg.sequence(schema) + sg.substring_of("x\ny").repeat(0, 2))
        + "}"
    )
    inner = '```\n{"a": "b\\n"}x\ny'
    assert accepts(grammar, '{"code": ' + json.dumps(inner) + "}")
    assert not accepts(grammar, '{"code": ' + json.dumps(inner + "z") + "}")


def test_bad_use_is_refused() -> None:
    with pytest.raises(sg.errors.OptionError, match="escapes='all'"):
        sg.in_json_string("a", escapes="all")  # type: ignore[arg-type]
    with pytest.raises(sg.errors.OptionError, match="special token"):
        sg.in_json_string(sg.special(3)).language(sg.Limits())
