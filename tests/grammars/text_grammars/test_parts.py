"""Parts with masks of their own: what a composed grammar makes of them is what reading byte by byte finds."""

from __future__ import annotations

import ctypes
import gc
import random
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest
from compiled_texts import reached
from for_each import for_each
from hypothesis import given, settings
from hypothesis import strategies as st

import structgen as sg
from structgen.base.native.typed_blocks import word_of
from structgen.grammars.text_grammars.machine.compiled_text import CompiledText
from structgen.grammars.text_grammars.machine.language import TOKEN, Config, Language
from structgen.grammars.text_grammars.machine.stepping import TextContext
from structgen.grammars.text_grammars.text_grammar import TextGrammar, in_any_order

LEAST_NODES = word_of(TextContext, "least_nodes")
ANSWER = {
    "type": "object",
    "properties": {"n": {"type": "integer"}, "of": {"type": "string", "maxLength": 3}},
    "required": ["n"],
    "additionalProperties": False,
}
VOID = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "$ref": "#/definitions/list",
    "type": "object",
    "definitions": {"list": {"type": "array", "items": {"type": "integer", "maximum": 9}, "maxItems": 2}},
}
SUM = 'start: NAME "=" sum\nsum: NAME | sum "+" NAME\nNAME: /[a-z]+/\n%ignore " "\n'
BLOCKS = 'start: "if" NAME ":" start "end" | NAME\nNAME: /[a-z]+/\n%ignore /[ \\n]+/\n'
OPEN = 'start: (WORD | "<" CALL ">")+\nWORD: /[a-z]+/\n%declare CALL\n%ignore " "\n'
BEHIND = "start: WORD CALL TAIL\nWORD: /[a-z]+/\nTAIL: /(?<=})[.]|(?<=[0-9])!/\n%declare CALL\n"
NESTED = 'start: "<" (start | OBJECT | NUMBER)* ">"\n%declare OBJECT NUMBER'
"""Rules over parts, of which one may go on where another begins."""
ANSWERED = '{"n": 12, "of": "a}b"}'


def object_of() -> TextGrammar:
    return sg.sequence("", sg.json_schema(ANSWER))


def number_of(*types: str) -> TextGrammar:
    return sg.sequence("", sg.json_schema({"type": list(types)}))


def ruled(rules: str, **bound: TextGrammar) -> TextGrammar:
    """Rules over characters, whose terminals are grammars."""
    return sg.lark(rules, lexer="characters", bind=bound)


def any_arguments(style: str) -> TextGrammar:
    """Arguments of any names and values in a style."""
    return sg.structural_tag({"format": {"type": "json_schema", "json_schema": True, "style": style}})


def kimi(value: str, kind: str) -> str:
    """An argument as kimi_k3_xml writes it."""
    return f'<|open|>argument key="k" type="{kind}"<|sep|>{value}<|close|>argument<|sep|>'


def called(**more: object) -> TextGrammar:
    """Free text with two triggers, behind one of them a schema, and two tags behind the other."""
    schema = {"type": "json_schema", "json_schema": ANSWER}
    tags = [
        {"type": "tag", "begin": "<a>", "content": schema, "end": "</a>"},
        {"type": "tag", "begin": "[b1]", "content": {"type": "regex", "pattern": "x+"}, "end": "!"},
        {"type": "tag", "begin": "[b2]", "content": schema, "end": ["", "é"]},
    ]
    return sg.structural_tag(
        {"format": {"type": "triggered_tags", "triggers": ["<a", "[b"], "tags": tags, **more}}
    )


def triggered(trigger: str, *tags: tuple[str, str]) -> TextGrammar:
    """Free text with schemas between beginnings and ends, which a trigger announces."""
    content = {"type": "json_schema", "json_schema": ANSWER}
    held = [{"type": "tag", "begin": begin, "content": content, "end": end} for begin, end in tags]
    return sg.structural_tag({"format": {"type": "triggered_tags", "triggers": [trigger], "tags": held}})


def numbered(count: int) -> TextGrammar:
    """Free text with calls `<f=0>...</f>` of so many tools."""
    return triggered("<f=", *((f"<f={at}>", "</f>") for at in range(count)))


CASES: dict[str, tuple[Callable[[], TextGrammar], list[str]]] = {
    "a schema in a tag": (lambda: "<a>" + object_of() + "</a>", ["<a>" + ANSWERED + "</a>"]),
    "a schema before any text": (lambda: object_of() + sg.text(), [ANSWERED + " and }{"]),
    "a type that a reference makes void": (
        lambda: "<a>" + sg.sequence("", sg.json_schema(VOID)) + "</a>",
        ["<a>[1]</a>", "<a>[] </a>"],
    ),
    "numbers side by side": (
        lambda: number_of("integer") + number_of("integer", "null"),
        ["12-3", "1 null", "-40"],
    ),
    "schemas in a loop": (
        lambda: sg.sequence(object_of() + ";").repeat(1, 3) + "end",
        [ANSWERED + ";" + '{"n":0} ;' + "end"],
    ),
    "a loop that begins as what is behind it": (
        lambda: ("e" + object_of()).repeat() + ("e" + sg.lark(SUM)).repeat(0, 2) + "end",
        ["e" + ANSWERED + "ea=b+cend", 'e{"n":1}e{"n": 2}end'],
    ),
    "a tail that may be empty": (
        lambda: (object_of() + sg.regex("x?")).repeat(1, 2) + "!",
        [ANSWERED + "!", ANSWERED + "x" + '{"n":1}!'],
    ),
    "one of three": (
        lambda: sg.either("a" + object_of() + "!", "a" + sg.lark(SUM), sg.regex(r'a\{"n": ?[0-9]+\}\?')),
        ["a" + ANSWERED + "!", "aab=c + de", 'a{"n": 7}?'],
    ),
    "rules in a fence": (lambda: "```\n" + sg.lark(SUM) + "\n```", ["```\nab = c+de +f\n```"]),
    "rules before rules": (lambda: sg.lark(BLOCKS) + sg.lark(SUM), ["if a : b end c = d", "if a:b endc=d+e"]),
    "rules in a loop": (lambda: (sg.lark(BLOCKS) + ";").repeat(), ["if a : b end;c ; "]),
    "nested": (
        lambda: (("[" + (object_of() | sg.lark(SUM)) + "]").optional() + sg.text(until="\n")).repeat(1, 2),
        ["[" + ANSWERED + "]x\n", "[a=b+c]\n[a] b\n"],
    ),
    "tags with one trigger": (lambda: numbered(1), ["a <f=0>" + ANSWERED + "</f> b", "<f", "<f=0"]),
    "many tags with one trigger": (lambda: numbered(6), ["<f=5>" + ANSWERED + "</f>", "<f=3>{", "x<"]),
    "tokens that count": (
        lambda: sg.text(until=".", max_tokens=4) + object_of() + sg.text(until=".", max_tokens=2),
        ["ab." + ANSWERED + "x."],
    ),
    "beside a special token": (lambda: object_of() + sg.special(256) + object_of(), [ANSWERED]),
    "rules in a JSON string": (
        lambda: "[" + sg.in_json_string(sg.lark(BLOCKS)) + "]",
        ['["if a :\\n b end"]', '["\\u0061\\n"]', '["if a\\u000A: b end"]'],
    ),
    "surrogates in a JSON string": (
        lambda: sg.in_json_string(sg.lark("start: /[\U0001d41a-\U0001d433]+/")),
        ['"\\ud835\\udc1a\\uD835\\uDC1B\U0001d41a"'],
    ),
    "a schema in a JSON string": (
        lambda: sg.in_json_string(object_of()) + sg.text(),
        ['"{\\"n\\": 12, \\"of\\":\\n\\"a}b\\"}" x', '"{\\"n\\":0}"\\n'],
    ),
    "rules in a JSON string as Python writes it": (
        lambda: sg.in_json_string(sg.lark(BLOCKS) + "\n/\x01", escapes="canonical").repeat(1, 2),
        ['"if a :\\n b end\\n/\\u0001"', '"a\\n/\\u0001""b\\n/\\u0001"'],
    ),
    "rules beside a special token": (
        lambda: sg.lark(SUM) + sg.special(256) + sg.lark('start: /a(?<=.)/ "b"'),
        ["a=bab", "ab=c+d"],
    ),
    "bound to a terminal": (lambda: sg.lark(OPEN, bind={"CALL": object_of()}), ["ab <" + ANSWERED + "> c"]),
    "bound, and asked what it was": (
        lambda: sg.lark(BEHIND, bind={"CALL": object_of() | number_of("integer")}),
        ["a" + ANSWERED + ".", "b12!"],
    ),
    "rules over characters": (
        lambda: sg.ebnf('root ::= root [+-] term | term\nterm ::= "(" root ")" | "1"\n'),
        ["(1+1)-1", "((1))+1"],
    ),
    "parts in rules": (
        lambda: ruled(NESTED, OBJECT=object_of(), NUMBER=number_of("integer", "number")),
        ["<<" + ANSWERED + ">12-3.5{" + '"n":0}>', "<" + ANSWERED * 2 + "<>>"],
    ),
    "parts in rules beside what reads the same": (
        lambda: ruled(
            "start: A | A start B | C start\n%declare A B C",
            A=object_of(),
            B=object_of() + "!",
            C=sg.regex("{+|x"),
        ),
        [ANSWERED, ANSWERED * 3 + '{"n":1}!' + ANSWERED + "!", "x{{" + ANSWERED],
    ),
    "compositions in rules": (
        lambda: ruled(
            'start: "(" more ")"\nmore: A more? B\n%declare A B',
            A="<" + object_of() + sg.lark(SUM), B=number_of("null")
        ),
        ["(<" + ANSWERED + "a=b+c null)", "(<" + ANSWERED + "a=b<" + '{"n":1}c=d null null)'],
    ),
    "any arguments as JSON": (
        lambda: any_arguments("kimi_k3_xml"),
        [kimi('{"k": [1], "l": "<|sep|>"}', "object") + kimi("[null, true]", "array"), kimi("a", "string")],
    ),
    "any arguments one by one": (
        lambda: any_arguments("cohere_xml"),
        ['<cofl:value name="a" type="list"><cofl:value type="json">1</cofl:value></cofl:value>'],
    ),
    "a pattern that looks around": (lambda: sg.regex("(?:ab|a)(?!b)[ab\né]*"), ["abaé\nab", "aé"]),
    "a pattern at boundaries": (lambda: sg.regex(r"(?:\ba|[^a]){2,4}"), ["bé\nb", "éaéa", "a b"]),
    "rules less a pattern": (
        lambda: "[" + (sg.ebnf('root ::= "(" root ")" | root "b" root | "a"{2,}') - sg.regex(".*ba{2}b.*"))
        + sg.text("]", max_tokens=3),
        ["[((aa)b(aaa))x]", "[aabaaa]"],
    ),
    "a span and a string of JSON": (
        lambda: sg.substring_of("abba") + sg.in_json_string("a\n").repeat(1, 2),
        ['bb"a\\n"', 'abba"\\u0061\\n""a\\n"'],
    ),
    "texts that copy no span": (lambda: sg.without_spans_of("abcabba", 3), ["abcbabz", "bbabc"]),
    "parts in any order": (
        lambda: in_any_order(
            ["<n>" + number_of("integer"), "<s>" + sg.sequence("", sg.json_schema({"type": "string"}))],
            ["<t>true"],
        )
        + ">",
        ['<n>1<s>"a">', '<t>true<s>"><"<n>-12>'],
    ),
    "triggered tags": (lambda: triggered("<c", ("<c>", "</c>")), ["so <c>" + ANSWERED + "</c> x"]),
    "two triggers": (called, ["é <a>" + ANSWERED + "</a>[b1]xx! [b2]" + ANSWERED + "é<"]),
    "two triggers, once": (
        lambda: called(stop_after_first=True),
        ["é <a>" + ANSWERED + "</a>", "< [b1]xx!"],
    ),
    "triggers among words left out": (
        lambda: called(excludes=["a!", "é."]),
        ["a <a>" + ANSWERED + "</a>é[b1]xx!a"],
    ),
    "triggers before a text": (lambda: called() + "<end>", ["é <a>" + ANSWERED + "</a> <end>", "<e<end>"]),
    "triggers in a loop": (lambda: (called() + ";").repeat(1, 2), ["<a>" + ANSWERED + "</a>;[b1]x!;"]),
}  # fmt: skip


def tokenizer_of(texts: list[str], chance: random.Random) -> sg.Tokenizer:
    """Bytes, a special token, an end token, and pieces of some texts, which come past the ends of parts."""
    whole = [text.encode() for text in texts]
    pieces: set[bytes] = set()
    for _ in range(min(270, sum(map(len, whole)) * 6)):
        text = chance.choice(whole)
        at = chance.randrange(len(text))
        pieces.add(text[at : at + chance.randint(2, 7)])
    more = [piece for piece in sorted(pieces) if len(piece) > 1]
    return sg.Tokenizer.from_bytes(
        [*(bytes((byte,)) for byte in range(256)), None, None, *more], eos_token_id=257
    )


def copied(address: int, count: int) -> npt.NDArray[np.uint8]:
    return np.frombuffer(ctypes.string_at(address, count), np.uint8)


class Reference:
    """A language read byte by byte, and what of a vocabulary may come."""

    def __init__(self, language: Language, tokenizer: sg.Tokenizer) -> None:
        self.language, self.tokenizer = language, tokenizer
        self.start, self._step = language.start(), cache(language.step)
        self.after, self.allowed = cache(self._after), cache(self._allowed)

    def _after(self, config: Config, token: int) -> Config | None:
        text = self.tokenizer.token_bytes[token]
        found: Config | None = config
        for symbol in (TOKEN + token,) if text is None else text:
            found = None if found is None else self._step(found, symbol)
        return None if found is None else self.language.after_token_end(found)

    def _allowed(self, config: Config) -> list[int]:
        (end,) = self.tokenizer.eos_token_ids
        return [
            token
            for token in range(self.tokenizer.vocab_size)
            if (self.language.accepts(config) if token == end else self.after(config, token) is not None)
        ]


@cache
def reference_of(name: str) -> Reference:
    """Return the reader of a case; several tests walk to the same places."""
    make, texts = CASES[name]
    grammar = make()
    return Reference(grammar.language(grammar.limits), tokenizer_of(texts, random.Random(name)))


def hold_to_reference(name: str, least_nodes: int | None = None) -> None:
    """Hold masks and steps of random walks to the language read byte by byte."""
    make, texts = CASES[name]
    chance = random.Random(name)
    grammar, tokenizer = make(), tokenizer_of(texts, chance)
    compiled = sg.compile(grammar, tokenizer, store=False)
    if least_nodes is not None and isinstance(compiled, CompiledText):
        compiled._tables.context[LEAST_NODES] = least_nodes
    reference = reference_of(name)
    (end,) = tokenizer.eos_token_ids
    for walk in range(2):
        state, config = compiled.start, reference.start
        for _step in range(12):
            allowed = compiled.allowed(state)
            assert allowed == reference.allowed(config)
            refused = chance.choice([token for token in range(tokenizer.vocab_size) if token not in allowed])
            assert compiled.step(state, refused) is None
            # long tokens come past ends; bytes lead to states between
            ways = [token for token in allowed if token != end and (walk % 2 or token > end)]
            ways = ways or [token for token in allowed if token != end]
            if not ways:
                break
            token = chance.choice(ways)
            after, followed = compiled.step(state, token), reference.after(config, token)
            assert after is not None and followed is not None
            state, config = after, followed
            assert compiled.accepts_end(state) == reference.language.accepts(config)


@pytest.mark.parametrize("least_nodes", [None, 0], ids=["walks", "records"])
@pytest.mark.parametrize("name", CASES)
def test_masks_are_what_reading_byte_by_byte_finds(name: str, least_nodes: int | None) -> None:
    """Also where states that go on alike share records."""
    hold_to_reference(name, least_nodes)


@for_each("name", CASES)
def test_steps_do_not_depend_on_the_masks_that_were_asked_for(name: str) -> None:
    make, texts = CASES[name]
    chance = random.Random(name)
    grammar, tokenizer = make(), tokenizer_of(texts, chance)
    compiled = sg.compile(grammar, tokenizer, store=False)
    reference = reference_of(name)
    for _walk in range(2):
        state, config = compiled.start, reference.start
        for _step in range(7):
            if chance.random() < 0.2:
                compiled.allowed(state)
            ways = []
            for token in chance.sample(range(tokenizer.vocab_size), min(40, tokenizer.vocab_size)):
                if token in tokenizer.eos_token_ids:
                    continue
                after, followed = compiled.step(state, token), reference.after(config, token)
                assert (after is None) is (followed is None)
                ways += [] if after is None else [(after, followed)]
            if not ways:
                break
            state, config = chance.choice(ways)
    assert compiled.allowed(state) == reference.allowed(config)


def test_a_special_token_is_not_shared() -> None:
    tokenizer = tokenizer_of(["and so on"], random.Random(0))
    compiled = sg.compile(sg.special(256).optional() + sg.text(), tokenizer, store=False)
    assert isinstance(compiled, CompiledText)
    compiled._tables.context[LEAST_NODES] = 0
    assert 256 in compiled.allowed(compiled.start)
    after = reached(compiled, 256)
    assert 256 not in compiled.allowed(after)


@for_each("name", CASES)
def test_texts_of_the_grammar_are_taken_token_by_token(name: str) -> None:
    make, texts = CASES[name]
    grammar, tokenizer = make(), tokenizer_of(texts, random.Random(name))
    compiled = sg.compile(grammar, tokenizer, store=False)
    for text in texts:
        matcher = sg.Matcher(compiled)
        for token in tokenizer.encode(text.encode()):
            assert token in compiled.allowed(matcher.state)
            matcher.advance(token)


@for_each("name", CASES)
def test_the_tokens_that_a_state_needs_fall_by_one_and_bound_what_is_allowed(name: str) -> None:
    make, texts = CASES[name]
    chance = random.Random(name)
    grammar, tokenizer = make(), tokenizer_of(texts, chance)
    compiled = sg.compile(grammar, tokenizer, store=False)
    (end,) = tokenizer.eos_token_ids
    mask = sg.allocate_mask(1, tokenizer.vocab_size)
    for steps in (5, 2):
        state = compiled.start
        for _step in range(steps):
            need = compiled.tokens_to_finish(state)
            allowed = compiled.allowed(state)
            ways = {token: compiled.step(state, token) for token in allowed if token != end}
            after = {token: compiled.tokens_to_finish(way) for token, way in ways.items() if way is not None}
            assert len(after) == len(ways)
            assert (need == 0) == compiled.accepts_end(state)
            assert need == 0 or min(after.values()) <= need - 1
            budget = need + chance.choice((0, 0, 1, 3))
            compiled.fill_within(state.index, mask, 0, budget)
            within = [token for token, cost in after.items() if cost <= budget - 1]
            assert [int(token) for token in mask.allowed() if token != end] == within
            if not after:
                break
            state = ways[chance.choice(list(after))]
        # from wherever the walk has come to, the least budget suffices
        for left in range(compiled.tokens_to_finish(state), 0, -1):
            if compiled.accepts_end(state):
                break
            compiled.fill_within(state.index, mask, 0, left)
            token = chance.choice([int(token) for token in mask.allowed() if token != end])
            after_token = reached(compiled, token, state)
            state = after_token
        assert compiled.accepts_end(state)


LEAVES: list[Callable[[], TextGrammar]] = [
    lambda: sg.literal("1"),
    lambda: sg.regex('"?a*'),
    lambda: sg.regex("1+a|11"),
    lambda: number_of("integer"),
    lambda: number_of("integer", "null"),
    lambda: sg.sequence("", sg.json_schema({"enum": ["a", "1", 1, "aa"]}, whitespace="compact")),
    lambda: sg.sequence("", sg.json_schema({"type": "array", "items": {"const": 1}, "maxItems": 2})),
    lambda: sg.lark('start: "a" | "1" start "a"'),
    lambda: sg.lark('start: NAME | "a" NUMBER\nNAME: /[a-b]+/\nNUMBER: /1+/\n%ignore " "\n'),
    lambda: sg.text(until="1", included=False),
    lambda: sg.in_json_string(sg.lark('start: "a" | "1" start "a"')),
]
RULES = [
    f"start: {right}\n%declare A B" for right in ("A | B start", "A start? B", '"<" start? ">" | A | B A')
]
PIECES = '"a|a"|1a|<1|a>|1>|a1|11|aa|1]|[1|, 1|"1"|aa1|1aa| a|1 |a a1|"a"1|b1a'.split("|")
COMPOSED = st.recursive(
    st.sampled_from(LEAVES).map(lambda make: make()),
    lambda of: st.one_of(
        st.lists(of, min_size=2, max_size=3).map(lambda parts: sg.sequence(*parts)),
        st.lists(of, min_size=2, max_size=3).map(lambda parts: sg.either(*parts)),
        st.tuples(of, st.integers(0, 2), st.sampled_from((None, 2, 3))).map(
            lambda one: one[0].repeat(*one[1:])
        ),
        st.tuples(st.sampled_from(RULES), of, of).map(lambda one: ruled(one[0], A=one[1], B=one[2])),
    ),
    max_leaves=5,
)
SMALL = sg.Tokenizer.from_bytes(
    [*(bytes((byte,)) for byte in range(256)), None, None, *(piece.encode() for piece in PIECES)],
    eos_token_id=257,
)


@settings(max_examples=settings().max_examples // 2)
@given(COMPOSED, st.randoms(use_true_random=False))
def test_any_composition_is_read_as_byte_by_byte(grammar: TextGrammar, chance: random.Random) -> None:
    compiled = sg.compile(grammar, SMALL, store=False)
    reference = Reference(grammar.language(grammar.limits), SMALL)
    mask = sg.allocate_mask(1, SMALL.vocab_size)
    state, config = compiled.start, reference.start
    for _step in range(7):
        allowed = compiled.allowed(state)
        assert allowed == reference.allowed(config)
        need = compiled.tokens_to_finish(state)
        assert (need == 0) == compiled.accepts_end(state)
        budget = need + chance.choice((0, 1, 3))
        compiled.fill_within(state.index, mask, 0, budget)
        ways = [token for token in allowed if token != 257]
        after = {token: compiled.step(state, token) for token in ways}
        costs = {token: compiled.tokens_to_finish(way) for token, way in after.items() if way is not None}
        assert need == 0 or min(costs.values()) <= need - 1
        within = [token for token in ways if costs[token] < budget]
        assert [int(token) for token in mask.allowed() if token != 257] == within
        if not ways:
            break
        token = chance.choice([token for token in ways if token > 257] or ways)
        way, followed = after[token], reference.after(config, token)
        assert way is not None and followed is not None
        state, config = way, followed


@pytest.mark.parametrize(("escapes", "written"), [("any", 4), ("canonical", 2)])
def test_tokens_of_escapes_are_those_that_the_policy_writes(
    escapes: Literal["any", "canonical"], written: int
) -> None:
    pieces = [rb"\n", rb"a\na", rb"\u0061", rb"a\/"]
    tokenizer = sg.Tokenizer.from_bytes(
        [*(bytes((byte,)) for byte in range(256)), None, *pieces], eos_token_id=256
    )
    grammar = sg.in_json_string(sg.lark(r"start: /[a\/\n]+/"), escapes=escapes)
    compiled = sg.compile(grammar, tokenizer, store=False)
    state = reached(compiled, b'"')
    assert [token for token in compiled.allowed(state) if token > 256] == list(range(257, 257 + written))


def test_threads_fill_masks_of_one_composition_at_once() -> None:
    make, texts = CASES["nested"]
    tokenizer = tokenizer_of(texts, random.Random(0))
    one, other = (sg.compile(make(), tokenizer, store=False) for _ in range(2))

    def walk(compiled: sg.CompiledGrammar, seed: int) -> list[list[int]]:
        chance, state, found = random.Random(seed), compiled.start, []
        mask = sg.allocate_mask(1, tokenizer.vocab_size)
        for _step in range(25):
            compiled.fill_within(
                state.index, mask, 0, compiled.tokens_to_finish(state) + chance.choice((1, 9))
            )
            found.append([int(token) for token in mask.allowed()])
            ways = [token for token in found[-1] if token not in compiled.end_tokens]
            after = compiled.step(state, chance.choice(ways)) if ways else None
            if after is None:
                break
            state = after
        return found

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(partial(walk, one), range(12)))
    assert together == [walk(other, seed) for seed in range(12)]


def test_what_parts_hold_counts_and_is_worked_out_ahead() -> None:
    tokenizer = tokenizer_of(["```\nab = c+de +f\n```"], random.Random(0))
    compiled = sg.compile("```\n" + sg.lark(SUM) + "\n```" + object_of(), tokenizer, store=False)
    before = compiled.nbytes
    assert compiled.prepare() > 0
    alone = sg.compile(sg.lark(SUM), tokenizer, store=False)
    small = alone.nbytes
    alone.prepare()
    assert compiled.nbytes - before >= alone.nbytes - small > 0


@for_each("name", CASES)
def test_a_composition_is_gone_when_it_is_dropped(name: str) -> None:
    make, texts = CASES[name]
    tokenizer = tokenizer_of(texts, random.Random(name))
    gc.disable()
    try:
        compiled = sg.compile(make(), tokenizer, store=False)
        matcher = sg.Matcher(compiled)
        for token in tokenizer.encode(texts[0].encode())[:3]:
            compiled.allowed(matcher.state)
            matcher.advance(token)
        gone = weakref.ref(compiled)
        is_text = isinstance(compiled, CompiledText)
        parts = [
            weakref.ref(one)
            for one in (compiled._language.compiled_parts if is_text else compiled._texts.compiled_grammars)
        ]
        del compiled, matcher
        assert gone() is None
        assert [part() for part in parts] == [None] * len(parts)
    finally:
        gc.enable()


def test_a_token_that_stays_in_a_part_and_leaves_it_does_both() -> None:
    pieces = [b"1.", b"1.>"]
    tokenizer = sg.Tokenizer.from_bytes(
        [*(bytes((byte,)) for byte in range(256)), *pieces, None], eos_token_id=256 + len(pieces)
    )
    compiled = sg.compile("<" + sg.json_schema({"type": "number"}) + ".>", tokenizer)
    mask = sg.allocate_mask(1, tokenizer.vocab_size)

    def after(*tokens: int) -> set[int]:
        matcher = sg.Matcher(compiled)
        for token in tokens:
            matcher.fill_mask(mask)
            matcher.advance(token)
        matcher.fill_mask(mask)
        return set(mask.allowed().tolist())

    for first in (b"<-", b"<"):
        assert after(*first, 256) == after(*first, *b"1.") >= {ord(">"), ord("2")}
        assert after(*first, 257) == {256 + len(pieces)}
