"""Masks of draft trees: of many requests at once, they are those of their nodes one by one."""

from __future__ import annotations

import ctypes
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import structgen as sg
from structgen.base.native.typed_blocks import word_of
from structgen.grammars.json_grammars.compiled_schema import CompiledSchema
from structgen.grammars.lark_grammars.compiled.compiled_lark import CompiledLark
from structgen.grammars.text_grammars.machine import compiled_text
from structgen.grammars.text_grammars.machine.compiled_text import CompiledText
from structgen.machines.core.compiled import CompiledGrammar
from structgen.machines.core.draft_masks import DraftMasks
from structgen.machines.json_machine.tables import json_blocks as layout
from structgen.machines.machine_core import draft_nodes

PIECES = [b'{"', b'": ', b'", "', b"ab", b"true", b"<t>{", b"}<", b"/t>", b"x)", b"if", b"\n    "]
END, SPECIAL = 256 + len(PIECES), 257 + len(PIECES)
TOKENIZER = sg.Tokenizer.from_bytes(
    [bytes((byte,)) for byte in range(256)] + PIECES + [None, None, None], eos_token_id=[END, END + 2]
)
SIZE = TOKENIZER.vocab_size
STATEMENTS = """
start: sum (";" sum)*
sum: NAME | NUMBER | "(" sum "+" sum ")" | "if" sum ":" sum
NAME: /[a-z]+/
NUMBER: /[0-9]+(\\.[0-9]+)?/
%ignore " "
"""
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "a": {"type": "string", "maxLength": 5},
        "b": {"type": "boolean"},
        "n": {"type": "array", "items": {"type": "integer"}},
    },
}
GRAMMARS: dict[str, Callable[[], sg.Grammar]] = {
    "schema": lambda: sg.json_schema(SCHEMA),
    "regex": lambda: sg.regex("[a-c]{2,5}(x|yy)*"),
    "contextual": lambda: sg.lark(STATEMENTS),
    "rows": lambda: sg.lark(Path(__file__).parent.parent / "grammars" / "csv.lark"),
    "characters": lambda: sg.lark(STATEMENTS, lexer="characters"),
    "tagged schema": lambda: sg.sequence("<t>", sg.json_schema(SCHEMA), "</t>"),
    "tagged rules": lambda: sg.sequence("<t>", sg.lark(STATEMENTS), "</t>"),
    "special token": lambda: sg.sequence("<", sg.special(SPECIAL), sg.regex("[a-z]+")),
}
MACHINES = {"schema": CompiledSchema, "regex": CompiledText, "contextual": CompiledLark}
"""A grammar for each."""


@cache
def compiled_of(name: str, copy: int = 0) -> sg.CompiledGrammar:
    """Return a compiled grammar; copies share nothing."""
    return sg.compile(GRAMMARS[name](), TOKENIZER, store=False)


Tree = tuple[list[int], list[int]]


def tree_of(state: sg.core.State, draw: random.Random, count: int) -> Tree:
    """Return a random tree behind a state: mostly allowed tokens, end tokens among them; refused ones, some
    that no vocabulary has; and nodes behind these."""
    states: list[sg.core.State | None] = [state]
    tokens: list[int] = []
    parents: list[int] = []
    for _ in range(count):
        above = draw.randrange(len(states))
        base = states[above]
        allowed = [] if base is None or base.is_finished else base.compiled.allowed(base)
        chance = draw.random()
        if allowed and chance < 0.8:
            token = END if END in allowed and chance < 0.2 else draw.choice(allowed)
        else:
            token = draw.choice((-1, SIZE, 1 << 40)) if chance > 0.97 else draw.randrange(SIZE)
        tokens.append(token)
        parents.append(above - 1)
        is_token = 0 <= token < SIZE
        states.append(base.compiled.step(base, token) if base is not None and is_token else None)
    return tokens, parents


def one_by_one(state: sg.core.State, tree: Tree) -> tuple[list[int], npt.NDArray[np.int32]]:
    """Return the statuses and the masks of a tree's places, each worked out for itself."""
    states: list[sg.core.State | None] = [state]
    for token, parent in zip(*tree, strict=True):
        base = states[parent + 1]
        states.append(None if base is None or not 0 <= token < SIZE else base.compiled.step(base, token))
    statuses, mask = [], sg.allocate_mask(len(states), SIZE)
    for row, one in enumerate(states):
        if one is None:
            statuses.append(sg.core.RowStatus.REFUSED)
        elif one.is_finished:
            statuses.append(sg.core.RowStatus.FINISHED)
        else:
            one.compiled.fill(one, mask, row)
            statuses.append(sg.core.RowStatus.CONSTRAINED)
    return [int(status) for status in statuses], mask.array


def wandered(name: str, draw: random.Random, most: int = 12) -> tuple[sg.Matcher, sg.core.State]:
    """Return a matcher some tokens into a text, and the same place in a grammar that shares nothing."""
    matcher, other = sg.Matcher(compiled_of(name)), sg.Matcher(compiled_of(name, 1))
    for _ in range(draw.randrange(most)):
        tokens = [token for token in other.compiled.allowed(other.state) if token not in (END, END + 2)]
        if not tokens:
            break
        token = draw.choice(tokens)
        matcher.advance(token)
        other.advance(token)
    return matcher, other.state


@pytest.mark.parametrize("name", GRAMMARS)
def test_the_rows_of_a_tree_are_the_masks_of_its_nodes_one_by_one(name: str) -> None:
    draw = random.Random(3)
    seen: Counter[int] = Counter()
    for _ in range(25):
        matcher, state = wandered(name, draw)
        tree = tree_of(state, draw, 10)
        statuses, masks = one_by_one(state, tree)
        rows = draw.sample(range(13), 11)
        for _ in range(2):  # known the second time
            mask = sg.allocate_mask(13, SIZE + 64)
            mask.array[...] = 5
            found = sg.core.fill_draft(matcher, *tree, mask, rows)
            assert found.tolist() == statuses, (tree, matcher.tokens)
            assert (mask.array[rows, : masks.shape[1]] == masks).all(), (tree, matcher.tokens)
            assert not mask.array[rows, masks.shape[1] :].any()
            assert (mask.array[[row for row in range(13) if row not in rows]] == 5).all()
        seen.update(statuses)
    assert {0, 2, 4} <= set(seen), "no tree has a refused token, or none an end token"


def batch_of(draw: random.Random, names: Sequence[str | None], count: int = 8) -> tuple[Any, ...]:
    """Return matchers, tokens, parents and counts of a batch, and what is right."""
    matchers: list[sg.Matcher | None] = []
    tokens: list[int] = []
    parents: list[int] = []
    counts, statuses, masks = [], [], []
    for name in names:
        size = draw.randrange(count + 1)
        if name is None:
            tree: Tree = (
                [draw.randrange(SIZE) for _ in range(size)],
                [draw.randrange(-1, i) for i in range(size)],
            )
            everything = sg.allocate_mask(size + 1, SIZE).array
            for token in range(SIZE):
                everything.view(np.uint32)[:, token // 32] |= np.uint32(1 << token % 32)
            right: tuple[list[int], Any] = [int(sg.core.RowStatus.FREE)] * (size + 1), everything
            matchers.append(None)
        else:
            matcher, state = wandered(name, draw)
            tree = tree_of(state, draw, size)
            right = one_by_one(state, tree)
            matchers.append(matcher)
        tokens += tree[0]
        parents += tree[1]
        counts.append(size)
        statuses += right[0]
        masks.append(right[1])
    return matchers, tokens, parents, counts, statuses, np.concatenate(masks)


ALL = [*GRAMMARS, None, *GRAMMARS, None]


def test_a_batch_of_all_machines_is_each_draft_by_itself() -> None:
    draw = random.Random(4)
    for _ in range(8):
        matchers, tokens, parents, counts, statuses, masks = batch_of(draw, draw.sample(ALL, 9))
        mask = sg.allocate_mask(len(statuses), SIZE)
        mask.array[...] = 5
        assert sg.core.fill_drafts(matchers, tokens, parents, counts, mask).tolist() == statuses
        assert (mask.array == masks).all()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Count compiled walks, and steps and masks that Python is asked for."""
    found: Counter[str] = Counter()

    def counted(name: str, call: Any) -> Any:
        def one(*arguments: Any) -> Any:
            found[name] += 1
            return call(*arguments)

        return one

    monkeypatch.setattr(draft_nodes, "walk_drafts", counted("walks", draft_nodes.walk_drafts))
    for name in ("next_index", "fill_index", "compute"):
        monkeypatch.setattr(CompiledGrammar, name, counted("python", getattr(CompiledGrammar, name)))
    yield found


def test_what_is_known_takes_one_call_for_all_machines_and_no_step_in_python(calls: Counter[str]) -> None:
    draw = random.Random(5)
    names = ["schema", "schema", "regex", "tagged schema", "contextual", "special token", None, "contextual"]
    matchers, tokens, parents, counts, statuses, masks = batch_of(draw, names)
    mask = sg.allocate_mask(len(statuses), SIZE)
    sg.core.fill_drafts(matchers, tokens, parents, counts, mask)
    calls.clear()
    mask.array[...] = 5
    known = DraftMasks(matchers, tokens, parents, counts, mask)
    assert not known.left and known.statuses.tolist() == statuses and (mask.array == masks).all()
    assert calls == {"walks": 1}


@pytest.mark.parametrize("name", [*MACHINES, "rows"])
def test_nothing_is_asked_or_worked_out_before_the_rest_is_called_for(name: str, calls: Counter[str]) -> None:
    compiled = sg.compile(GRAMMARS[name](), TOKENIZER, store=False)
    tree = tree_of(compiled_of(name, 1).start, random.Random(6), 10)
    statuses, masks = one_by_one(compiled_of(name, 1).start, tree)
    calls.clear()
    mask = sg.allocate_mask(11, SIZE)
    known = DraftMasks([sg.Matcher(compiled)], *tree, [10], mask)
    assert known.left == [0] and calls["python"] == 0
    questions = int(compiled._tables.context[word_of(layout.JsonContext, "questions")])
    assert ctypes.c_int64.from_address(questions).value == 0
    assert known.fill_left().tolist() == statuses and (mask.array == masks).all() and not known.left


def test_a_grammar_that_another_thread_works_in_is_left_and_not_waited_for() -> None:
    matcher, state = wandered("schema", random.Random(7))
    tree = tree_of(state, random.Random(7), 6)
    mask = sg.allocate_mask(7, SIZE)
    sg.core.fill_draft(matcher, *tree, mask)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with matcher.compiled.lock:
            held.set()
            done.wait(600)

    other = threading.Thread(target=hold)
    other.start()
    held.wait(600)
    known = DraftMasks([matcher], *tree, [6], mask)
    left = known.left
    done.set()
    other.join()
    assert left == [0]
    statuses, masks = one_by_one(state, tree)
    assert known.fill_left().tolist() == statuses and (mask.array == masks).all()


DEEP: dict[str, tuple[Callable[[], sg.Grammar], bytes, int]] = {
    "schema": (lambda: sg.json_schema({}), b"[" * 300, 200),
    "characters": (lambda: sg.lark(STATEMENTS, lexer="characters"), b"a;" + b"(" * 100, 60),
    "contextual": (lambda: sg.lark(STATEMENTS), b"a;" + b"(" * 1200, 600),
    "tagged schema": (lambda: sg.sequence("<t>", sg.json_schema({}), "</t>"), b"<t>" + b"[" * 300, 200),
}
"""Grammars, texts that need more parser states than they may have, and how many these are."""


@pytest.mark.parametrize("name", DEEP)
def test_a_limit_is_the_failure_of_its_own_rows_alone(name: str) -> None:
    grammar, text, states = DEEP[name]
    small = sg.compile(grammar(), TOKENIZER, limits=sg.Limits(parser_states=states), store=False)
    draw = random.Random(8)
    matchers, tokens, parents, counts, statuses, masks = batch_of(draw, ["schema", "regex", "contextual"])
    tree = [*text, 5, 97], [*range(-1, len(text) - 1), 3, 3]
    right, right_masks = one_by_one(sg.compile(grammar(), TOKENIZER, store=False).start, tree)
    size = len(tree[0])
    mask = sg.allocate_mask(size + 1 + len(statuses), SIZE)
    found = sg.core.fill_drafts(
        [sg.Matcher(small), *matchers],
        [*tree[0], *tokens],
        [*tree[1], *parents],
        [size, *counts],
        mask,
    )
    assert found[size + 1 :].tolist() == statuses and (mask.array[size + 1 :] == masks).all()
    own, limit = found[: size + 1].tolist(), sg.core.RowStatus.LIMIT
    assert limit in own
    behind = own.index(limit)
    for row, status in enumerate(own):
        if status == limit or behind < row <= len(text):
            assert not mask.array[row].any() or status == right[row]
        else:
            assert status == right[row] and (mask.array[row] == right_masks[row]).all()


def test_the_state_behind_recorded_moves_is_found_after_they_were_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(compiled_text, "REMEMBERED", 4)
    compiled_of.cache_clear()  # what was recorded before is not forgotten
    draw = random.Random(9)
    for _ in range(10):
        matcher, state = wandered("tagged rules", draw)
        tree = tree_of(state, draw, 10)
        statuses, masks = one_by_one(state, tree)
        mask = sg.allocate_mask(11, SIZE)
        assert sg.core.fill_draft(matcher, *tree, mask).tolist() == statuses and (mask.array == masks).all()
        assert matcher.compiled._tables.count(layout.T_EDGE) <= 4


def test_a_machine_that_fails_stops_no_other_draft(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(10)
    matchers, tokens, parents, counts, statuses, masks = batch_of(draw, ["regex", "contextual", None])
    broken = sg.Matcher(sg.compile(sg.regex("[ab]*"), TOKENIZER, store=False))
    whole = ([broken, *matchers], [97, *tokens], [-1, *parents], [1, *counts])
    compute = CompiledGrammar.compute

    def fails(self: CompiledGrammar, index: int, target: int = 0) -> bool:
        if self is broken.compiled:
            raise RuntimeError("no memory")
        return compute(self, index, target)

    monkeypatch.setattr(CompiledGrammar, "compute", fails)
    mask = sg.allocate_mask(2 + len(statuses), SIZE)
    mask.array[...] = 5
    found = DraftMasks(*whole, mask)
    assert found.fill_left()[2:].tolist() == statuses and (mask.array[2:] == masks).all()
    assert list(found.faults) == [0] and not mask.array[:2].any()
    with pytest.raises(RuntimeError, match="no memory"):
        sg.core.fill_drafts(*whole, mask)


def test_threads_draft_in_one_grammar_at_once() -> None:
    compiled = sg.compile(GRAMMARS["schema"](), TOKENIZER, store=False)
    trees = [tree_of(compiled_of("schema", 1).start, random.Random(seed), 30) for seed in range(6)]
    right = [one_by_one(compiled_of("schema", 1).start, tree) for tree in trees]
    wrong: list[int] = []

    def work(seed: int) -> None:
        mask = sg.allocate_mask(31, SIZE)
        for _ in range(20):
            mask.array[...] = 5
            found = sg.core.fill_draft(sg.Matcher(compiled), *trees[seed], mask)
            if found.tolist() != right[seed][0] or (mask.array != right[seed][1]).any():
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("name", GRAMMARS)
def test_a_walk_gives_the_states_that_steps_give(name: str) -> None:
    draw = random.Random(11)
    for _ in range(10):
        matcher, state = wandered(name, draw)
        tokens, parents = tree_of(state, draw, 10)
        compiled = matcher.compiled
        masks = DraftMasks([matcher], tokens, np.array(parents), [len(tokens)], sg.allocate_mask(11, SIZE))
        masks.fill_left()
        found = masks.states[1:]
        states = [matcher.state_index]
        for token, parent in zip(tokens, parents, strict=True):
            above = states[parent + 1]
            known = above >= 0 and 0 <= token < SIZE
            states.append(compiled.next_index(above, token) if known else -1)
        assert found.tolist() == states[1:]


@pytest.mark.parametrize("name", [*MACHINES, None])
def test_a_token_that_no_vocabulary_has_is_refused(name: str | None) -> None:
    matcher = None if name is None else sg.Matcher(compiled_of(name))
    tokens = [SIZE, -1, 1 << 40, -(1 << 70), SIZE - 1 + (1 << 32)]
    mask = sg.allocate_mask(6, SIZE)
    found = sg.core.fill_drafts([matcher], tokens, [-1] * 5, [5], mask)
    assert found.tolist()[1:] == [sg.core.RowStatus.REFUSED] * 5 and not mask.array[1:].any()


def test_bad_input_is_told_before_anything_is_written() -> None:
    matcher = sg.Matcher(compiled_of("regex"))
    mask = sg.allocate_mask(3, SIZE)
    mask.array[...] = 5
    wide = sg.allocate_mask(3, SIZE - 64)
    bad: list[tuple[type[Exception], str, tuple[Any, ...]]] = [
        (sg.errors.MaskError, "holds", ([97, 98], [-1, 0], [2], wide)),
        (sg.errors.MaskError, "of 3 rows", ([97, 98, 99], [-1, 0, 0], [3], mask)),
        (sg.errors.MaskError, "Row 3", ([97, 98], [-1, 0], [2], mask, [0, 3, 1])),
        (sg.errors.MaskError, "Row -1", ([97, 98], [-1, 0], [2], mask, [0, -1, 1])),
        (sg.errors.MaskError, "repeated", ([97, 98], [-1, 0], [2], mask, [0, 1, 1])),
        (sg.errors.OptionError, "2 rows do not fit 3 places", ([97, 98], [-1, 0], [2], mask, [0, 1])),
        (sg.errors.OptionError, "parent of node 1 is 1", ([97, 98], [-1, 1], [2], mask)),
        (sg.errors.OptionError, "parent of node 0 is -2", ([97, 98], [-(1 << 70), 1], [2], mask)),
        (
            sg.errors.OptionError,
            r"2 tokens and 2 parents do not fit 1 nodes, \[1\] by draft",
            ([97, 98], [-1, 0], [1], mask),
        ),
        (sg.errors.OptionError, "by draft", ([97], [-1], [-1], mask)),
        (sg.errors.OptionError, "integer", ([97.5, 98], [-1, 0], [2], mask)),
        (sg.errors.OptionError, "integer", ([97, 98], np.zeros(2), [2], mask)),
        (sg.errors.OptionError, "2 drafts do not fit 1 matchers", ([97, 98], [-1, 0], [1, 1], mask)),
    ]
    for kind, words, arguments in bad:
        with pytest.raises(kind, match=words):
            sg.core.fill_drafts([matcher], *arguments)
        assert (mask.array == 5).all()
    assert sg.core.fill_drafts([], [], [], [], mask).tolist() == []


def test_statuses_of_compiled_code_are_those_of_python() -> None:
    names = {"KNOWN": "CONSTRAINED"}
    for name in ("KNOWN", "FREE", "FINISHED", "LIMIT", "REFUSED"):
        assert getattr(draft_nodes, f"ROW_{name}") == sg.core.RowStatus[names.get(name, name)]
