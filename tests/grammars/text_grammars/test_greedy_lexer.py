"""`sg.lark(..., lexer="greedy")` is held to llguidance: the texts, and the masks of tokens."""

from __future__ import annotations

import itertools
import json
import pickle
import random
from collections.abc import Callable

import pytest
from compiled_texts import takes
from for_each import for_each
from language_words import words_of
from llguidance_answers import Answers

import structgen as sg
from structgen.errors import GrammarError, LimitError
from structgen.tokens.tokenizer import byte_tokenizer

PATCH = r"""
start: "*** Begin Patch" LF file+ "*** End Patch" LF?
file: "*** Add File: " PATH LF added+
    | "*** Delete File: " PATH LF
    | "*** Update File: " PATH LF ("*** Move to: " PATH LF)? changes?
added: "+" /(.*)/ LF
changes: (anchor | ("+" | "-" | " ") /(.*)/ LF)+ ("*** End of File" LF)?
anchor: ("@@" | "@@ " /(.+)/) LF
PATH: /(.+)/
%import common.LF
"""
"""Patches as a coding agent's custom tool takes them: terminals that may be empty, and a border that one
byte decides (`@@`)."""
QUERY = r"""
start: "select" columns "from" NAME ("where" condition)? ";"
columns: "*" | value ("," value)*
value: term (("+" | "-") term)*
term: NAME | NUMBER | "(" value ")" | NAME "(" value ("," value)* ")"
condition: value ("=" | "<" | "<=" | "<>") value (("and" | "or") condition)?
NAME: /[a-z_][a-z0-9_]*/
NUMBER: /[0-9]+(\.[0-9]+)?/
%ignore /[ \n]+/
"""
STATEMENTS = r"""
start: statement+
statement: "if" "(" value ")" statement ("else" statement)? | "return" value? ";" | NAME "=" value ";"
value: value "+" value | value "==" value | "-" value | "--" NAME | NAME | NUMBER | "(" value ")"
NAME: /[a-zA-Z_]\w*/
NUMBER: /[0-9]+/
%ignore /\/\*([^*]|\*+[^*\/])*\*+\//
%ignore /\s+/
"""
LONG: dict[str, tuple[str, list[str]]] = {
    "patch": (
        PATCH,
        [
            "*** Begin Patch\n*** Add File: a.py\n+x\n+\n*** End Patch\n",
            "*** Begin Patch\n*** Update File: a b\n*** Move to: c\n@@ f\n-x\n+y\n \n@@\n+\n*** End of File\n"
            "*** Delete File: q\n*** End Patch",
        ],
    ),
    "query": (QUERY, ["select a,b+1 from t where a<=3 and f(b)<>2;", "select * from fromage;"]),
    "statements": (STATEMENTS, ["if (x == -1) return; else x=--y + 2; /* * */\n y=1;", "returning=1;"]),
}
SHORT = {
    "a terminal takes all": 'start: A B\nA: /a+/\nB: "a"',
    "a dead end on the way": 'start: A B | A "c"\nA: /a+/\nB: "ab"',
    "a terminal that may be empty": 'start: A "b" A\nA: /a*/',
    "an empty terminal first, and an ignored text": "start: A? B\nA: /a*/\nB: /b*/\n%ignore /c/",
    "any line": 'start: (" " LINE "c")+\nLINE: /(.*)/',
    "one text of two terminals": 'start: A "b" | B "c"\nA: "a"\nB: /[ab]/',
    "a literal inside a pattern": 'start: "ab" "c" | W "b"\nW: /a[a-c]*/',
    "ambiguous": "start: start start | A | B\nA: /ab?/\nB: /b+/",
    "nested": 'start: "a" start "b" | C\nC: /c*b?/',
    "ignored at the end, where more may come": 'start: "a"+\n%ignore / +/',
    "ignored at the end, where no more comes": 'start: "a" "b"\n%ignore / +/',
    "ignored texts that terminals have, too": 'start: A B A\nA: /a/\nB: /b+/\n%ignore B\n%ignore " "',
    "a comment": "start: A+\nA: /a+/\n%ignore /b[^b]*b/",
    "the empty text": 'start: A?\nA: /a+/\n%ignore " "',
}
ALPHABET = "abc "
PATTERNS = ("a+", "a*", "ab?", "[ab]+", "b", "(ab)*", "a|ab", "(.*)", "ba*", "a{2}", "[^a]", "b+c", "[bc]*b")


def random_grammar(seed: int) -> str:
    """Return rules of which each derives a text, with terminals that overlap."""
    rng = random.Random(seed)
    terminals = "ABC"[: rng.randint(2, 3)]
    lines = [f"{name}: /{rng.choice(PATTERNS)}/" for name in terminals]
    if rng.random() < 0.4:
        lines.append(f"%ignore /{rng.choice([' +', 'c', 'a', '[ ]*', 'b+'])}/")
    rules = ["start", "inner"][: rng.randint(1, 2)]

    def item(names: list[str]) -> str:
        return rng.choice([*terminals, '"ab"', '"c"', *names]) + rng.choice(["", "", "", "?", "*", "+"])

    for rule in rules:
        ways = [" ".join(item([]) for _ in range(rng.randint(1, 2)))]
        ways += [" ".join(item(rules) for _ in range(rng.randint(1, 3))) for _ in range(rng.randint(0, 1))]
        lines.append(f"{rule}: {' | '.join(ways)}")
    return "\n".join(lines)


def reader_of(grammar: str) -> Callable[[str], bool]:
    """Return what says whether a text is one of a grammar's; none is, where it is refused as empty."""
    try:
        language = sg.lark(grammar, lexer="greedy").language(sg.Limits())
    except GrammarError as error:
        assert "generates no text" in str(error)
        return lambda text: False

    def accepts(text: str) -> bool:
        config = language.config_after(language.start(), text.encode())
        return config is not None and language.accepts(config)

    return accepts


def mutant_of(rng: random.Random, texts: list[str]) -> str:
    """Return one of some texts with up to three changes."""
    text = rng.choice(texts)
    for _ in range(rng.randint(0, 3)):
        place, length = rng.randrange(len(text) + 1), rng.randint(0, 2)
        other = rng.choice(texts)
        text = (
            text[:place]
            + rng.choice(["", rng.choice(other), other[place : place + 5]])
            + text[place + length :]
        )
    return text


def differing_texts(grammar: str, texts: list[str]) -> list[tuple[str, bool]]:
    """Return the texts that llguidance and the greedy lexer judge differently, with llguidance's answer."""
    answers, accepts = Answers(grammar), reader_of(grammar)
    return [(text, theirs) for text in texts if (theirs := answers.accepts(text)) != accepts(text)]


def texts_of(name: str, count: int) -> tuple[str, list[str]]:
    """Return a grammar and random texts, most of them near its own."""
    rng = random.Random(name)
    if name in LONG:
        grammar, examples = LONG[name]
        return grammar, [mutant_of(rng, examples) for _ in range(count)]
    grammar = SHORT[name] if name in SHORT else random_grammar(int(name))
    return grammar, ["".join(rng.choices(ALPHABET, k=rng.randint(0, 6))) for _ in range(count)]


NAMES = [*LONG, *SHORT, *map(str, range(40 - len(LONG) - len(SHORT)))]


@for_each("name", [*LONG, *SHORT, *"0123"])
def test_texts_are_those_of_llguidance(name: str) -> None:
    assert differing_texts(*texts_of(name, 6)) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", [*NAMES, *map(str, range(100, 130))])
def test_many_texts_are_those_of_llguidance(name: str) -> None:
    grammar, texts = texts_of(name, 50 if name in LONG else 0)
    if name not in LONG:
        texts = all_texts(5)
    assert differing_texts(grammar, texts) == []


TOKENS = [
    *(bytes([byte]) for byte in range(256)),
    b"ab",
    b"aa",
    b"bc",
    b"b ",
    b" a",
    b"cb",
    b"aab",
    b"a b",
    b"abc",
]


FEW = [*SHORT][1:5]
"""The grammars of the quick share: dead ends, empty terminals, ignored texts."""


@for_each("name", FEW)
def test_masks_are_those_of_the_texts(name: str) -> None:
    check_masks(name, 4)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*SHORT, *map(str, range(30))])
def test_many_masks_are_those_of_the_texts(name: str) -> None:
    check_masks(name, 5)


def all_texts(most: int) -> list[str]:
    return ["".join(word) for size in range(most + 1) for word in itertools.product(ALPHABET, repeat=size)]


def check_masks(name: str, most: int) -> None:
    """Check that a token is allowed exactly where a text that llguidance accepts goes on with it. The texts
    have up to `most` letters; longer ones come from our completions."""
    grammar, _ = texts_of(name, 0)
    tokenizer = sg.Tokenizer.from_bytes([*TOKENS, None], eos_token_id=len(TOKENS))
    answers = Answers(grammar)
    accepted = set(filter(answers.accepts, all_texts(most)))
    try:
        compiled = sg.compile(sg.lark(grammar, lexer="greedy"), tokenizer)
    except GrammarError:
        assert not accepted
        return
    mask = sg.allocate_mask(1, tokenizer.vocab_size)
    for prefix in sorted({text[:size] for text in accepted for size in range(3)}):
        matcher = sg.Matcher(compiled)
        for byte in prefix.encode():
            matcher.advance(byte)
        assert matcher.is_complete == (prefix in accepted), prefix
        matcher.fill_mask(mask)
        allowed = {TOKENS[token] for token in mask.allowed() if token < len(TOKENS)}
        for token in {letter.encode() for letter in ALPHABET} | {*TOKENS[256:]} | allowed:
            text = prefix.encode() + token
            if token not in allowed:
                assert not any(other.encode().startswith(text) for other in accepted), text
                continue
            state = compiled.step_bytes(compiled.start, text)
            assert state is not None
            # what completes the text may be longer than all texts above
            whole = text + compiled.completion(state)
            assert answers.accepts(whole.decode()), whole


@for_each("name", FEW)
def test_no_configuration_is_a_dead_end(name: str) -> None:
    words = words_of(sg.lark(SHORT[name], lexer="greedy"), ALPHABET, 3)
    assert words == set(filter(Answers(SHORT[name]).accepts, all_texts(3)))


def test_bytes_that_the_vocabulary_lacks_still_compete() -> None:
    """Without `c` no text ends with `abc`, but `ab` still begins it: it is no `a` before a `b`."""
    grammar = 'start: A "b" | A "d" | C\nA: "a"\nC: "abc"'
    tokens = [bytes([byte]) for byte in range(256) if byte != ord("c")]
    compiled = sg.compile(
        sg.lark(grammar, lexer="greedy"), sg.Tokenizer.from_bytes([*tokens, None], eos_token_id=len(tokens))
    )
    assert [takes(compiled, text) for text in ("ad", "ab", "abc")] == [True, False, False]
    assert compiled.step_bytes(compiled.start, b"ab") is None


JSON_RULES = 'start: WORD "=" value END\nWORD: /[a-z]+/\nEND: /x|;/\n%ignore / +/\n'


def test_bound_grammars_end_wherever_they_are_complete() -> None:
    """An ignored text comes before a lexeme, and not before a document."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    answers = Answers(f"{JSON_RULES}value: %json {json.dumps(schema)}")
    grammar = sg.lark(
        JSON_RULES.replace("value", "VALUE") + "%declare VALUE",
        lexer="greedy",
        bind={"VALUE": sg.json_schema(schema, whitespace="oneline")},
    )
    compiled = sg.compile(grammar, byte_tokenizer())
    for text in (
        'ab={"n": 3};',
        'ab ={"n": 3} ;',
        'ab= {"n": 3};',
        'ab={"n": 3}',
        'a b={"n": 3};',
        'ab={"n": 3} x',
    ):
        assert takes(compiled, text) == answers.accepts(text), text
    matcher, mask = sg.Matcher(compiled), sg.allocate_mask(1, compiled.vocab_size)
    for byte in b"ab={":  # the mask inside a document is that of its own grammar
        matcher.advance(byte)
    matcher.fill_mask(mask)
    inside = sg.Matcher(sg.compile(sg.json_schema(schema, whitespace="oneline"), byte_tokenizer()))
    inside.advance(ord("{"))
    mask_inside = sg.allocate_mask(1, compiled.vocab_size)
    inside.fill_mask(mask_inside)
    assert mask.allowed() == mask_inside.allowed()


def test_a_refused_byte_says_nothing_of_others_in_a_document_beside_a_lexeme() -> None:
    grammar = sg.lark('start: J | "00"\n%declare J', lexer="greedy", bind={"J": sg.json_schema({"const": 5})})
    compiled = sg.compile(grammar, byte_tokenizer())
    assert [takes(compiled, text) for text in ("11", "5", "00")] == [False, True, True]


def test_a_special_token_ends_a_lexeme() -> None:
    grammar = sg.lark(
        "start: WORD T WORD\nWORD: /[a-z]*/\n%declare T\n%ignore / /",
        lexer="greedy",
        bind={"T": sg.special(256)},
    )
    tokenizer = sg.Tokenizer.from_bytes(
        [*(bytes([byte]) for byte in range(256)), None, None], eos_token_id=257
    )
    matcher = sg.Matcher(sg.compile(grammar, tokenizer))
    for token in (97, 32, 256, 32, 98):
        matcher.advance(token)
    assert matcher.is_complete


def test_grammars_are_pickled_and_told_apart() -> None:
    greedy, plain = (sg.lark(SHORT["any line"], lexer=lexer) for lexer in ("greedy", "characters"))
    assert pickle.loads(pickle.dumps(greedy)) == greedy
    assert greedy.canonical != plain.canonical


def test_messages_name_what_may_come() -> None:
    compiled = sg.compile(
        sg.lark('start: "a" WORD\nWORD: /b+/\n%ignore / /', lexer="greedy"), byte_tokenizer()
    )
    matcher = sg.Matcher(compiled)
    matcher.advance(97)
    assert {byte for item in matcher.expected() for byte in item.first} == set(b"b ")


def test_a_grammar_of_which_greed_leaves_nothing_is_refused() -> None:
    with pytest.raises(GrammarError, match="start generates no text: a greedy lexer reads past the border"):
        sg.lark(SHORT["a terminal takes all"], lexer="greedy").language(sg.Limits())


def test_what_no_search_decides_ends_with_a_limit() -> None:
    # `ab` goes on as X, after which nothing comes to an end; so `k` leads nowhere, however deep the text is
    rules = 'start: "k" nested (A "b" | X E F) | nested\nnested: "(" nested ")" | "n"\n'
    rules += "A: /a/\nX: /abc/\nE: /e+/\nF: /ef/"
    language = sg.lark(rules, lexer="greedy").language(sg.Limits(oracle_steps=1000))
    with pytest.raises(LimitError, match="oracle_steps"):
        language.step(language.start(), ord("k"))
