"""structgen.h in C code: masks, tokens and costs of known states are those of `Matcher`, else it asks."""

from __future__ import annotations

import copy
import ctypes
import os
import pickle
import random
import re
import shutil
import subprocess
import sys
import threading
from array import array
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from for_each import for_each

import structgen as sg
from structgen.base.native.addresses import CHECKED
from structgen.machines.core.compiled import REMEMBERED
from structgen.machines.machine_core.growing_tables import NODES

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples/read_tokens.c"
Addresses = sg.core.GrammarAddresses
HEADER = (Addresses.include_folder / "structgen.h").read_text(encoding="ascii")
COMPILER = shutil.which(os.environ.get("CC", "cc"))
pytestmark = [
    pytest.mark.skipif(COMPILER is None, reason="there is no C compiler (cc, or what CC names)"),
    pytest.mark.skipif(CHECKED, reason="the checks of memory do not know that of C code"),
]
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wpedantic", "-Werror"]

PIECES = [b'{"', b'": ', b'", "', b"ab", b"true", b'"}', b"[[", b"]]", b"12", b", "]
END = 256 + len(PIECES)
TOKENIZER = sg.Tokenizer.from_bytes(
    [bytes((byte,)) for byte in range(256)] + PIECES + [None, None, None], eos_token_id=[END, END + 1]
)
REFUSED, ASK = -1, -2
AskMask = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)
AskToken = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
FUNCTIONS = """
#include "structgen.h"
int64_t fill(const structgen_grammar *g, int64_t state, int32_t *row) {
    return structgen_fill_mask(g, state, row);
}
int64_t take(const structgen_grammar *g, int64_t state, int64_t token) {
    return structgen_take_token(g, state, token);
}
int64_t budget(const structgen_grammar *g, int64_t state) { return structgen_sufficient_budget(g, state); }
int64_t cost(const structgen_grammar *g, int64_t state) { return structgen_tokens_to_finish(g, state); }
int64_t fill_all(const structgen_grammar *g, int64_t *columns, int64_t count, int32_t *mask, int64_t stride) {
    return structgen_fill_masks(g, columns, count, mask, stride);
}
int64_t take_all(const structgen_grammar *g, int64_t *columns, int64_t count) {
    return structgen_take_tokens(g, columns, count);
}
"""
"""The functions of the header, which have no addresses themselves."""


def build(source: Path, folder: Path, *options: str) -> Any:
    """Return a C file as a library."""
    library = folder / f"{source.stem}.so"
    assert COMPILER is not None
    command = [COMPILER, *options, "-shared", "-fPIC", "-I", Addresses.include_folder, source, "-o", library]
    subprocess.run(command, check=True)
    loaded = ctypes.CDLL(str(library))
    return loaded


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return prototyped(build(EXAMPLE, tmp_path_factory.mktemp("c"), *STRICT))


@pytest.fixture(scope="module")
def functions(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("c")
    source = folder / "functions.c"
    source.write_text(FUNCTIONS, encoding="ascii")
    return prototyped(build(source, folder, *STRICT))


PROTOTYPES: dict[str, list[Any]] = {
    "read_tokens": [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, AskMask, AskToken],
    "fill": [ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p],
    "take": [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64],
    "budget": [ctypes.c_void_p, ctypes.c_int64],
    "cost": [ctypes.c_void_p, ctypes.c_int64],
    "fill_all": [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64],
    "take_all": [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64],
}


def prototyped(library: Any) -> Any:
    for name, arguments in PROTOTYPES.items():
        if hasattr(library, name):
            function = getattr(library, name)
            function.argtypes, function.restype = arguments, ctypes.c_int64
    return library


class Reading:
    """A text that C code read, with what Python was asked."""

    def __init__(self, library: Any, compiled: sg.CompiledGrammar, tokens: list[int]) -> None:
        self.questions: list[str] = []
        self.failures: list[Exception] = []
        addresses = Addresses(compiled)
        self.rows: npt.NDArray[np.int32] = np.full((len(tokens) + 1, addresses.words), -1, np.int32)
        ids = np.array(tokens, np.int32)

        def answer(question: str, function: Any) -> int:
            self.questions.append(question)
            try:
                return int(function())
            except sg.StructgenError as error:  # nothing may leave a callback
                self.failures.append(error)
                return REFUSED

        with compiled.lock:
            self.count = library.read_tokens(
                ctypes.addressof(addresses),
                ids.ctypes.data,
                len(tokens),
                self.rows.ctypes.data,
                AskMask(lambda state, row: answer("mask", partial(compiled.compute, state, row))),
                AskToken(lambda state, token: answer("token", partial(compiled.next_index, state, token))),
            )


def drawn_schema(draw: random.Random, depth: int = 0) -> object:
    kind = draw.randrange(4 if depth == 2 else 7)
    if kind == 0:
        return {"type": "string", "maxLength": draw.randrange(6)}
    if kind == 1:
        return {"type": "integer", "minimum": draw.randrange(-40, 40)}
    if kind == 2:
        return {"enum": draw.sample(["ab", "abc", 1, 12, True, None, [1]], 3)}
    if kind == 3:
        return {"type": "string", "pattern": draw.choice(["^a+b$", "^[ab]{2,4}$", "x|yy"])}
    if kind == 4:
        return {"type": "array", "items": drawn_schema(draw, depth + 1), "maxItems": draw.randrange(1, 4)}
    keys = draw.sample(["a", "ab", "abab", "b"], draw.randrange(1, 4))
    return {
        "type": "object",
        "properties": {key: drawn_schema(draw, depth + 1) for key in keys},
        "required": keys[: draw.randrange(2)],
        "additionalProperties": draw.random() < 0.3,
    }


LARK = (
    'start: (NAME | "[" start "]")+\nNAME: /[a-b]+/\n%ignore " "',
    'start: sum\nsum: item ("," " "* item)*\nitem: /[0-9]+/ | "{" sum "}" | "true"',
    'start: "ab" -> x | NAME "12" start?\nNAME: /[a-z]/\n',
)


def drawn_grammar(draw: random.Random) -> sg.Grammar:
    kind = draw.randrange(5)
    if kind == 0:
        return sg.lark(draw.choice(LARK))
    if kind == 1:
        return sg.regex(draw.choice(["(ab|12)*x?", "[a-z]{2,5}", "(true|false)(, (true|12))*"]))
    schema = sg.json_schema(drawn_schema(draw))
    return sg.sequence("ab", schema, sg.special(END + 2), "x") if kind == 2 else schema


def walk(draw: random.Random, grammar: sg.Grammar) -> tuple[list[int], npt.NDArray[np.int32], int]:
    """Return random tokens, a forbidden one among them at times, with the masks that `Matcher` fills before
    each and behind the last one, and how many tokens it takes."""
    matcher = sg.Matcher(sg.compile(grammar, TOKENIZER, store=False))
    mask, tokens, rows = sg.allocate_mask(1, TOKENIZER.vocab_size), list[int](), list[npt.NDArray[np.int32]]()
    for _ in range(draw.randrange(1, 25)):
        matcher.fill_mask(mask)
        rows.append(mask.array[0].copy())
        tokens.append(int(draw.choice(mask.allowed())))
        if draw.random() < 0.02:
            tokens[-1] = draw.choice([-1, draw.randrange(TOKENIZER.vocab_size), TOKENIZER.vocab_size])
        try:
            matcher.advance(tokens[-1])
        except sg.errors.TokenError:
            break
        if matcher.is_finished:
            break
    else:
        matcher.fill_mask(mask)
        rows.append(mask.array[0].copy())
    return tokens, np.array(rows), matcher.size


def check_readings(example: Any, seed: int) -> tuple[int, int]:
    """Compare what C code reads of a random text with `Matcher`, twice. Returns how much was asked."""
    draw = random.Random(seed)
    grammar = drawn_grammar(draw)
    compiled = sg.compile(grammar, TOKENIZER, store=False)
    tokens, rows, count = walk(draw, grammar)
    first, again = (Reading(example, compiled, tokens) for _ in range(2))
    for reading in (first, again):
        assert reading.count == count
        assert np.array_equal(reading.rows[: len(rows)], rows)
        assert (reading.rows[len(rows) :] == -1).all()
    ends = TOKENIZER.eos_token_ids
    # Python refuses what is no token, and the mask behind an end token
    assert len(first.failures) == (count == len(tokens) and bool(tokens[-1:]) and tokens[-1] in ends)
    assert all(isinstance(failure, sg.errors.FinishedError) for failure in first.failures)
    again_asked = len(again.questions) - len(again.failures)
    return len(first.questions), again_asked


@pytest.mark.parametrize("seed", range(60))
def test_c_code_fills_the_masks_that_a_matcher_fills(example: Any, seed: int) -> None:
    check_readings(example, seed)


@pytest.mark.slow
def test_c_code_fills_the_masks_that_a_matcher_fills_in_many_texts(example: Any) -> None:
    for seed in range(100, 2100):
        check_readings(example, seed)


@for_each("grammar", [sg.json_schema({"type": "array", "items": {"enum": ["ab", 12]}}), sg.lark(LARK[0])])
def test_a_text_that_was_read_before_asks_nothing(example: Any, grammar: sg.Grammar) -> None:
    compiled = sg.compile(grammar, TOKENIZER, store=False)
    text = b'["ab", 12, "ab"' if compiled.has_events else b"ab [ab [b]] a"
    tokens = TOKENIZER.encode(text)
    first, again = (Reading(example, compiled, tokens) for _ in range(2))
    assert first.questions and not again.questions
    assert first.count == again.count == len(tokens)
    assert np.array_equal(first.rows, again.rows)


@for_each(
    "grammar", [sg.json_schema({"const": 1}), sg.lark("start: /1/"), sg.regex("1"), sg.ebnf('root ::= "1"')]
)
def test_nothing_follows_an_end_token(functions: Any, grammar: sg.Grammar) -> None:
    compiled = sg.compile(grammar, TOKENIZER, store=False)
    matcher = sg.Matcher(compiled)
    for token in (ord("1"), END):
        matcher.advance(token)
    addresses = Addresses(compiled)
    at, row = ctypes.addressof(addresses), np.full(addresses.words, -1, np.int32)
    assert functions.take(at, functions.take(at, addresses.start, ord("1")), END) == matcher.state_index
    answers = {functions.take(at, matcher.state_index, token) for token in range(TOKENIZER.vocab_size)}
    assert answers <= {REFUSED, ASK}
    assert functions.fill(at, matcher.state_index, row.ctypes.data) == ASK and (row == -1).all()


def test_the_page_prints_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs/inside/c-hosts.md").read_text(encoding="utf-8")
    ((code, output),) = re.findall(r"```python sketch\n(.*?)```\n```\n(.*?)```", page, re.DOTALL)
    build(EXAMPLE, tmp_path)
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    assert capsys.readouterr().out == output


def test_the_fields_are_those_of_the_header() -> None:
    struct = re.search(r"typedef struct structgen_grammar \{(.*?)\}", HEADER, re.DOTALL)
    assert struct is not None
    assert re.findall(r"int64_t (\w+);", struct[1]) == [name for name, _ in Addresses._fields_]
    version = re.search(r"#define STRUCTGEN_VERSION (\d+)", HEADER)
    addresses = Addresses(sg.compile(sg.regex("a"), TOKENIZER))
    assert version is not None and addresses.version == int(version[1])
    mask = sg.allocate_mask(1, TOKENIZER.vocab_size)
    assert (addresses.vocab_size, addresses.words) == (TOKENIZER.vocab_size, mask.words)


def test_another_version_of_the_struct_is_refused(example: Any) -> None:
    addresses = Addresses(sg.compile(sg.regex("ab"), TOKENIZER))
    addresses.version += 1
    none = AskMask(lambda state, row: 0), AskToken(lambda state, token: 0)
    assert example.read_tokens(ctypes.addressof(addresses), None, 0, None, *none) == REFUSED


# --- costs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_costs_are_those_that_python_has_found(functions: Any, seed: int) -> None:
    draw = random.Random(seed)
    grammar = drawn_grammar(draw)
    compiled, other = (sg.compile(grammar, TOKENIZER, store=False) for _ in range(2))
    tokens, _, count = walk(draw, grammar)
    ours, theirs, mask = sg.Matcher(compiled), sg.Matcher(other), sg.allocate_mask(1, TOKENIZER.vocab_size)
    early = Addresses(compiled) if draw.random() < 0.5 else None
    seen = dict[int, tuple[int, int]]()
    for token in tokens[:count]:
        if token in TOKENIZER.eos_token_ids:
            break
        cost = ours.tokens_to_finish()
        ours.fill_mask(mask, budget=cost + draw.randrange(9))
        known = compiled.sufficient_budgets.get(ours.state_index)
        if known is not None:
            seen[ours.state_index] = cost, known
            # the plain mask is the mask under that budget, and every token leaves enough of it
            if known < 50:
                theirs.fill_mask(mask)
                plain = mask.array.copy()
                theirs.fill_mask(mask, budget=max(known, cost))
                assert np.array_equal(mask.array, plain)
        ours.advance(token)
        theirs.advance(token)
    late = Addresses(compiled)
    for state, (cost, known) in seen.items():
        for addresses in (early, late):
            if addresses is not None:
                assert functions.budget(ctypes.addressof(addresses), state) == min(known, sys.maxsize - 1)
        if early is not None:
            assert functions.cost(ctypes.addressof(early), state) == cost
    for state in (-1, REMEMBERED, REMEMBERED + 5, sys.maxsize):
        assert functions.cost(ctypes.addressof(late), state) == ASK


def test_costs_that_nobody_asked_for_are_asked(functions: Any) -> None:
    compiled = sg.compile(sg.regex("ab{3}"), TOKENIZER, store=False)
    addresses = Addresses(compiled)
    at = ctypes.addressof(addresses)
    start = compiled.start.index
    assert functions.cost(at, start) == functions.budget(at, start) == ASK
    assert compiled.tokens_to_finish(compiled.start) == 3  # ab, b, b
    assert functions.cost(at, start) == 3 and functions.budget(at, start) == ASK


def test_a_cost_that_may_be_less_is_not_noted(functions: Any) -> None:
    """A caller who has enough is told a number that suffices, not the least."""
    schema = {"type": "array", "items": {"type": "string"}, "minItems": 3}
    compiled = sg.compile(sg.json_schema(schema), TOKENIZER, store=False)
    addresses = Addresses(compiled)
    compiled.cost(compiled.start.index, 1000)
    assert functions.cost(ctypes.addressof(addresses), compiled.start.index) == ASK


# --- batches ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_a_batch_in_c_is_what_its_rows_are_one_by_one(functions: Any, seed: int) -> None:
    draw = random.Random(seed)
    grammars = [sg.compile(drawn_grammar(draw), TOKENIZER, store=False) for _ in range(4)]
    addresses = [Addresses(compiled) for compiled in grammars]
    words, count = addresses[0].words, 12
    chosen = [draw.randrange(4) for _ in range(count)]
    states = list[int]()
    for kind in chosen:
        matcher, mask = sg.Matcher(grammars[kind]), sg.allocate_mask(1, TOKENIZER.vocab_size)
        for _ in range(draw.randrange(5)):
            matcher.fill_mask(mask)
            matcher.advance(int(draw.choice(mask.allowed())))
            if matcher.is_finished:
                break
        states.append(matcher.state_index)
    contexts = [addresses[kind].context if draw.random() < 0.9 else 0 for kind in chosen]
    rows = draw.sample(range(count + 3), count)
    stride = 4 * (words + 2)
    masks = np.full((count + 3, words + 2), -1, np.int32)
    columns = array("q", [*contexts, *states, *rows])
    at = ctypes.addressof(addresses[0])
    left = functions.fill_all(at, columns.buffer_info()[0], count, masks.ctypes.data, stride)
    answers = columns[count : 2 * count]
    assert left == sum(answer != 0 for answer in answers)
    one = np.zeros(words, np.int32)
    for i, kind in enumerate(chosen):
        alone = functions.fill(ctypes.addressof(addresses[kind]), states[i], one.ctypes.data)
        assert (answers[i] == 0) is (contexts[i] != 0 and alone == 0)
        assert (
            np.array_equal(masks[rows[i], :words], one) if answers[i] == 0 else (masks[rows[i]] == -1).all()
        )
        assert (masks[rows[i], words:] == -1).all()
    tokens = [draw.randrange(-1, TOKENIZER.vocab_size + 1) for _ in range(count)]
    columns = array("q", [*contexts, *states, *tokens])
    assert functions.take_all(at, columns.buffer_info()[0], count) == 0
    for i, kind in enumerate(chosen):
        after = columns[count + i]
        if contexts[i] == 0:
            assert after < REFUSED
        else:
            assert max(after, ASK) == functions.take(ctypes.addressof(addresses[kind]), states[i], tokens[i])


# --- threads and lifetime -----------------------------------------------------------------------------------


@for_each("grammar", [sg.json_schema({}), sg.lark(LARK[0])])
def test_masks_are_read_while_python_adds_others(functions: Any, grammar: sg.Grammar) -> None:
    """The tables grow many times meanwhile: no lock is held by who reads."""
    compiled = sg.compile(grammar, TOKENIZER, store=False)
    addresses = Addresses(compiled)
    at, known = ctypes.addressof(addresses), dict[int, bytes]()
    faults, stop = list[int](), threading.Event()

    def read() -> None:
        row = np.zeros(addresses.words, np.int32)
        while not stop.is_set():
            for state, mask in [*known.items()]:
                if functions.fill(at, state, row.ctypes.data) != 0 or row.tobytes() != mask:
                    faults.append(state)

    capacity = len(compiled._tables.rows(NODES))
    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    draw, mask = random.Random(1), sg.allocate_mask(1, TOKENIZER.vocab_size)
    try:
        while len(compiled._tables.rows(NODES)) < 4 * capacity:
            matcher = sg.Matcher(compiled)
            for _ in range(60):
                matcher.fill_mask(mask)
                known[matcher.state_index] = mask.array.tobytes()
                matcher.advance(draw.choice(mask.allowed().tolist()))
                if matcher.is_finished:
                    break
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not faults and len(known) > capacity


def test_the_grammar_lives_as_long_as_its_addresses(functions: Any) -> None:
    addresses = Addresses(sg.compile(sg.regex("ab"), TOKENIZER, store=False))
    row = np.zeros(addresses.words, np.int32)
    addresses.compiled.compute(addresses.start)
    assert functions.fill(ctypes.addressof(addresses), addresses.start, row.ctypes.data) == 0
    mask = sg.allocate_mask(1, TOKENIZER.vocab_size)
    sg.Matcher(addresses.compiled).fill_mask(mask)
    assert np.array_equal(row, mask.array[0])


# --- bad input, and compilers -------------------------------------------------------------------------------


def test_what_is_no_compiled_grammar_is_refused() -> None:
    with pytest.raises(
        sg.errors.OptionError, match=r"compiled must be CompiledGrammar, got \w+\. Pass what sg\.compile"
    ):
        Addresses(sg.regex("a"))  # type: ignore[arg-type]


@for_each("duplicate", [pickle.dumps, copy.copy, copy.deepcopy])
def test_addresses_stay_where_they_are(duplicate: Any) -> None:
    addresses = Addresses(sg.compile(sg.regex("a"), TOKENIZER))
    with pytest.raises(sg.errors.OptionError, match="to this process"):
        duplicate(addresses)


@for_each("options", [["-std=c11", "-O2"], ["-x", "c++", "-std=c++11", "-O2"]])
def test_the_header_is_c_and_c_plus_plus(options: list[str], tmp_path: Path) -> None:
    source = tmp_path / "functions.c"
    source.write_text(FUNCTIONS, encoding="ascii")
    command = [COMPILER, *options, *STRICT[1:], "-I", Addresses.include_folder, "-c", source]
    built = subprocess.run([*map(str, command), "-o", tmp_path / "x.o"], capture_output=True, text=True)
    if "c++" in options and "cc1plus" in built.stderr:
        pytest.skip("the compiler knows no C++")
    assert built.returncode == 0, built.stderr
