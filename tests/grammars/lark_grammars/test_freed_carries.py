"""What lexemes owe is freed by a blank, a tab or a newline: with that shortcut and without it all answers are
the same, in grammars of keywords beside broad terminals; and the fixpoint of liveness is made once."""

from __future__ import annotations

import random

import pytest
from for_each import for_each

import structgen as sg
from structgen.grammars.lark_grammars.liveness import lark_liveness, letters

BROAD = {
    "NAME": r"/[a-z0-9_]+/i",
    "WIDE": r"/[a-z0-9_\-: ']+/i",
    "PATH": r"/[a-z0-9_]*\/[a-z0-9_.]+/i",
    "RUNTIME": r"/%.*?%/",
    "LINES": r"/%[^%]*%/",
    "REGEX.2": r"/\/.*?\/i?/",
    "QUOTED": r'/"[^"]*"/',
    "INT": r"/[0-9]+(?![_a-z])/",
    "ANGLE": r"/<[^>\n]*>/",
}
IGNORED = {
    "WS": r"/[ \t]+/",
    "NL": r"/[\r\n]+/",
    "BLANKS": r"/[ \t\r\n]+/",
    "HASH": r"/#[^\n]*/",
    "BLOCK.3": r"/\/[*].*?[*]\//s",
}
OPERATORS = ("%", "/", "<", "-", ":", "%%", "/*")
TOKENS = [bytes((byte,)) for byte in range(256)]
TOKENS += [b"kw", b"end", b" %", b"%\n", b"/a", b"*/", b"a1", b"\n\n", b'"a', b'" ', b"# ", b"12", b"1_"]
TOKENIZER = sg.Tokenizer([*TOKENS, None], eos_token_ids=[len(TOKENS)])


def grammar_of(draw: random.Random) -> str:
    """Return a random grammar: statements of keywords, values of broad terminals, operators between them."""
    keywords = draw.sample(["kw", "end", "map", "in", "a1", "not"], draw.randint(2, 5))
    broad, ignored = (
        draw.sample(list(BROAD), draw.randint(2, 4)),
        draw.sample(list(IGNORED), draw.randint(1, 3)),
    )
    operators = draw.sample(OPERATORS, draw.randint(1, 3))
    ways = [f'"{word}"i value* "{draw.choice(keywords)}"i' for word in keywords[:3]]
    if draw.random() < 0.6:  # an operator that must come twice, beside a terminal that it may begin
        broad = list(dict.fromkeys([*broad, draw.choice(["RUNTIME", "LINES", "REGEX.2"])]))
        operators = ["%" if broad[-1] != "REGEX.2" else "/"]
        ways = [f'"{keywords[0]}"i part op part op part']
    names = [one.partition(".")[0] for one in broad]
    lines = [
        f"start: {draw.choice(['stmt+', 'stmt*', 'stmt value?'])}",
        "stmt: " + " | ".join(dict.fromkeys(ways)),
        "value: part (op part)?",
        f"op: {' | '.join(chr(34) + one + chr(34) for one in operators)}",
        "part: " + " | ".join(names),
        *(f"{name}: {BROAD[name]}" for name in broad),
        *(f"{name}: {IGNORED[name]}" for name in ignored),
        *(f"%ignore {name.partition('.')[0]}" for name in ignored),
    ]
    return "\n".join(lines) + "\n"


def said(compiled: sg.CompiledGrammar, text: bytes) -> tuple[object, ...] | None:
    """Return what is said behind a text; None where no text goes on."""
    state = compiled.step_bytes(compiled.start, text)
    if state is None:
        return None
    return compiled.allowed(state), compiled.accepts_end(state), compiled.tokens_to_finish(state)


def walked(compiled: sg.CompiledGrammar, draw: random.Random, most: int) -> bytes:
    """Return a random text that goes on, of so many tokens at most."""
    text, state = b"", compiled.start
    for _ in range(most):
        allowed = [token for token in compiled.allowed(state) if token < len(TOKENS)]
        if not allowed:
            break
        plain = [token for token in allowed if TOKENS[token] in b'akwend %/\n"12#*<>-_'] or allowed
        token = draw.choice(plain if draw.random() < 0.8 else allowed)
        after = compiled.step(state, token)
        assert after is not None
        text, state = text + TOKENS[token], after
    return text


def hold(seed: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Hold what is said along a random text of a random grammar to what is said where nothing is freed.
    Return whether lark takes the grammar."""
    draw = random.Random(seed)
    source = grammar_of(draw)
    try:
        grammar = sg.lark(source)
        compiled = sg.compile(grammar, TOKENIZER, store=False)
    except sg.errors.StructgenError:
        return False
    text = walked(compiled, draw, 14)
    sign, word = (
        draw.choice(b"%/").to_bytes(1, "big"),
        draw.choice([b"kw", b"end", b"map", b"in", b"a1", b"not"]),
    )
    plain_text = word + b" a " + sign + b" a" + sign + b"\n12 " + sign + b"a"
    prefixes = {one[:end] for one in (text, plain_text) for end in range(len(one) + 1)}
    found = [said(compiled, prefix) for prefix in sorted(prefixes)]
    with monkeypatch.context() as patch:
        patch.setattr(letters, "_SEPARATORS", b"")
        plain = sg.compile(sg.lark(source), TOKENIZER, store=False)
        expected = [said(plain, prefix) for prefix in sorted(prefixes)]
    assert found == expected, (seed, source, text)
    return True


def test_what_is_freed_is_nothing_that_is_owed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sum(hold(seed, monkeypatch) for seed in range(18)) >= 5


@pytest.mark.slow
@for_each("part", range(8))
def test_what_is_freed_is_nothing_that_is_owed_in_many(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sum(hold(1000 * (part + 1) + seed, monkeypatch) for seed in range(100)) >= 30


KEYWORDS = """start: block+
block: kind item* "END"i
item: block | NAME value
value: NAME | INT | QUOTED | RUNTIME | REGEX | "(" value OP value ")"
kind: KINDS
OP: "%" | "/" | "<" | "-"
NAME: /[a-z0-9_\\-:]+/i
INT: /[0-9]+(?![_a-z])/
QUOTED: /"[^"]*"/
RUNTIME: /%.*?%/
REGEX.2: /\\/.*?\\/i?/
BLOCK.3: /\\/[*].*?[*]\\//s
%ignore BLOCK
%ignore /[ \\t]+/
%ignore /[\\r\\n]+/
"""


def test_many_keywords_beside_broad_terminals_have_few_kinds_and_one_fixpoint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever is asked along a text, letters that appear late have the fixpoint made no second time."""
    solved = []
    saturate = lark_liveness.saturate_variables

    def counted(*given: object) -> int:
        solved.append(len(given))
        return saturate(*given)

    monkeypatch.setattr(lark_liveness, "saturate_variables", counted)
    kinds = " | ".join(f'"W{number}X"i' for number in range(60))
    grammar = sg.lark(KEYWORDS.replace("KINDS", kinds))
    compiled = sg.compile(grammar, TOKENIZER, store=False)
    text = b'w1x\n NAME "a"\n path /a b/ W59X size (a % 3) e /*c*/ (b / "x") END end'
    for end in range(0, len(text) + 1, 3):
        assert said(compiled, text[:end]) is not None
    assert len(solved) == 1
    assert len(compiled.answers.letters.kinds) <= 12
