"""One way of counted repetition: `sg.regex`, `sg.ebnf`, `sg.lark` and `pattern` of a schema take the same
texts of a counted pattern: re judges small ones by brute force, the borders of their counts large ones."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable

import pytest
from for_each import for_each
from language_words import texts
from oracles.effort import tries

import structgen as sg
from structgen.base.system.public_calls import THIS_CALL
from structgen.grammars.text_grammars import ebnf_grammar, text_grammar
from structgen.tokens.tokenizer import byte_tokenizer

BYTES = byte_tokenizer()
Door = Callable[[str, str], "tuple[sg.Grammar, Callable[[str], bytes]]"]
"""Of a pattern and the same one in EBNF, a grammar and what it writes for a text."""


def in_quotes(text: str) -> bytes:
    return json.dumps(text).encode()


DOORS: dict[str, Door] = {
    "regex": lambda pattern, _: (sg.regex(pattern), str.encode),
    "ebnf": lambda _, rules: (sg.ebnf(f"root ::= {rules}"), str.encode),
    "lark": lambda pattern, _: (sg.lark(f"start: /{pattern}/"), str.encode),
    "lark, letter by letter": lambda pattern, _: (
        sg.lark(f"start: /{pattern}/", lexer="characters"),
        str.encode,
    ),
    "schema": lambda pattern, _: (
        sg.json_schema({"type": "string", "pattern": f"^(?:{pattern})$"}, whitespace="compact"),
        in_quotes,
    ),
}


def counts(chance: random.Random) -> str:
    least = chance.randrange(4)
    more = least + chance.randrange(5)
    return chance.choice(["", "?", "*", "+", f"{{{least}}}", f"{{{least},}}", f"{{{least},{max(more, 1)}}}"])


def pattern(chance: random.Random, depth: int) -> tuple[str, str]:
    """Return a counted pattern, and the same in EBNF."""
    kind = chance.randrange(6 if depth else 3)
    if kind < 3:
        one = chance.choice(["a", "b", "[ab]", "[^a]"])
        of = one, one if one[0] == "[" else f'"{one}"'
    else:
        inner = [pattern(chance, depth - 1) for _ in range(chance.randint(1, 3))]
        between = chance.choice(["", "|"])
        of = (
            f"(?:{between.join(one for one, _ in inner)})",
            f"({(between or ' ').join(one for _, one in inner)})",
        )
    count = counts(chance)
    return of[0] + count, of[1] + count


def taken(door: str, source: str, rules: str, wanted: list[str]) -> set[str] | None:
    """Return which texts a door takes; None where it has no grammar of this pattern."""
    try:
        grammar, written = DOORS[door](source, rules)
        compiled = sg.compile(grammar, BYTES, store=False)
    except sg.errors.GrammarError:
        return None
    found = set()
    for text in wanted:
        state = compiled.step_bytes(compiled.start, written(text))
        if state is not None and compiled.accepts_end(state):
            found.add(text)
    return found


@for_each("seed", range(tries(25, 300)))
def test_small_counts_have_the_texts_of_re_at_each_door(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(seed)
    source, rules = pattern(chance, 2)
    wanted = list(texts("abc", 4))
    right = {text for text in wanted if re.fullmatch(source, text)}
    with monkeypatch.context() as patched:
        for module in (text_grammar, ebnf_grammar):
            patched.setattr(module, "MOST_LETTERS", chance.choice([0, 1, 3, 50_000]))
        for door in DOORS:
            if door.startswith("lark") and re.fullmatch(source, ""):
                continue  # a terminal of lark's has a text that is not empty
            assert (taken(door, source, rules, wanted) or set()) == right, (door, source, rules)


ASSERTING = [
    r"(?=.*b){}", r"(?!ab){}", r"{}(?<=b)", r"{}(?<!ab)", r"\b{}\b", r"\B{}", r"(?=a)(?!ac){}(?<=b)", r"^{}$",
    r"(?=.{{3}}){}", r"(?:^|x){}",
]  # fmt: skip


@for_each("seed", range(tries(25, 300)))
def test_counts_beside_assertions_have_the_texts_of_re(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(seed)
    source, rules = pattern(chance, 1)
    source = chance.choice(ASSERTING).format(f"(?:{source})")
    # of the empty text re says \\B otherwise than ECMA-262, and than it does since Python 3.14
    wanted = [text for text in texts("ab c", 4) if text or "B" not in source]
    right = {text for text in wanted if re.fullmatch(source, text)}
    with monkeypatch.context() as patched:
        patched.setattr(text_grammar, "MOST_LETTERS", chance.choice([0, 1, 3, 50_000]))
        for door in ("regex", "schema"):
            assert (taken(door, source, rules, wanted) or set()) == right, (door, source)


LARGE = [
    ("[a-z]{1,N}", "[a-z]{1,N}", "q", 1),
    ("(?:ab){1,N}", '("ab"){1,N}', "ab", 1),
    ("(?:[a-z]|XX){2,N}", '([a-z] | "XX"){2,N}', "XX", 2),
    ("(?:ab|c){N}", '("ab" | "c"){N}', "c", 0),
    ("(?:[a-z]|XX){N}", "r{N}\nr ::= [a-z] | 'XX'", "q", 0),
    ("(?:a{1,3}b){1,N}", '("a"{1,3} "b"){1,N}', "aab", 1),
    ("(?:(?:ab){1,N};){1,N}", '(("ab"){1,N} ";"){1,N}', "ab;", 1),
]
"""A pattern with a count N, the same in EBNF, one copy, and the least copies, 0 for N."""


def check_borders(source: str, rules: str, copy: str, least: int, size: int) -> None:
    for make, text in ((sg.regex, source), (sg.ebnf, f"root ::= {rules}")):
        language = make(text.replace("N", str(size))).language(sg.Limits())
        at, read = language.start(), 0
        for count in sorted({(least or size) - 1, least or size, size}):
            at = language.config_after(at, copy.encode() * (count - read))
            read = count
            assert at is not None and language.accepts(at) == (count >= (least or size)), (text, count)
        assert language.config_after(at, copy.encode()) is None, text


@for_each(("source", "rules", "copy", "least"), LARGE)
def test_counts_are_exact_at_their_borders(
    source: str, rules: str, copy: str, least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        for module in (text_grammar, ebnf_grammar):
            patched.setattr(module, "MOST_LETTERS", 60)
        for size in (70, 200):
            check_borders(source, rules, copy, least, size)


@pytest.mark.slow
@for_each(("source", "rules", "copy", "least"), LARGE)
def test_large_counts_are_exact_at_their_borders(source: str, rules: str, copy: str, least: int) -> None:
    check_borders(source, rules, copy, least, 25_000 if len(copy) < 3 else 3_000)


COSTLY = [
    ("([a-z]{1,300} ?){300}", '([a-z]{1,300} " "?){300}', b"a" * 100),
    ("([a-z]{1,300} ?){1,300}", '([a-z]{1,300} " "?){1,300}', b"a" * 100),
    ("(?:ab|c){1,1000000000}", '("ab" | "c"){1,1000000000}', b"abc" * 300),
    ("(?:ab|c){1000000000}", '("ab" | "c"){1000000000}', b"abc" * 300),
    ("(?:ab|c){1,9}", '("ab" | "c"){1,99999999999999999999}', b"abc" * 3),
    (r"(?=.*a)[a-z]{1,65536}", None, b"cab" * 300),
    (r"\b[a-z]{1,65536}\b", None, b"cab" * 300),
    (r"(?!ab)[a-z]{3,65536}(?<=b)", None, b"cab" * 300),
]
"""A pattern, the same in EBNF, and the beginning of a text."""
COSTLIEST = [
    ("([a-z]{1,300} ?){300}", '([a-z]{1,300} " "?){300}', b"a" * 5_000),
    ("(a{1,3}b{0,2}){20000}", '("a"{1,3} "b"{0,2}){20000}', b"ab" * 2_000),
]


def check_steps(source: str, rules: str | None, data: bytes) -> None:
    for grammar in [sg.regex(source), *([] if rules is None else [sg.ebnf(f"root ::= {rules}")])]:
        try:
            compiled = sg.compile(grammar, BYTES, store=False)
            state = compiled.step_bytes(compiled.start, data)
            assert state is not None and compiled.allowed(state)
            assert compiled.tokens_to_finish(state) >= 0
        except sg.errors.LimitError as error:
            assert (error.limit == "oracle_steps" and "1000000000" in source) or "20000" in source
        assert THIS_CALL.spent <= sg.Limits().oracle_steps


@for_each(("source", "rules", "data"), COSTLY)
def test_a_costly_count_is_read_or_refused_within_the_steps_of_a_call(
    source: str, rules: str | None, data: bytes
) -> None:
    """Each call ends, and counts what it does: 200,000 steps are some four seconds."""
    check_steps(source, rules, data)


@pytest.mark.slow
@for_each(("source", "rules", "data"), COSTLIEST)
def test_the_costliest_counts_are_read_or_refused_within_the_steps_of_a_call(
    source: str, rules: str | None, data: bytes
) -> None:
    check_steps(source, rules, data)


@for_each("source", ["/[a-z]{20000}/", "/(?:ab){30000}/", f'"{"abcd" * 5_000}"', "/([a-z]{1,9} ?){9000}/"])
def test_a_terminal_of_larks_that_no_call_completes_is_refused_when_it_is_read(source: str) -> None:
    with pytest.raises(sg.errors.LimitError, match="count a long terminal in the rules"):
        sg.compile(sg.lark(f"start: {source}"), BYTES, store=False)
    assert sg.lark("start: /[a-z]/~9000")


def test_a_choice_that_lark_counts_is_told_to_be_a_rule() -> None:
    with pytest.raises(sg.errors.LimitError, match="a rule of its own"):
        sg.lark('start: ("ab" | "c")~1..30000')
    compiled = sg.compile(sg.lark('start: r~1..30000\nr: "ab" | "c"'), BYTES, store=False)
    assert compiled.step_bytes(compiled.start, b"abc" * 50) is not None
