"""Pieces of masks: masks that are put together from what was found for stacks that look alike are those that
are found anew; and pieces are found where stacks look alike."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest
from lark.indenter import PythonIndenter
from lark_grammars import JSON

import structgen as sg
from structgen.json_machine.tables import json_blocks as L
from structgen.lark_grammars.compiled import registers as K
from structgen.lark_grammars.masks.compiled_lark import CompiledLark
from structgen.system import resources

WORDS = """
a b x y if in return for not and or is else lambda def class pass None 0 1 12 3.5 "a" 'b' {" [1 )) ]] }} )]
(( [[ {{ ], ), ): ]: }, }} () [] {} == += a( a) a, a. a[ a] a: if( in( b) 1) 1] 1, "} "] ", ":[ ":{ ","
;x and( not( x=
""".split()
LINES = "\n\n|\n |\n  |\n    |:\n|:\n  |):\n    |)\n|]\n|a\n|a\n  b|  |    |#\n|# a| #".split("|")
TOKENS = [bytes([byte]) for byte in range(256)]
TOKENS += [text.encode() for word in WORDS for text in (word, f" {word}")] + [line.encode() for line in LINES]
VOCABULARY = sg.Tokenizer.from_bytes([*TOKENS, None], eos_token_id=len(TOKENS))

CALLS = r"""
start: statement+
statement: "if" (NAME | "(" value ")") ":" block | "return" [NAME] _NEWLINE | value _NEWLINE
value: NAME ["(" [value ("," value)*] ")"] | value "[" value "]"
block: _NEWLINE _INDENT statement+ _DEDENT
NAME: /[a-z]\w*/
_NEWLINE: /(\n[ \t]*)+/
%ignore " "
%declare _INDENT _DEDENT
"""
# the last of them end together, however many there are
DEEP = 'start: e\ne: "a" e | "(" e ")" | "b"\n%ignore " "\n'
# as `a` goes on, so does what it was before
SLOTS = 'start: (A | B | "c" | "(" start ")")+\nA: /a(bab)?/\nB: /b+/\n%ignore " "\n'
# the stack does not tell how many brackets are open
COUNTED = r"""
start: line+
line: _NEWLINE | NAME | "(" | ")" | _INDENT | _DEDENT
NAME: /[a-z]/
_NEWLINE: /(\n[ \t]*)+/
%ignore " "
%declare _INDENT _DEDENT
"""
GRAMMARS = {
    "JSON": lambda: sg.lark(JSON),
    "deep": lambda: sg.lark(DEEP),
    "slots": lambda: sg.lark(SLOTS),
    "calls in blocks": lambda: sg.lark(CALLS, postlex=PythonIndenter()),
    "counted brackets": lambda: sg.lark(COUNTED, postlex=PythonIndenter()),
    "our SQL": lambda: sg.lark(resources.grammar("sql")),
    "our Python": lambda: sg.lark(resources.grammar("python"), postlex=PythonIndenter()),
}


def compiled(name: str, *, piecing: bool) -> CompiledLark:
    """Return a grammar with room for pieces or without."""
    made = sg.compile(GRAMMARS[name](), VOCABULARY, store=False)
    assert isinstance(made, CompiledLark)
    if not piecing:
        for table in (made._vocabulary_tables._fragments, made._reused):
            table.words[K.FragmentTable.most] = 1
    return made


def walks(made: CompiledLark, seed: int, count: int, steps: int) -> Iterator[list[int]]:
    """Yield tokens of texts drawn at random; long ones and what nests are drawn more often."""
    source = random.Random(seed)
    mask = sg.allocate_mask(1, VOCABULARY.vocab_size)
    nests = {i for i, text in enumerate(TOKENS) if set(text) & set(b"([{:\n")}
    for _ in range(count):
        matcher, taken = sg.Matcher(made), []
        for _ in range(steps):
            matcher.fill_mask(mask)
            allowed = [token for token in mask.allowed().tolist() if token < len(TOKENS)]
            if not allowed:
                break
            weights = [len(TOKENS[token]) ** 2 * (3 if token in nests else 1) for token in allowed]
            taken.append(source.choices(allowed, weights)[0])
            matcher.advance(taken[-1])
        yield taken


def masks(made: CompiledLark, tokens: list[int]) -> Iterator[np.ndarray]:
    matcher, mask = sg.Matcher(made), sg.allocate_mask(1, VOCABULARY.vocab_size)
    for token in tokens:
        matcher.fill_mask(mask)
        yield mask.array.copy()
        matcher.advance(token)


def differences(one: CompiledLark, other: CompiledLark, texts: list[list[int]]) -> list[bytes]:
    """Return the texts behind which masks differ."""
    found = []
    for tokens in texts:
        for at, (first, second) in enumerate(zip(masks(one, tokens), masks(other, tokens), strict=True)):
            if not np.array_equal(first, second):
                found.append(b"".join(TOKENS[token] for token in tokens[:at]))
    return found


@pytest.mark.parametrize("name", GRAMMARS)
def test_masks_are_those_without_pieces(name: str) -> None:
    plain, pieced = compiled(name, piecing=False), compiled(name, piecing=True)
    count = 12 if "our" in name else 60
    texts = list(walks(plain, 7, count, 30))
    assert not differences(plain, pieced, texts)
    assert pieced._vocabulary_tables._fragments.words[K.FragmentTable.used] > 20, "pieces are not used"


@pytest.mark.parametrize("name", ["JSON", "calls in blocks"])
@pytest.mark.parametrize(("rows", "pooled"), [(40, 1 << 20), (1 << 18, 50), (3, 1 << 20)])
def test_masks_are_the_same_where_there_is_little_room(name: str, rows: int, pooled: int) -> None:
    plain, pieced = compiled(name, piecing=False), compiled(name, piecing=True)
    for table in (pieced._vocabulary_tables._fragments, pieced._reused):
        table.words[K.FragmentTable.most] = rows
        table.words[K.FragmentTable.most_pooled] = min(pooled, table.words[K.FragmentTable.most_pooled])
    assert not differences(plain, pieced, list(walks(plain, 3, 20, 30)))
    assert pieced._vocabulary_tables._fragments.words[K.FragmentTable.turn] > 0, "nothing was forgotten"


def test_masks_are_the_same_in_another_generation() -> None:
    plain, pieced = compiled("calls in blocks", piecing=False), compiled("calls in blocks", piecing=True)
    texts = list(walks(plain, 5, 10, 30))
    assert not differences(plain, pieced, texts)
    assert not differences(plain, pieced.anew(), texts)


def list_of(made: CompiledLark, text: bytes) -> int:
    """Return where the mask behind a text is kept."""
    matcher, mask = sg.Matcher(made), sg.allocate_mask(1, VOCABULARY.vocab_size)
    for byte in text:
        matcher.advance(byte)
    matcher.fill_mask(mask)
    assert matcher.state_index is not None
    return int(made._tables.rows(L.T_NODE)[matcher.state_index, L.N_LIST])


def test_states_that_look_alike_share_a_mask() -> None:
    made = compiled("JSON", piecing=True)
    # the longest token closes two brackets
    assert list_of(made, b"[[[[1") == list_of(made, b"[[[[[[1")
    assert list_of(made, b"[[1") != list_of(made, b"[[[1")
    assert list_of(made, b'[[{"a": [1') != list_of(made, b"[[[[1")


def test_what_looks_far_into_a_stack_takes_no_room() -> None:
    plain, made = compiled("deep", piecing=False), compiled("deep", piecing=True)
    tokens = list(b"(" + b"a" * 3_000 + b"b )")
    assert not differences(plain, made, [tokens])
    for table in (made._reused, made._vocabulary_tables._fragments):
        assert table.words[K.FragmentTable.used] < 2_000
