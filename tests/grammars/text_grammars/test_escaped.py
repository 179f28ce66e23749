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
from structgen.decoding.runs.resources import small_tokenizer
from structgen.grammars.text_grammars.machine.compiled_text import CompiledText
from structgen.tokens.tokenizer import byte_tokenizer

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
            least = len(language.shortest_rest(config))
            ways = [language.step(config, byte) for byte in range(256)]
            going = [after for after in ways if after is not None]
            assert all(len(language.shortest_rest(after)) >= least - 1 for after in going)
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
    with pytest.raises(sg.errors.OptionError, match="escapes must be one of any, canonical, got 'all'"):
        sg.in_json_string("a", escapes="all")  # type: ignore[arg-type]
    with pytest.raises(sg.errors.UnsupportedError, match="special token"):
        sg.in_json_string(sg.special(3)).language(sg.Limits())


SCHEMAS = [
    ({"type": "object"}, '{"'),
    ({"type": "object", "minProperties": 2, "additionalProperties": {"const": 1}}, '{"'),
    ({"type": "object", "propertyNames": {"maxLength": 1}, "minProperties": 2}, '{"a": 1, "'),
    ({"type": "object", "patternProperties": {"^\\W": {"const": 1}}, "required": ["b"]}, '{"'),
    ({"type": "array", "uniqueItems": True, "minItems": 3, "items": {"type": "string"}}, '["", "a", "'),
    ({"type": "array", "uniqueItems": True, "minItems": 2, "items": {"maxProperties": 1}}, '[{"a": {"'),
    ({"type": "string", "maxLength": 2}, '"a'),
    ({"type": "string", "pattern": "^(a|\\u00e9{3}|b\\n{2})$"}, '"'),
]
"""Schemas, and a text inside a string or a key of an instance."""


@pytest.mark.parametrize(("schema", "begun"), SCHEMAS)
def test_the_rest_of_an_escape_is_the_shortest_over_all_its_characters(schema: dict, begun: str) -> None:
    of = sg.json_schema(schema, **sg.WIDEST)
    inner = sg.compile(of, byte_tokenizer(), store=False)
    compiled = sg.compile(sg.in_json_string(of), byte_tokenizer(), store=False)
    before = inner.step_bytes(inner.start, begun.encode())
    ways = []
    for point in range(256):
        after = before and inner.step_bytes(before, chr(point).encode())
        if after is not None:
            ways.append(f"{point:02x}{json.dumps(inner.completion(after).decode(), ensure_ascii=False)[1:]}")
    text = json.dumps(begun)[:-1] + "\\u00"
    state = compiled.step_bytes(compiled.start, text.encode())
    if state is None:
        assert not ways
        return
    rest = compiled.completion(state).decode()
    assert len(rest) == min(map(len, ways))
    json.loads(json.loads(text + rest))


@pytest.mark.parametrize(("schema", "begun"), SCHEMAS)
def test_an_escape_that_is_begun_makes_few_states(schema: dict, begun: str) -> None:
    """A million characters may follow, which lead to a few kinds of states."""
    compiled = sg.compile(
        sg.in_json_string(sg.json_schema(schema, **sg.WIDEST)), byte_tokenizer(), store=False
    )
    for read in ("\\", "\\u", "\\ud8", "\\ud83d\\u"):
        state = compiled.step_bytes(compiled.start, (json.dumps(begun)[:-1] + read).encode())
        if state is not None:
            compiled.completion(state)
            compiled.expected(state)
    assert sum(size for name, size in compiled.sizes.items() if name.endswith("_states")) < 10_000


def test_a_budget_steps_few_tokens_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Near the end of an escaped document its bytes tell where tokens lead, many of them at once."""
    tokenizer = sg.Tokenizer.from_huggingface(small_tokenizer())
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    compiled = sg.compile(sg.in_json_string(sg.json_schema(schema)), tokenizer, store=False)
    stepped = []
    step = CompiledText._after_token
    monkeypatch.setattr(
        CompiledText, "_after_token", lambda self, *given: (stepped.append(given), step(self, *given))[1]
    )
    matcher, mask = sg.Matcher(compiled), sg.allocate_mask(1, tokenizer.vocab_size)
    for token in tokenizer.encode(json.dumps('{"name": "Ada').encode()[:-1]):
        matcher.advance(token)
    stepped.clear()
    matcher.fill_mask(mask, budget=matcher.tokens_to_finish() + 2)
    assert len(stepped) < 100 < tokenizer.vocab_size // 4
