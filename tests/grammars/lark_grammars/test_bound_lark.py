"""Terminals of a Lark grammar bound to others: held to lark's own lexer and parser, over all texts."""

from __future__ import annotations

import pickle
import random
import re
from itertools import pairwise

import grammars_drawn as drawn
import lark
import pytest
from bound_reference import BoundReference
from compiled_texts import reached
from for_each import for_each
from lark.indenter import PythonIndenter
from lark_reference import after, differences, takes, texts

import structgen as sg
from structgen.base.limits import Limits
from structgen.grammars.text_grammars.machine.language import TOKEN, Language

CASES = {
    "between strings that it holds": ('start: "a" J "b"\n', "a*b"),
    "behind a pattern that takes its beginning": ("start: A J\nA: /a+/\n", "a|b"),
    "never, as a pattern takes it": ('start: A J | "b"\nA: /a+/\n', "a+"),
    "a look-ahead asks for it": ("start: A J\nA: /a+(?=bc)/\n", "bc?a"),
    "a look-ahead refuses what is behind it": ("start: A J\nA: /ab*(?!c)/\n", "bc|cb"),
    "a look-ahead asks what is behind it": ('start: A J "c"\nA: /a(?=bc)|aa/\n', "b|bb"),
    "beside a lazy pattern": ("start: X J\nX: /a.*?b/s\n", "b|c"),
    "what is ignored around it": ('start: "a" J "a"\n%ignore "c"\n', "c?b+c?"),
    "ignored itself": ('start: "a"+ "b"\n%ignore J\n', "cb?"),
    "beside keywords": ('start: "ab" NAME | J "a"\nNAME: /[ab]+/\n', "[ab]c?"),
    "in brackets": ('start: "a" start "b" | J\n', "[ab]|cc"),
    "again and again": ("start: J+\n", "ab?|b(?=c)c"),
    "a look-behind asks for it": ('start: J B | J "c"\nB: /(?<=a)b/\n', "a|b"),
    "the text's start": ("start: J? B\nB: /^b|(?<!b)c/\n", "a|b"),
    "two of them": ("start: J K J\n%declare K\n", "a+"),
    "nothing goes on behind it": ('start: "c" | J A B\nA: /a+/\nB: "ab"\n', "b|bc"),
    "where the table drops a rule": ('start: x "b"\nx: J | J "b"\n', "a|ab"),
}


def _bound(pattern: str, grammar: str) -> dict[str, str]:
    return {"J": pattern, "K": "ab|c"} if "declare K" in grammar else {"J": pattern}


@for_each("name", CASES)
def test_texts_are_those_of_larks_lexer_and_the_bound_ones(name: str) -> None:
    grammar, pattern = CASES[name]
    grammar += "%declare J\n"
    bound = _bound(pattern, grammar)
    ours = sg.lark(grammar, bind={one: sg.regex(of) for one, of in bound.items()}).language(Limits())
    assert differences(BoundReference(grammar, bound), ours, "abc", 6) == []


PATTERNS = ("a|b", "ab?", "a+", "a*b", "b|ab", "[ab]c?", "c")


def _drawn(seed: int) -> tuple[str, str]:
    """Return a grammar that uses J, and the pattern of J."""
    draw = random.Random(seed)
    lines = drawn.drawn(seed, looks=draw.random() < 0.3).splitlines()
    for at in range(3):
        symbols = lines[at].split(" ")
        symbols.insert(draw.randint(1, len(symbols)), draw.choice(("J", "J?")))
        lines[at] = " ".join(symbols)
    return "\n".join(lines) + "\n%declare J\n", draw.choice(PATTERNS)


@pytest.mark.parametrize(
    "seeds", [range(9000, 9025), pytest.param(range(9025, 9070), marks=pytest.mark.slow)]
)
def test_texts_of_random_grammars_are_those_of_larks_lexer_and_the_bound_ones(seeds: range) -> None:
    held = 0
    for seed in seeds:
        grammar, pattern = _drawn(seed)
        try:
            reference = BoundReference(grammar, {"J": pattern})
            ours = sg.lark(grammar, bind={"J": sg.regex(pattern)}).language(Limits())
            assert differences(reference, ours, "abc", 4) == [], seed
        except (lark.exceptions.LarkError, sg.errors.LimitError):
            continue
        held += 1
    assert held > len(seeds) // 4


def test_what_may_come_names_the_bound_texts_parts() -> None:
    ours = sg.lark('start: "x" J "y"\n%declare J\n', bind={"J": sg.regex("a*b")}).language(Limits())
    config = after(ours, b"x", ours.start())
    assert config is not None
    assert {(one.first, one.sources) for one in ours.expected_items(config)} == {(b"ab", ("start",))}
    config = reached(ours, ord("b"), config)
    assert [(one.what, one.sources, one.first) for one in ours.expected_items(config)] == [
        ('"y"', ("start",), b"y")
    ]


def test_what_never_fits_is_refused() -> None:
    grammar = "start: A J\nA: /a+/\n%declare J\n"
    reference = BoundReference(grammar, {"J": "a+"})
    assert not any(takes(reference, text) for text in texts("ab", 6))
    with pytest.raises(sg.errors.GrammarError, match="accepts no text"):
        sg.lark(grammar, bind={"J": sg.regex("a+")}).language(Limits()).start()


BLOCKS = r"""
start: line+
line: J _NEWLINE | J ":" _NEWLINE _INDENT line+ _DEDENT
_NEWLINE: /(\n *)+/
%declare _INDENT _DEDENT J
"""


def test_indentation_around_bound_texts() -> None:
    reference = BoundReference(BLOCKS, {"J": "a|a\n a"}, postlex=PythonIndenter())
    ours = sg.lark(BLOCKS, postlex=PythonIndenter, bind={"J": sg.regex("a|a\n a")}).language(Limits())
    assert differences(reference, ours, "a:\n ", 6) == []


@for_each("name", [name for name, (grammar, _of) in CASES.items() if not re.search(r"\?[=!]", grammar)])
def test_without_a_lexer_they_are_terminals_like_others(name: str) -> None:
    grammar, pattern = CASES[name]
    bound = _bound(pattern, grammar)
    defined = grammar.replace("%declare K", "K: /ab|c/") + f"J: /{pattern}/\n"
    binding = {one: sg.regex(of) for one, of in bound.items()}
    made = sg.lark(grammar + "%declare J\n", lexer="characters", bind=binding)
    ours, plain = made.language(Limits()), sg.lark(defined, lexer="characters").language(Limits())
    for text in texts("abc", 5):
        verdicts = []
        for one in (ours, plain):
            config = after(one, text.encode(), one.start())
            verdicts.append(config is not None and one.accepts(config))
        assert verdicts[0] == verdicts[1], text


CALLS = r"""
start: ("call" NAME "(" ARGUMENTS ")" ";")+
NAME: /[a-z]+/
%ignore " "
%declare ARGUMENTS
"""
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


@pytest.mark.parametrize("lexer", ["contextual", "characters"])
def test_a_json_schema_inside_a_rule(lexer: str) -> None:
    made = sg.lark(CALLS, lexer=lexer, bind={"ARGUMENTS": sg.json_schema(SCHEMA)})  # type: ignore[call-overload]
    tokens = [*(bytes([byte]) for byte in range(256)), b'f({"', b'n":', b"1})", b"x})", b"});", None]
    compiled = sg.compile(made, sg.Tokenizer.from_bytes(tokens, eos_token_id=len(tokens) - 1))
    matcher, mask = sg.Matcher(compiled), sg.allocate_mask(1, len(tokens))
    for token in (*b"call ", 256, 257):
        matcher.advance(token)
    matcher.fill_mask(mask)
    allowed = set(mask.allowed())
    assert {258, *b"-1 "} <= allowed
    assert not allowed & {259, 260, ord('"')}
    assert [one.what for one in matcher.expected() if one.sources] == ["an integer"]
    for token in (258, *b" ;"):
        matcher.advance(token)
    assert matcher.is_complete
    assert pickle.loads(pickle.dumps(made)) == made


def test_masks_leave_out_what_the_lexeme_before_forbids() -> None:
    bound = {"J": sg.json_schema({"type": "integer"})}
    made = sg.lark("start: A J\nA: /a+(?![0-9])/\n%declare J\n", bind=bound)
    tokens = [*(bytes([byte]) for byte in range(256)), b"12", b"-1", None]
    compiled = sg.compile(made, sg.Tokenizer.from_bytes(tokens, eos_token_id=258))
    state = compiled.step_bytes(compiled.start, b"a")
    assert state is not None
    assert set(compiled.allowed(state)) == {*b"a- \t\n\r", 257}


def _language(bound: sg.Grammar | str) -> Language:
    return sg.lark('start: A J "b"\nA: /a+/\n%declare J\n', bind={"J": bound}).language(Limits())


def test_a_special_token_ends_a_lexeme() -> None:
    ours = _language(sg.special(7))
    config = after(ours, b"aa", ours.start())
    assert config is not None
    ended = reached(ours, TOKEN + 7, config)
    assert ours.step(ended, TOKEN + 7) is None
    assert list(ours.shortest_rest(config)) == [TOKEN + 7, ord("b")]
    assert ours.step(ours.start(), TOKEN + 7) is None


def test_tokens_of_a_bound_text_are_counted() -> None:
    compiled = sg.compile(
        sg.lark('start: "a" J "b"\n%declare J\n', bind={"J": sg.text(until="c", max_tokens=3)}),
        sg.Tokenizer.from_bytes([*(bytes([byte]) for byte in range(256)), None], eos_token_id=256),
    )
    matcher, mask = sg.Matcher(compiled), sg.allocate_mask(1, 257)
    sizes = []
    for token in b"axyz":
        matcher.advance(token)
        matcher.fill_mask(mask)
        sizes.append(len(mask.allowed()))
    assert sizes[-1] == 1  # what is left of `until`
    assert all(before >= later for before, later in pairwise(sizes))


def test_a_text_stands_for_itself_and_a_lark_grammar_for_its_texts() -> None:
    ours = _language("xy")
    assert bytes(ours.shortest_rest(ours.start())) == b"axyb"
    inner = _language(sg.lark('start: "x"+\n'))
    assert after(inner, b"aaxxxb", inner.start()) is not None
    assert after(inner, b"aayb", inner.start()) is None


@pytest.mark.parametrize(
    ("grammar", "bind", "said"),
    [
        ('start: "a" J\n%declare J\n', {"K": "x"}, "The terminal K does not exist"),
        ('start: "a" J\nJ: "b"\n', {"J": "x"}, "J has a pattern"),
        ('start: "a" J\n%declare J\n', {}, "The terminal J is declared, but never made"),
        ('start: "a"\n%ignore J\n%declare J\n', {}, "The terminal J is declared, but never made"),
    ],
)
@pytest.mark.parametrize("lexer", ["contextual", "characters"])
def test_names_that_do_not_fit(grammar: str, bind: dict[str, str], said: str, lexer: str) -> None:
    with pytest.raises(sg.errors.GrammarError, match=said) as caught:
        sg.lark(grammar, lexer=lexer, bind=bind)  # type: ignore[call-overload]
    assert caught.value.cure


def test_a_bound_grammar_of_the_empty_text_is_refused_by_name() -> None:
    with pytest.raises(sg.errors.GrammarError, match="grammar bound to J matches the empty string"):
        _language(sg.regex("x*"))


@pytest.mark.parametrize("bind", [["J"], {"J": 5}, {5: "x"}])
def test_what_is_no_grammar(bind: object) -> None:
    with pytest.raises(sg.errors.OptionError) as caught:
        sg.lark("start: J\n%declare J\n", bind=bind)  # type: ignore[call-overload]
    assert caught.value.where.startswith("bind")
