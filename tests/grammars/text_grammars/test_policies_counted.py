"""Counts of white space beside every policy of it: the texts are those of the schema (`jsonschema`) and the
policy whose runs of white space, found by a reader of pieces of JSON, are no longer than the count."""

from __future__ import annotations

import itertools
import json
import random
import re
from functools import cache
from typing import Any

import jsonschema
import pytest
from for_each import for_each
from oracles.effort import tries
from test_counted_space import REAL, drawn, tag

import structgen as sg
from structgen.tokens.tokenizer import byte_tokenizer

PIECES = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^{}\[\]:,"\s]+|\s+', re.DOTALL)
POLICIES: list[Any] = ["any", "any:3", "any:12", "bounded", "compact", "oneline", 0, 1, 2, 3, "\t", None]
COUNTS = [0, 1, 2, 3, 4, 5, 8, 9, 10, 17, 20, 100]
KEYS = ["a", " b", "c"]


# --- the readers ---


def runs_of(text: str) -> list[tuple[str, int, str, str]]:
    """Return the white space before each piece of a text, and behind the last: with the brackets that are
    open behind that piece, and the pieces around it."""
    found, level, blank, before = [], 0, "", ""
    for piece in [*PIECES.findall(text), ""]:
        if piece.isspace():
            blank = piece
            continue
        level += (piece in ("{", "[")) - (piece in ("}", "]"))
        found.append((blank, level, before, piece))
        blank, before = "", piece
    return found


def holds(text: str, value: Any, policy: Any, most: int) -> bool:
    """Return whether the white space of a text is that of a policy (None: any), and no more than `most`
    characters of it stand together."""
    runs = runs_of(text)
    if any(len(run) > most for run, *_ in runs):
        return False
    if policy == "bounded":
        return all(
            len(run) <= 8 or (re.fullmatch(r"\r?\n[ \t]*", run) and len(run.lstrip("\r\n")) <= 8 * level)
            for run, level, *_ in runs
        )
    if policy == "compact":
        return not any(run for run, *_ in runs)
    if policy == "oneline":
        return all(run == " " * (before in (":", ",")) for run, _, before, _ in runs)
    if policy is None or str(policy).startswith("any"):
        return all(len(run) <= int(str(policy).partition(":")[2] or most) for run, *_ in runs)
    return text == json.dumps(value, ensure_ascii=False, indent=policy)


# --- schemas, values and texts, drawn ---


def schema(chance: random.Random, depth: int = 3) -> Any:
    kind = chance.randrange(9 if depth else 3)
    if kind < 3:
        return chance.choice(
            [{}, {"type": "integer"}, {"enum": [1, "x y", [], {}, None]}, {"type": ["string", "null"]}]
        )
    if kind < 5:
        items = {"type": "array", "items": schema(chance, depth - 1)}
        return {**items, **chance.choice([{}, {"minItems": 1}, {"maxItems": 2}, {"minItems": 2}])}
    if kind < 8:
        named = {key: schema(chance, depth - 1) for key in KEYS if chance.random() < 0.6}
        found: dict[str, Any] = {"type": "object", "properties": named}
        if chance.random() < 0.4:
            found["required"] = [key for key in named if chance.random() < 0.5]
        if chance.random() < 0.4:
            found["additionalProperties"] = chance.choice([False, schema(chance, depth - 1)])
        if chance.random() < 0.2:
            found["minProperties"] = 1
        return found
    return {"anyOf": [schema(chance, depth - 1) for _ in range(2)]}


def whole(chance: random.Random) -> Any:
    found = schema(chance)
    if chance.random() < 0.2:
        return {
            "$defs": {"n": {"type": ["array", "integer"], "items": {"$ref": "#/$defs/n"}}},
            "$ref": "#/$defs/n",
        }
    return found


def value(chance: random.Random, depth: int) -> Any:
    kind = chance.randrange(7 if depth else 3)
    if kind < 3:
        return chance.choice([0, 1, "x y", None, [], {}, ' ", '])
    if kind < 5:
        return [value(chance, depth - 1) for _ in range(chance.randint(0, 2))]
    return {key: value(chance, depth - 1) for key in KEYS if chance.random() < 0.6}


def text_of(chance: random.Random, of: Any, policy: Any) -> str:
    """Return a text of a value, with white space of a policy and now and then some other."""
    laid_out = policy is None or isinstance(policy, int) or policy == "\t"
    dumped = json.dumps(
        of, ensure_ascii=False, indent=policy if laid_out else chance.choice([None, None, 0, 2])
    )
    if policy == "oneline" or (laid_out and policy is not None):
        runs = list(runs_of(dumped))
    else:
        level_of = [8 * level for _, level, *_ in runs_of(dumped)]
        sizes = [0, 0, 0, 1, 1, 2, 3, 7, 8, 9, 16, 17, 21]
        runs = []
        for (_, level, before, piece), wide in zip(runs_of(dumped), level_of, strict=True):
            size = chance.choice([*sizes, wide, wide + 1]) if policy != "compact" else 0
            line = chance.choice(["\n", "\r\n"]) + chance.choice(" \t") * size
            mixed = "".join(chance.choices(" \t\r\n", k=size))
            runs.append((chance.choice(["", "", mixed, line, " " * size]), level, before, piece))
    if chance.random() < 0.3 and runs:
        at = chance.randrange(len(runs))
        run = chance.choice(["", " ", "\n", "\t", runs[at][0] + " ", runs[at][0][:-1]])
        runs[at] = (run, *runs[at][1:])
    return "".join(run + piece for run, _, _, piece in runs)


# --- the law ---


@cache
def vocabulary(name: str) -> sg.Tokenizer:
    if name in REAL:
        return REAL[name]()
    return byte_tokenizer() if name == "bytes" else drawn(int(name))


@cache
def spelled(name: str) -> dict[bytes, int]:
    return {text: token for token, text in enumerate(vocabulary(name).token_bytes) if text}


def tokens(chance: random.Random, data: bytes, known: dict[bytes, int]) -> list[int]:
    """Return tokens of a text, each as long as possible or shorter."""
    found = []
    while data:
        sizes = [size for size in range(1, min(len(data), 40) + 1) if data[:size] in known]
        size = sizes[-1] if chance.random() < 0.7 else chance.choice(sizes)
        found.append(known[data[:size]])
        data = data[size:]
    return found


def check(name: str, seed: int, texts: int) -> tuple[int, int]:
    """Hold texts to the readers, and each mask on the way to what is read next; return how many were wrong
    and right."""
    chance = random.Random(f"{name} {seed}")
    policy, most, drawn_schema = chance.choice(POLICIES), chance.choice(COUNTS), whole(chance)
    given = {} if policy is None else {"whitespace": policy}
    grammar = sg.structural_tag(tag(drawn_schema, max_whitespace_cnt=most, any_order=True), **given)
    inside = chance.random() < 0.3
    judge, count = jsonschema.Draft202012Validator(drawn_schema), [0, 0]
    try:
        compiled = sg.compile(sg.sequence("<x>", grammar, "</x>") if inside else grammar, vocabulary(name))
    except (sg.errors.UnsatisfiableSchema, sg.errors.GrammarError):
        compiled = None
    if compiled is not None and not inside:
        least = compiled.completion(compiled.start).decode()
        assert judge.is_valid(json.loads(least)) and holds(least, json.loads(least), policy, most), least
    for _ in range(texts):
        of = sorted((value(chance, 4) for _ in range(6)), key=judge.is_valid)[chance.choice([0, -1, -1])]
        text = text_of(chance, of, policy)
        right = judge.is_valid(of) and holds(text, of, policy, most)
        told = name, seed, policy, most, drawn_schema, text
        count[right] += 1
        if compiled is None:
            assert not right, told
            continue
        state, data = compiled.start, (f"<x>{text}</x>" if inside else text).encode()
        for token in tokens(chance, data, spelled(name)):
            after = compiled.step(state, token)
            assert (token in set(compiled.allowed(state))) == (after is not None), told
            state = after
            if state is None:
                break
        assert (state is not None and compiled.accepts_end(state)) == right, told
    return count[0], count[1]


@pytest.mark.parametrize("name", ["bytes", "3000", "100000"])
def test_texts_under_a_policy_and_a_count(name: str) -> None:
    found = [check(name, seed, 10) for seed in range(tries(24, 400))]
    assert min(map(sum, zip(*found, strict=True))) > 35


PLACES = {
    "{}": ['{"', '[{"', '{\n  "', '[\n  "', '[["'],
    '{"type": "object"}': ['{"', '{\n  "', '{\n\t"', '{\n "'],
    '{"items": {"type": "object"}, "type": "array"}': ['[{"', '[\n  {\n    "', "[{}"],
}


@for_each(
    ("policy", "most"),
    [("bounded", 9), ("bounded", 20), ("oneline", 0), ("any:3", 1), (0, 0), (1, 8), (2, 20), ("\t", 100)],
)
def test_a_count_beside_a_policy_costs_no_search(policy: Any, most: int) -> None:
    """The fault: an intersection of automata searched for the end of a document for each of many tokens."""
    tokenizer, limits = drawn(100_000), sg.Limits(oracle_steps=2_000)
    for (source, places), any_order in itertools.product(PLACES.items(), (False, True)):
        one = tag(json.loads(source), max_whitespace_cnt=most, any_order=any_order)
        compiled = sg.compile(sg.structural_tag(one, whitespace=policy, limits=limits), tokenizer)
        for state in (compiled.step_bytes(compiled.start, place.encode()) for place in places):
            assert state is None or compiled.allowed(state)


@for_each(("policy", "same"), [("bounded:3", "any:3"), ("compact:5", "compact"), ("oneline:2", "oneline")])
def test_a_count_stands_behind_every_policy(policy: str, same: str) -> None:
    assert sg.json_schema({}, whitespace=policy).policies == sg.json_schema({}, whitespace=same).policies


@for_each("whitespace", ["bounded:", "oneline:-1", "indent:x", "indent: :x", "indent", "any:" + "9" * 30])
def test_what_is_no_count_is_refused(whitespace: str) -> None:
    with pytest.raises(sg.errors.OptionError, match="must be one of"):
        sg.json_schema({}, whitespace=whitespace)


@for_each(("whitespace", "most"), [("oneline", 0), (2, 4), (1, 0), ("\t", 2)])
def test_the_error_for_a_count_that_no_document_meets_names_the_policy(whitespace: Any, most: int) -> None:
    schema = {"type": "array", "minItems": 2, "items": {"type": "array", "minItems": 1}}
    with pytest.raises(sg.errors.UnsatisfiableUnderPolicy, match="policies: whitespace"):
        sg.compile(
            sg.structural_tag(tag(schema, max_whitespace_cnt=most), whitespace=whitespace), byte_tokenizer()
        )


@for_each(
    ("style", "whitespace"), itertools.product(["qwen_xml", "kimi_k3_xml"], ["oneline", 2, "any", "bounded"])
)
def test_arguments_are_written_whatever_is_counted(style: str, whitespace: Any) -> None:
    """White space of JSON in an argument is counted; arguments stand in lines as ever."""
    schema = {"type": "object", "properties": {"n": {"type": "array"}}, "required": ["n"]}
    for most in (0, 1, 3):
        one = tag(schema, max_whitespace_cnt=most, style=style)
        compiled = sg.compile(sg.structural_tag(one, whitespace=whitespace), byte_tokenizer())
        assert compiled.step_bytes(compiled.start, compiled.completion(compiled.start)) is not None


@pytest.mark.real_tokenizer
@pytest.mark.parametrize("name", ["Llama 3", "tekken 240911"])
def test_texts_under_real_vocabularies(name: str) -> None:
    found = [check(name, seed, 10) for seed in range(100)]
    assert min(map(sum, zip(*found, strict=True))) > 60
