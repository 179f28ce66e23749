"""Three frozen tasks on which samplers are compared, each with its exact law.

A task is an n-gram model, a grammar, a length and perhaps a checker. The model was trained (by counting, in
this file, from a seed) on texts of a *wider* language than the grammar's: values that only begin like an
allowed one, letters that the pattern forbids, members that the object does not have, items twice. So it
prefers texts that look valid and loses mass at nearly every token, often late, as a real model does.

Everything of the exact law is computed here, by dynamic programming over (last tokens of the text, place in
the object, memory of the checker, tokens written); nothing of structgen.decoding.samplers is used. Its
results are kept, with digests of models and grammars, in sampler_tasks.json; tests/test_bench_samplers.py
compares them, and checks the programme itself against enumeration on shrunken tasks.

The tasks must not be changed: figures of different dates are comparable only as long as the digests agree.
"""

from __future__ import annotations

import json
import random
import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from hashlib import blake2b
from itertools import accumulate
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

import structgen as sg

FROZEN: Final = Path(__file__).with_suffix(".json")

Floats = npt.NDArray[np.float64]
Marginals = dict[str, dict[str, float]]
"""Probabilities by field and value."""
Label = tuple[str, str]
"""A field and its value."""
Memory = Any
"""What a checker has to remember of a prefix; None where it has refused the prefix."""


# --- the members of a task's object -------------------------------------------------------------------------


@dataclass(frozen=True)
class Piece:
    """What may stand at a place of a text."""

    jump: int
    """How many places further the text goes on."""
    labels: tuple[Label, ...] = ()
    """The fields that are known with it."""
    item: str = ""
    """The item of an array that it ends."""


Place = Mapping[bytes, Piece]
"""The pieces of a place, by their bytes. None begins like another one."""


@dataclass(frozen=True)
class Pick:
    """One of some values."""

    field: str
    values: tuple[str, ...]
    opening: ClassVar[str] = '"'

    @property
    def schema(self) -> dict[str, Any]:
        return {"enum": list(self.values)}

    def places(self) -> list[Place]:
        """Return the places of the value, the quotation mark behind it among them."""
        return [{f'{value}"'.encode(): Piece(1, ((self.field, value),)) for value in self.values}]

    def wide(self, habit: Habit) -> str:
        """Return a text that the model has seen in this place."""
        return habit.value(self.field, self.values) + '"'


@dataclass(frozen=True)
class Words:
    """From `least` to `most` characters of a class."""

    field: str
    least: int
    most: int
    letters: str = "a-z "
    opening: ClassVar[str] = '"'

    @property
    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^[{self.letters}]{{{self.least},{self.most}}}$"}

    def places(self) -> list[Place]:
        """Return a place for each number of letters: one more, or the quotation mark."""
        found = []
        letters = re.findall(f"[{self.letters}]", bytes(range(128)).decode())
        for count in range(self.most + 1):
            place: dict[bytes, Piece] = {}
            if count < self.most:
                for one in letters:
                    place[one.encode()] = Piece(1, ((f"{self.field}.first", one),) if not count else ())
            if count >= self.least:
                place[b'"'] = Piece(self.most + 1 - count, ((f"{self.field}.length", str(count)),))
            found.append(place)
        return found

    def wide(self, habit: Habit) -> str:
        return habit.words(self.field) + '"'


@dataclass(frozen=True)
class Items:
    """An array of `least` to `most` strings out of `values`."""

    field: str
    values: tuple[str, ...]
    least: int
    most: int
    opening: ClassVar[str] = "["

    @property
    def schema(self) -> dict[str, Any]:
        enum = {"enum": list(self.values)}
        return {"type": "array", "items": enum, "minItems": self.least, "maxItems": self.most}

    def places(self) -> list[Place]:
        """Return a place for each number of items: one more, or the bracket."""
        found = []
        for count in range(self.most + 1):
            place: dict[bytes, Piece] = {}
            for value in self.values if count < self.most else ():
                labels = ((f"{self.field}.{count}", value),) if count < self.least else ()
                place[f'{"," if count else ""}"{value}"'.encode()] = Piece(1, labels, value)
            if count >= self.least:
                known = ((f"{self.field}.count", str(count)),) if self.least < self.most else ()
                place[b"]"] = Piece(self.most + 1 - count, known)
            found.append(place)
        return found

    def wide(self, habit: Habit) -> str:
        count = habit.count(self.field, self.least, self.most)
        items = habit.items(self.field, self.values, count)
        return ",".join(f'"{item}"' for item in items) + "]"


# --- what the model has read --------------------------------------------------------------------------------


class Habit:
    """How the texts were written that the model was trained on: a function of the seed.

    Every choice is drawn from random.Random.random(), whose numbers are the same in all versions of Python.
    """

    def __init__(self, seed: int, wrong: float) -> None:
        """`wrong`: how often a value is not one of the grammar's."""
        self._draws = random.Random(seed)
        self._seed, self._wrong = seed, wrong
        self._last = ""

    def _fixed(self, *about: object) -> float:
        """Return a number in [0, 1) that depends on the seed and what it is about, alone."""
        digest = blake2b(repr((self._seed, *about)).encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") / 2**64

    def coin(self, chance: float) -> bool:
        return self._draws.random() < chance

    def pick(self, what: Sequence[str], *about: object, sharp: float = 2.5) -> str:
        """Return one of some values, by weights that are fixed for what it is about."""
        sums = list(accumulate(float(np.exp(sharp * self._fixed("weight", *about, one))) for one in what))
        return what[min(bisect_right(sums, self._draws.random() * sums[-1]), len(what) - 1)]

    def text(self, members: Sequence[Pick | Words | Items]) -> str:
        """Return an object, now and then with more members than it should have."""
        self._last, found, last = "", "{", ""
        for at, one in enumerate(members):
            last = one.wide(self)
            found += f'{"," if at else ""}"{one.field}":{one.opening}{last}'
        if self.coin(self._wrong * self._fixed("tail", last[-4:]) ** 4):
            found += ',"' + self.pick(SYLLABLES, "extra") + '":'
            return found + self.pick(("1", "2", '"x"'), "extra") + "}"
        return found + "}"

    def value(self, name: str, values: Sequence[str], *about: object) -> str:
        """Return a value, or with a chance that depends on it another one that begins like it."""
        found = self.pick(values, name, self._last, *about)
        self._last = found
        if self.coin(self._wrong * self._fixed("wrong", name, found) ** 6):
            if self.coin(0.5):
                return found + self.pick(("ish", "er", "s"), "ending", found)
            return found[: 2 + int(3 * self._draws.random())] + self.pick(SYLLABLES, "broken", found[:2])
        return found

    def words(self, name: str) -> str:
        """Return some words, now and then with a capital, a digit or a full stop, now and then too long."""
        found: list[str] = []
        while True:
            before = found[-1] if found else name
            word = self.pick(SYLLABLES, "word", before)
            word += self.pick((*SYLLABLES, "", "", ""), "word", before, 2)
            if self.coin(self._wrong * self._fixed("odd", word[:2]) ** 6):
                word = self.pick((word.capitalize(), word + ".", word + "7", word + ", "), "odd", word[:2])
            found.append(word)
            if self.coin(0.5 + 0.4 * self._fixed("stop", word[-2:])):
                return " ".join(found)

    def count(self, name: str, least: int, most: int) -> int:
        """Return a number of items: one less or more than allowed at times."""
        if self.coin(0.1 * self._wrong):
            return most + 1 if self.coin(0.6) else max(least - 1, 1)
        return int(self.pick([str(n) for n in range(least, most + 1)], name, "count", sharp=1.5))

    def items(self, name: str, values: Sequence[str], count: int) -> list[str]:
        """Return items, each by the one before it; nothing keeps them from coming twice."""
        found: list[str] = []
        for at in range(count):
            self._last = found[-1] if found else ""
            found.append(self.value(name, values, at == 0))
        return found


SYLLABLES: Final = tuple(
    "al am an ar bel ber cor da del en er fi gra in ka la lo mi "
    "na nor on or per ra ri sa sol ta ti vi".split()
)


# --- tasks --------------------------------------------------------------------------------------------------


class Unique:
    """No item of the array comes twice: asked of whole texts alone."""

    fingerprint = "unique:False"

    def copy(self) -> Unique:
        return self

    def final(self, text: Any) -> bool:
        """Return whether the items of a text, or of its value, are different."""
        items = (json.loads(text) if isinstance(text, (bytes, str)) else text)["tags"]
        return len(set(items)) == len(items)

    def after(self, memory: Memory, item: str) -> Memory:
        """Return the memory behind an item: the items before, or "twice". It begins with no item."""
        return "twice" if memory == "twice" or item in memory else memory | {item}


class UniquePerItem(Unique):
    """The same, asked as soon as an item closes."""

    fingerprint = "unique:True"

    def viable(self, prefix: bytes) -> bool:
        """Return False where two items that have closed are equal."""
        found = re.findall(rb'"([a-z]+)"', prefix[prefix.find(b"[") + 1 or len(prefix) :])
        return len(set(found)) == len(found)

    def after(self, memory: Memory, item: str) -> Memory:
        return None if item in memory else memory | {item}


@dataclass(frozen=True)
class Task:
    """A model, a grammar, a length and a checker; what is costly is worked out when it is asked for."""

    name: str
    members: tuple[Pick | Words | Items, ...]
    seed: int
    wrong: float
    order: int
    """Of the n-gram: 2 or 3 tokens."""
    max_tokens: int
    checkers: tuple[Unique, ...] = ()
    noise: float = 0.006
    """The share of each row that is spread evenly over all tokens the model knows."""
    texts: int = 2000
    """How many texts the model was trained on."""
    pieces: int = 120
    """Tokens of more than one byte, at most."""
    _rows: dict[tuple[int, ...], Floats] = field(default_factory=dict, init=False, repr=False, compare=False)
    _logs: dict[tuple[int, ...], Floats] = field(default_factory=dict, init=False, repr=False, compare=False)
    _known: dict[str, tuple[Label, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)
    """The fields of texts that were read."""

    # --- the model

    @cached_property
    def corpus(self) -> tuple[str, ...]:
        """The texts that the model was trained on."""
        habit = Habit(self.seed, self.wrong)
        return tuple(habit.text(self.members) for _ in range(self.texts))

    @cached_property
    def tokens(self) -> tuple[bytes | None, ...]:
        """The vocabulary: 256 bytes, the pieces found most worth while in the corpus, and the end token."""
        words = re.compile(r'[a-zA-Z]+|[0-9]{2}|["{}:,\[\]]+|[{,]"[a-z]+":[\["]?|"[,\]}"]+[a-z]*')
        counts: Counter[str] = Counter()
        for word in (word for text in self.corpus[:1000] for word in words.findall(text)):
            for size in range(2, min(len(word), 14) + 1):
                counts[word[:size]] += size - 1
            counts[word] += 2 * len(word)
        likeliest = sorted(counts, key=lambda piece: (-counts[piece], piece))[: self.pieces]
        return (*(bytes((byte,)) for byte in range(256)), *(one.encode() for one in sorted(likeliest)), None)

    @cached_property
    def tokenizer(self) -> sg.Tokenizer:
        return sg.Tokenizer.from_bytes(self.tokens, eos_token_id=self.end)

    @property
    def end(self) -> int:
        return len(self.tokens) - 1

    def text(self, tokens: Sequence[int]) -> bytes:
        """Return the bytes of some tokens."""
        return b"".join(self.tokens[token] or b"" for token in tokens)

    @cached_property
    def counts(self) -> dict[tuple[int, ...], Counter[int]]:
        """How often each token came behind each context of at most `order` - 1 tokens in the corpus."""
        by_first: dict[int, list[tuple[bytes, int]]] = defaultdict(list)
        for token, text in enumerate(self.tokens):
            if text is not None:
                by_first[text[0]].append((text, token))
        for matching in by_first.values():
            matching.sort(key=lambda pair: -len(pair[0]))
        draws = random.Random(self.seed + 1)
        found: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        for raw in (text.encode() for text in self.corpus):
            at, ids = 0, list[int]()
            while at < len(raw):
                fits = [pair for pair in by_first[raw[at]] if raw.startswith(pair[0], at)]
                chosen = 0
                while chosen + 1 < len(fits) and draws.random() < 0.12:
                    chosen += 1
                ids.append(fits[chosen][1])
                at += len(fits[chosen][0])
            for place, token in enumerate([*ids, self.end]):
                for size in range(self.order):
                    if size <= place or size == self.order - 1:
                        found[tuple(ids[max(place - size, 0) : place])][token] += 1
        return found

    @cached_property
    def alive(self) -> npt.NDArray[np.int64]:
        """The tokens that the model may write."""
        return np.array(sorted(set().union(*self.counts.values())), np.int64)

    def probabilities(self, context: tuple[int, ...]) -> Floats:
        """Return the row behind the last tokens of a text: the counts of all orders, interpolated."""
        row = self._rows.get(context)
        if row is None:
            row = np.zeros(len(self.tokens))
            row[self.alive] = 1.0 / len(self.alive)
            row *= self.noise
            left = 1.0 - self.noise
            for size in range(len(context), -1, -1):
                seen = self.counts.get(context[len(context) - size :])
                if seen is None:
                    continue
                total = sum(seen.values())
                # Contexts seen often are trusted; at the end of the line stand all tokens together.
                share = left * (total / (total + 1.0) if size else 1.0)
                for token, count in seen.items():
                    row[token] += share * count / total
                left -= share
            self._rows[context] = row
        return row

    def next_logprobs(self, ids: list[int]) -> Floats:
        """Return the model's row behind some tokens, float64 [V]. Cost: a look-up, once the row is known."""
        context = tuple(ids[1 - self.order :])
        row = self._logs.get(context)
        if row is None:
            with np.errstate(divide="ignore"):
                row = self._logs[context] = np.log(self.probabilities(context))
        return row

    # --- the grammar

    @cached_property
    def schema(self) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": {one.field: one.schema for one in self.members},
            "required": [one.field for one in self.members],
            "additionalProperties": False,
        }

    @cached_property
    def grammar(self) -> sg.Grammar:
        return sg.json_schema(self.schema, whitespace="compact")

    @cached_property
    def compiled(self) -> sg.CompiledGrammar:
        return sg.compile(self.grammar, self.tokenizer)

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """The places of a text, one behind another; behind the last one it is complete."""
        found: list[Place] = []
        for at, one in enumerate(self.members):
            found.append({f'{"," if at else "{"}"{one.field}":{one.opening}'.encode(): Piece(1)})
            found += one.places()
        return (*found, {b"}": Piece(1)})

    def read(
        self, place: int, begun: bytes, text: bytes
    ) -> tuple[int, bytes, tuple[Label, ...], list[str]] | None:
        """Read a text on from a place and what stands there: return place, what stands there, the fields that
        have become known and the items that have ended; None where the grammar forbids a byte."""
        labels: tuple[Label, ...] = ()
        items = []
        for at in range(len(text)):
            if place == len(self.places):
                return None
            begun += text[at : at + 1]
            piece = self.places[place].get(begun)
            if piece is not None:
                place, begun, labels = place + piece.jump, b"", labels + piece.labels
                items += [piece.item] if piece.item else []
            elif not any(one.startswith(begun) for one in self.places[place]):
                return None
        return place, begun, labels, items

    @cached_property
    def law(self) -> Law:
        return Law(self)

    def marginals(self, texts: Sequence[str], weights: Sequence[float] | Floats) -> Marginals:
        """Return the marginals of the fields of weighted valid texts; the weights' sum is taken as 1."""
        found: Marginals = defaultdict(lambda: defaultdict(float))
        total = float(np.sum(weights)) if len(weights) else 0.0
        for text, weight in zip(texts, weights, strict=True):
            if text not in self._known:
                whole = self.read(0, b"", text.encode())
                assert whole is not None and whole[0] == len(self.places), f"{self.name}: {text}"
                self._known[text] = whole[2]
            for name, value in self._known[text]:
                found[name][value] += float(weight) / total
        return found

    def digest(self) -> str:
        """Return what changes whenever the task does: vocabulary, counts, schema, length, checker."""
        said = [
            [token.hex() if token is not None else None for token in self.tokens],
            sorted((list(context), sorted(seen.items())) for context, seen in self.counts.items()),
            self.schema,
            self.order,
            self.noise,
            self.max_tokens,
            "".join(one.fingerprint for one in self.checkers),
        ]
        return blake2b(json.dumps(said, sort_keys=True).encode(), digest_size=16).hexdigest()


# --- the exact law ------------------------------------------------------------------------------------------


class Law:
    """The exact law of a task, by a forward and a backward pass.

    A node is (the last tokens, the place in the text, the checker's memory); layer t has the nodes behind t
    tokens. All that is checked by an end token alone is in the end's probability.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._build()
        self.z, self.marginals, self.length, self.h = self._passes()
        """`h`: of each node, by the tokens written, the mass of valid texts behind it."""

    def _build(self) -> None:
        task = self._task
        checker = task.checkers[0] if task.checkers else None
        start: Any = ((), (0, b""), frozenset())
        number, nodes = {start: 0}, [start]
        moves: dict[Any, list[tuple[int, Any]]] = {}
        edges: list[tuple[int, int, int, float, tuple[Label, ...]]] = []
        ends: list[float] = []
        for context, place, memory in nodes:  # which grows
            if place not in moves:
                read = ((int(token), task.read(*place, task.text([token]))) for token in task.alive)
                moves[place] = [(token, there) for token, there in read if there and token != task.end]
            row, complete = task.probabilities(context), place[0] == len(task.places)
            at, end = number[context, place, memory], float(row[task.end]) if complete else 0.0
            for token, (to, begun, labels, items) in moves[place]:
                p, after = float(row[token]), memory
                for item in items:
                    after = None if checker is None or after is None else checker.after(after, item)
                if not p or (after is None and checker is not None):
                    continue
                node = ((*context, token)[1 - task.order :], (to, begun), after)
                if node not in number:
                    number[node] = len(nodes)
                    nodes.append(node)
                edges.append((at, number[node], token, p, labels))
            ends.append(end if memory != "twice" else 0.0)
        self.nodes = nodes
        source, target, tokens, prob, self._labels = zip(*edges, strict=True)
        self._source, self._target, self._tokens = np.array(source), np.array(target), np.array(tokens)
        self._prob, self._good = np.array(prob), np.array(ends)
        """`_good`: the end's probability where the text is valid."""

    def _passes(self) -> tuple[float, Marginals, float, list[Floats]]:
        """Return the mass of valid texts, the marginals of fields, the mean length with the end token, and
        the backward masses."""
        most, count = self._task.max_tokens, len(self.nodes)
        backward = [self._good]
        for _ in range(most):
            onward = np.bincount(self._source, self._prob * backward[0][self._target], count)
            backward.insert(0, self._good + onward)
        z = float(backward[0][0])
        forward, flow, length = np.eye(1, count)[0], np.zeros(len(self._source)), 0.0
        for t in range(most + 1):
            length += (t + 1) * float(forward @ self._good)
            if t < most:
                moved = forward[self._source] * self._prob
                flow += moved * backward[t + 1][self._target]
                forward = np.bincount(self._target, moved, count)
        marginals: Marginals = defaultdict(lambda: defaultdict(float))
        for edge in np.flatnonzero(flow):
            for name, value in self._labels[edge]:
                marginals[name][value] += float(flow[edge]) / z
        found = {name: dict(sorted(values.items())) for name, values in sorted(marginals.items())}
        return z, found, length / z, backward

    def draw(self, count: int, seed: int) -> list[tuple[int, ...]]:
        """Return independent draws from the target, exactly: token sequences. What an ideal sampler gives."""
        draws = random.Random(seed)
        # The edges stand in the order of their sources.
        edges = np.searchsorted(self._source, np.arange(len(self.nodes) + 1))
        return [self._draw(draws, edges) for _ in range(count)]

    def _draw(self, draws: random.Random, edges: npt.NDArray[np.int64]) -> tuple[int, ...]:
        node, tokens = 0, list[int]()
        while True:
            begin, end = int(edges[node]), int(edges[node + 1])
            masses = np.zeros(end - begin)
            if len(tokens) < self._task.max_tokens:
                masses = self._prob[begin:end] * self.h[len(tokens) + 1][self._target[begin:end]]
            sums = np.cumsum(np.append(self._good[node], masses))
            edge = int(np.searchsorted(sums, draws.random() * sums[-1], side="right"))
            if edge == 0:
                return tuple(tokens)
            edge = begin + min(edge, end - begin) - 1
            tokens.append(int(self._tokens[edge]))
            node = int(self._target[edge])


def field_error(marginals: Mapping[Any, Mapping[str, float]], found: Mapping[Any, Any]) -> float:
    """Return the mean over fields of the total variation between exact and found marginals; a field of which
    nothing was found counts 1."""
    total = 0.0
    for name, exact in marginals.items():
        other = found.get(name, {})
        off = sum(abs(exact.get(v, 0.0) - other.get(v, 0.0)) for v in {*exact, *other}) / 2
        total += off if other else 1.0
    return total / len(marginals)


# --- the three ----------------------------------------------------------------------------------------------


def _names(seed: int, count: int) -> tuple[str, ...]:
    """Return different words of two syllables, many of which begin alike."""
    draws, found = random.Random(seed), dict[str, None]()
    first = [SYLLABLES[int(draws.random() * len(SYLLABLES))] for _ in range(max(2, count // 2))]
    while len(found) < count:
        word = first[int(draws.random() * len(first))]
        draws.random()  # which chose the number of further syllables, 1
        word += SYLLABLES[int(draws.random() * len(SYLLABLES))]
        if not any(word.startswith(other) or other.startswith(word) for other in found):
            found[word] = None
    return tuple(found)


@lru_cache(maxsize=1)
def tasks() -> dict[str, Task]:
    """Return the three tasks by name."""
    things, states = ("mineral", "metal", "animal", "plant"), Pick("kind", ("new", "old", "lent"))
    free = (Words("name", 1, 10), Pick("kind", things), Words("note", 1, 12))
    four = (states, Items("tags", _names(35, 8), 4, 4))
    some = (states, Items("tags", _names(44, 8), 2, 4))
    found = (
        Task("free-text", free, seed=22, wrong=0.6, order=2, max_tokens=22),
        Task("unique-per-item", four, 35, wrong=1.8, order=3, max_tokens=40, checkers=(UniquePerItem(),)),
        Task("unique-at-end", some, 44, wrong=1.0, order=3, max_tokens=40, checkers=(Unique(),)),
    )
    return {task.name: task for task in found}


def shrunken() -> dict[str, Task]:
    """Return the three tasks with so few values and tokens that they can be enumerated."""
    small: dict[str, tuple[tuple[Pick | Words | Items, ...], int]] = {
        "free-text": ((Words("a", 1, 3, "ab "),), 7),
        "unique-per-item": ((Pick("kind", ("x", "alo")), Items("tags", ("al", "b", "am"), 2, 2)), 12),
        "unique-at-end": ((Items("tags", ("al", "b"), 1, 2),), 8),
    }
    return {
        name: replace(tasks()[name], members=members, max_tokens=most, texts=300, pieces=30, noise=0.02)
        for name, (members, most) in small.items()
    }


def frozen(task: Task) -> dict[str, Any]:
    """Return what sampler_tasks.json keeps of a task."""
    law = task.law
    return {
        "digest": task.digest(),
        "tokens": len(task.tokens),
        "max_tokens": task.max_tokens,
        "z": float(f"{law.z:.12g}"),
        "mean_rows": round(law.length, 6),
        "marginals": {
            name: {value: float(f"{p:.12g}") for value, p in values.items()}
            for name, values in law.marginals.items()
        },
    }
