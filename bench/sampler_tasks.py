"""Five frozen tasks on which samplers are compared, each with its exact law.

A task is an n-gram model, a grammar, a length and perhaps a checker. The model was trained (by counting, in
this file, from a seed) on texts of a *wider* language than the grammar's: values that only begin like an
allowed one, letters that the pattern forbids, members that the object does not have, items twice. So it
prefers texts that look valid and loses mass at nearly every token, often late, as a real model does.

Everything of the exact law is computed here, by dynamic programming over (last tokens of the text, state of a
byte automaton of our own, memory of the checker, tokens written); nothing of structgen.samplers is used. Its
results are kept, with digests of models and grammars, in sampler_tasks.json; tests/test_bench_samplers.py
compares them, and checks the programme itself against enumeration on shrunken tasks.

The tasks must not be changed: figures of different dates are comparable only as long as the digests agree.

    python bench/sampler_tasks.py            prints a summary of each task
    python bench/sampler_tasks.py --write    writes sampler_tasks.json (done once)
"""

from __future__ import annotations

import argparse
import json
import random
import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from hashlib import blake2b
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

import structgen as sg

FROZEN: Final = Path(__file__).with_suffix(".json")
LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"

Floats = npt.NDArray[np.float64]
Label = tuple[str, str]
"""A field and its value."""
Memory = Any
"""What a checker has to remember of a prefix; None where it has refused the prefix."""


# --- the byte automaton of a task ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Literal:
    """Fixed bytes."""

    text: bytes

    def start(self) -> Any:
        return 0

    def step(self, inner: Any, byte: int) -> tuple[Any, bool, str] | None:
        """Return the state behind a byte, whether the part is complete, and the value that has ended ("" for
        none); None where the byte is not allowed."""
        if self.text[inner] != byte:
            return None
        return inner + 1, inner + 1 == len(self.text), ""

    def labels(self, inner: Any, value: str) -> tuple[Label, ...]:
        """Return the fields that are known when a value has ended."""
        return ()

    def wide(self, habit: Habit) -> str:
        """Return a text that the model has seen in this place."""
        return self.text.decode()


@dataclass(frozen=True)
class Pick:
    """One of some values, and the quotation mark behind it."""

    field: str
    values: tuple[str, ...]

    def start(self) -> Any:
        return b""

    def step(self, inner: Any, byte: int) -> tuple[Any, bool, str] | None:
        read = inner + bytes((byte,))
        if read[-1:] == b'"' and read[:-1].decode() in self.values:
            return read, True, read[:-1].decode()
        if any(value.encode().startswith(read) for value in self.values):
            return read, False, ""
        return None

    def labels(self, inner: Any, value: str) -> tuple[Label, ...]:
        return ((self.field, value),)

    def wide(self, habit: Habit) -> str:
        return habit.value(self.field, self.values) + '"'


@dataclass(frozen=True)
class Words:
    """Letters and blanks, from `least` to `most` of them, and the quotation mark behind them."""

    field: str
    least: int
    most: int
    letters: str = LETTERS + " "

    def start(self) -> Any:
        return (0, "")

    def step(self, inner: Any, byte: int) -> tuple[Any, bool, str] | None:
        count, first = inner
        if byte == 0x22:
            return (inner, True, "x") if count >= self.least else None
        if chr(byte) not in self.letters or count == self.most:
            return None
        return (count + 1, first or chr(byte)), False, ""

    def labels(self, inner: Any, value: str) -> tuple[Label, ...]:
        count, first = inner
        return ((f"{self.field}.length", str(count)), (f"{self.field}.first", first))

    def wide(self, habit: Habit) -> str:
        return habit.words(self.field) + '"'


@dataclass(frozen=True)
class Items:
    """`least` to `most` strings out of `values`, divided by commas, and the bracket behind them."""

    field: str
    values: tuple[str, ...]
    least: int
    most: int

    def start(self) -> Any:
        return (0, b"")

    def step(self, inner: Any, byte: int) -> tuple[Any, bool, str] | None:
        count, read = inner
        read += bytes((byte,))
        if read == b"]":
            return ((count, read), True, "") if self.least <= count else None
        if count and read == b",":
            return ((count, read), False, "") if count < self.most else None
        item = read.removeprefix(b",") if count else read
        if count and read[:1] != b",":
            return None
        if item[-1:] == b'"' and item[1:-1].decode() in self.values and len(item) > 1:
            return (count + 1, b""), False, item[1:-1].decode()
        if any(f'"{value}"'.encode().startswith(item) for value in self.values):
            return (count, read), False, ""
        return None

    def labels(self, inner: Any, value: str) -> tuple[Label, ...]:
        count, read = inner
        if read == b"]":
            return ((f"{self.field}.count", str(count)),) if self.least < self.most else ()
        return ((f"{self.field}.{count - 1}", value),) if count <= self.least else ()

    def wide(self, habit: Habit) -> str:
        count = habit.count(self.field, self.least, self.most)
        items = habit.items(self.field, self.values, count)
        return ",".join(f'"{item}"' for item in items) + "]"


@dataclass(frozen=True)
class Digits:
    """So many digits, and the quotation mark behind them."""

    field: str
    count: int

    def start(self) -> Any:
        return (0, "")

    def step(self, inner: Any, byte: int) -> tuple[Any, bool, str] | None:
        count, _ = inner
        if byte == 0x22 and count == self.count:
            return (count, "end"), True, ""
        if 0x30 <= byte < 0x3A and count < self.count:
            return (count + 1, chr(byte)), False, chr(byte)
        return None

    def labels(self, inner: Any, value: str) -> tuple[Label, ...]:
        return ((f"{self.field}.{inner[0] - 1}", inner[1]),) if inner[1] != "end" else ()

    def wide(self, habit: Habit) -> str:
        return habit.digits(self.field, self.count) + '"'


Part = Literal | Pick | Words | Items | Digits


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
        chance = 0.5
        while True:
            before = found[-1] if found else name
            word = self.pick(SYLLABLES, "word", before) + self.pick(
                (*SYLLABLES, "", "", ""), "word", before, 2
            )
            fixed = self._fixed("odd", word[:2])
            if self.coin(self._wrong * fixed**6):
                word = self.pick((word.capitalize(), word + ".", word + "7", word + ", "), "odd", word[:2])
            found.append(word)
            if self.coin(chance + 0.4 * self._fixed("stop", word[-2:])):
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

    def digits(self, name: str, count: int) -> str:
        """Return digits, each by the one before it: too many or few at times."""
        found = ""
        short = self.coin(0.1 * self._wrong)
        for at in range(count + (short and (1 if self.coin(0.5) else -1))):
            if at > 1 and self.coin(self._wrong * self._fixed("dash", found[-1]) ** 5):
                found += self.pick("-xX ", "dash", found[-1])
            found += self.pick("0123456789", name, found[-1:], sharp=2.0)
        return found

    def tail(self, parts: Sequence[str]) -> str:
        """Return what stands behind the last member: with a chance that depends on that, more members."""
        if self.coin(self._wrong * self._fixed("tail", parts[-2][-4:]) ** 4):
            return ',"' + self.pick(SYLLABLES, "extra") + '":' + self.pick(("1", "2", '"x"'), "extra") + "}"
        return "}"


SYLLABLES: Final = tuple(
    "al am an ar bel ber cor da del en er fi gra in ka la lo mi "
    "na nor on or per ra ri sa sol ta ti vi".split()
)


# --- tasks --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Unique:
    """No item of the array comes twice. `early`: asked as soon as an item closes; else at the end alone."""

    early: bool
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fingerprint", f"unique:{self.early}")

    def copy(self) -> Unique:
        return self

    def viable(self, prefix: bytes) -> bool:
        """Return False where two items that have closed are equal."""
        if not self.early:
            return True
        found = _CLOSED.findall(prefix, prefix.find(b"[") + 1 or len(prefix))
        return len(set(found)) == len(found)

    def final(self, text: Any) -> bool:
        """Return whether the items of a text, or of its value, are different."""
        items = _value(text)["tags"]
        return len(set(items)) == len(items)

    # The same for the dynamic programme: a memory of a frozenset, or None.
    def first(self) -> Memory:
        return frozenset()

    def after(self, memory: Memory, value: str) -> Memory:
        if value in memory:
            return None if self.early else "twice"
        return memory | {value} if memory != "twice" else memory

    def good(self, memory: Memory) -> bool:
        return bool(memory != "twice")


@dataclass(frozen=True)
class Checksum:
    """The digits of `code`, with weights 3 and 1 by turns, add up to a multiple of `modulus`."""

    modulus: int
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fingerprint", f"checksum:{self.modulus}")

    def copy(self) -> Checksum:
        return self

    def viable(self, prefix: bytes) -> bool:
        return True

    def final(self, text: Any) -> bool:
        code = _value(text)["code"]
        return sum(int(digit) * (1 if at % 2 else 3) for at, digit in enumerate(code)) % self.modulus == 0

    def first(self) -> Memory:
        return (0, 0)

    def after(self, memory: Memory, value: str) -> Memory:
        if not value.isdigit():
            return memory
        total, at = memory
        return ((total + int(value) * (1 if at % 2 else 3)) % self.modulus, at + 1)

    def good(self, memory: Memory) -> bool:
        return bool(memory[0] == 0)


_CLOSED: Final = re.compile(rb'"([a-z]+)"')


def _value(text: Any) -> Any:
    return json.loads(text) if isinstance(text, (bytes, str)) else text


@dataclass(frozen=True)
class Task:
    """A model, a grammar, a length and a checker; what is costly is worked out when it is asked for."""

    name: str
    parts: tuple[Part, ...]
    schema: dict[str, Any]
    seed: int
    wrong: float
    order: int
    """Of the n-gram: 2 or 3 tokens."""
    max_tokens: int
    checker: Unique | Checksum | None = None
    noise: float = 0.006
    """The share of each row that is spread evenly over all tokens the model knows."""
    texts: int = 2000
    """How many texts the model was trained on."""
    pieces: int = 120
    """Tokens of more than one byte, at most."""

    # --- the model

    @cached_property
    def corpus(self) -> tuple[str, ...]:
        """The texts that the model was trained on."""
        habit = Habit(self.seed, self.wrong)
        found = []
        for _ in range(self.texts):
            habit._last = ""
            parts = [part.wide(habit) for part in self.parts[:-1]]
            found.append("".join(parts) + habit.tail(["", *parts, ""]))
        return tuple(found)

    @cached_property
    def tokens(self) -> tuple[bytes | None, ...]:
        """The vocabulary: 256 bytes, the pieces found most worth while in the corpus, and the end token."""
        counts: Counter[str] = Counter()
        for text in self.corpus[:1000]:
            for word in re.findall(
                r'[a-zA-Z]+|[0-9]{2}|["{}:,\[\]]+|[{,]"[a-z]+":[\["]?|"[,\]}"]+[a-z]*', text
            ):
                for size in range(2, min(len(word), 14) + 1):
                    counts[word[:size]] += size - 1
                counts[word] += 2 * len(word)
        likeliest = sorted(counts, key=lambda piece: (-counts[piece], piece))[: self.pieces]
        return (
            *(bytes((byte,)) for byte in range(256)),
            *(piece.encode() for piece in sorted(likeliest)),
            None,
        )

    @cached_property
    def tokenizer(self) -> sg.Tokenizer:
        return sg.Tokenizer.from_bytes(self.tokens, eos_token_id=self.end)

    @property
    def end(self) -> int:
        return len(self.tokens) - 1

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
        for text in self.corpus:
            raw, at, ids = text.encode(), 0, []
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

    @cached_property
    def _rows(self) -> dict[tuple[int, ...], Floats]:
        return {}

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

    @cached_property
    def _logs(self) -> dict[tuple[int, ...], Floats]:
        return {}

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
    def grammar(self) -> sg.Grammar:
        return sg.json_schema(self.schema, whitespace="compact")

    @cached_property
    def compiled(self) -> sg.CompiledGrammar:
        return sg.compile(self.grammar, self.tokenizer)

    @property
    def checkers(self) -> tuple[Any, ...]:
        return () if self.checker is None else (self.checker,)

    def fields(self, text: str) -> dict[str, str]:
        """Return the fields of a valid text, by reading it as JSON."""
        return _fields(self, text)

    @cached_property
    def law(self) -> Law:
        return Law(self)

    def digest(self) -> str:
        """Return what changes whenever the task does: vocabulary, counts, schema, length, checker."""
        said = [
            [token.hex() if token is not None else None for token in self.tokens],
            sorted((list(context), sorted(seen.items())) for context, seen in self.counts.items()),
            self.schema,
            self.order,
            self.noise,
            self.max_tokens,
            self.checker.fingerprint if self.checker else "",
        ]
        return blake2b(json.dumps(said, sort_keys=True).encode(), digest_size=16).hexdigest()


@lru_cache(maxsize=200_000)
def _fields_of(parts: tuple[Part, ...], text: str) -> tuple[Label, ...]:
    value = json.loads(text)
    found: list[Label] = []
    for part in parts:
        if isinstance(part, Pick):
            found.append((part.field, value[part.field]))
        elif isinstance(part, Words):
            said = value[part.field]
            found += [(f"{part.field}.length", str(len(said))), (f"{part.field}.first", said[0])]
        elif isinstance(part, Items):
            items = value[part.field]
            found += [(f"{part.field}.{at}", items[at]) for at in range(part.least)]
            if part.least < part.most:
                found.append((f"{part.field}.count", str(len(items))))
        elif isinstance(part, Digits):
            found += [(f"{part.field}.{at}", digit) for at, digit in enumerate(value[part.field])]
    return tuple(found)


def _fields(task: Task, text: str) -> dict[str, str]:
    return dict(_fields_of(task.parts, text))


# --- the exact law ------------------------------------------------------------------------------------------


class Law:
    """The exact law of a task, and that of masking, by a forward and a backward pass.

    A node is (the last tokens, the automaton's state, the checker's memory); layer t has the nodes behind t
    tokens. All that is checked by an end token alone is in the end's probability.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._moves: dict[Any, list[tuple[int, Any, tuple[Label, ...]]]] = {}
        self._build()
        most = task.max_tokens
        target = self._passes(self._prob, self._end_good, [self._prob] * most)
        self.z, self.marginals, self.length = target[0], target[1], target[2]
        self.h: list[Floats] = target[3]
        """h of each node, by the tokens written."""
        mass = self._mass
        masked = self._prob / np.where(mass > 0, mass, 1)[self._source]
        last_mass = self._last_mass
        last = np.where(self._is_last, self._prob / np.where(last_mass > 0, last_mass, 1)[self._source], 0.0)
        self._masked_end = [
            *([np.divide(self._end_good, mass, out=np.zeros_like(mass), where=mass > 0)] * (most - 1)),
            np.divide(self._end_good, last_mass, out=np.zeros_like(mass), where=last_mass > 0),
            (self._end_good > 0).astype(np.float64),
        ]
        biased = self._passes(masked, self._masked_end, [*([masked] * (most - 1)), last])
        self.masked_z, self.masked_marginals, self.masked_length = biased[0], biased[1], biased[2]

    def _next(self, state: Any) -> list[tuple[int, Any, tuple[Label, ...]]]:
        """Return the tokens that the grammar allows behind a state, each with the state behind it (its memory
        is None where the checker refuses it) and the fields that have ended."""
        found = self._moves.get(state)
        if found is None:
            found = []
            for token in self._task.alive:
                text = self._task.tokens[token]
                if text is not None and (moved := self._read(state, text)) is not None:
                    found.append((int(token), *moved))
            self._moves[state] = found
        return found

    def _read(self, state: Any, text: bytes) -> tuple[Any, tuple[Label, ...]] | None:
        at, inner, memory = state
        parts, checker = self._task.parts, self._task.checker
        labels: list[Label] = []
        refused = False
        for byte in text:
            if at == len(parts) or (moved := parts[at].step(inner, byte)) is None:
                return None
            inner, complete, value = moved
            labels += parts[at].labels(inner, value) if value or complete else ()
            if checker is not None and value and not refused:
                memory = checker.after(memory, value)
                refused = memory is None
            if complete:
                at += 1
                inner = parts[at].start() if at < len(parts) else 0
        return (at, inner, None if refused else memory), tuple(labels)

    def _is_complete(self, state: Any) -> bool:
        return bool(state[0] == len(self._task.parts))

    def _build(self) -> None:
        task = self._task
        memory = task.checker.first() if task.checker else 0
        start = ((), (0, task.parts[0].start(), memory))
        number = {start: 0}
        nodes = [start]
        source, target, tokens, prob, is_last = [], [], [], [], []
        labels: list[tuple[Label, ...]] = []
        good, mass = [], []
        last_mass = []
        at = 0
        while at < len(nodes):
            context, state = nodes[at]
            row = task.probabilities(context)
            complete = self._is_complete(state)
            end = float(row[task.end]) if complete else 0.0
            total = last = end
            for token, after, said in self._next(state):
                p = float(row[token])
                if not p:
                    continue
                total += p
                last += p * self._is_complete(after)
                if after[2] is None:
                    continue
                node = ((*context, token)[1 - task.order :], after)
                if node not in number:
                    number[node] = len(nodes)
                    nodes.append(node)
                source.append(at)
                target.append(number[node])
                tokens.append(token)
                prob.append(p)
                is_last.append(self._is_complete(after))
                labels.append(said)
            good.append(end if complete and (task.checker is None or task.checker.good(state[2])) else 0.0)
            mass.append(total)
            last_mass.append(last)
            at += 1
        self.nodes = nodes
        self._source, self._target = np.array(source), np.array(target)
        self._tokens, self._prob = np.array(tokens), np.array(prob)
        self._is_last, self._labels = np.array(is_last, np.bool_), labels
        self._end_good, self._mass = np.array(good), np.array(mass)
        """The end's probability where the text is valid, and the mass that the grammar allows: tokens that
        the checker refuses are among it, as a mask knows nothing of them."""
        self._last_mass = np.array(last_mass)
        """The same one token before the last, where the mask leaves what completes the text alone."""

    def _passes(
        self, prob: Floats, end: Any, probs: list[Floats]
    ) -> tuple[float, dict[str, dict[str, float]], float, list[Floats]]:
        """Return the mass of valid texts, the marginals of fields, the mean length with the end token, and
        the backward masses."""
        most, count = self._task.max_tokens, len(self.nodes)
        ends = end if isinstance(end, list) else [end] * (most + 1)
        backward = [np.zeros(count)] * (most + 1)
        backward[most] = ends[most]
        for t in range(most - 1, -1, -1):
            onward = np.bincount(self._source, probs[t] * backward[t + 1][self._target], count)
            backward[t] = ends[t] + onward
        z = float(backward[0][0])
        forward = np.zeros(count)
        forward[0] = 1.0
        flow = np.zeros(len(self._source))
        length = 0.0
        for t in range(most + 1):
            length += (t + 1) * float(forward @ ends[t])
            if t < most:
                moved = forward[self._source] * probs[t]
                flow += moved * backward[t + 1][self._target]
                forward = np.bincount(self._target, moved, count)
        marginals: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        for edge in np.flatnonzero(flow):
            for name, value in self._labels[edge]:
                marginals[name][value] += float(flow[edge]) / z
        found = {name: dict(sorted(values.items())) for name, values in sorted(marginals.items())}
        return z, found, length / z, backward

    @cached_property
    def prefixes(self) -> float:
        """The number of prefixes, as tokens, from which the model may still write a valid text."""
        count = np.zeros(len(self.nodes))
        count[0] = total = 1.0
        for t in range(self._task.max_tokens):
            count = np.bincount(self._target, count[self._source], len(count)) * (self.h[t + 1] > 0)
            total += float(count.sum())
        return total

    @cached_property
    def _edges(self) -> npt.NDArray[np.int64]:
        """The first edge of each node; edges are in the order of their sources."""
        return np.searchsorted(self._source, np.arange(len(self.nodes) + 1))

    @cached_property
    def _sums(self) -> dict[tuple[int, int], Floats]:
        return {}

    def draw(self, count: int, seed: int) -> list[tuple[int, ...]]:
        """Return independent draws from the target, exactly: token sequences. What an ideal sampler gives."""
        draws = random.Random(seed)
        return [self._draw(draws) for _ in range(count)]

    def _draw(self, draws: random.Random) -> tuple[int, ...]:
        node, tokens = 0, []
        while True:
            t = len(tokens)
            begin, end = int(self._edges[node]), int(self._edges[node + 1])
            sums = self._sums.get((t, node))
            if sums is None:
                masses = np.zeros(end - begin)
                if t < self._task.max_tokens:
                    masses = self._prob[begin:end] * self.h[t + 1][self._target[begin:end]]
                sums = self._sums[t, node] = np.cumsum(np.append(self._end_good[node], masses))
            edge = int(np.searchsorted(sums, draws.random() * sums[-1], side="right"))
            if edge == 0:
                return tuple(tokens)
            edge = begin + min(edge, end - begin) - 1
            tokens.append(int(self._tokens[edge]))
            node = int(self._target[edge])


def field_error(marginals: dict[str, dict[str, float]], found: dict[str, dict[str, float]]) -> float:
    """Return the mean over fields of the total variation between exact and found marginals; a field of which
    nothing was found counts 1."""
    total = 0.0
    for name, exact in marginals.items():
        other = found.get(name, {})
        if not other:
            total += 1.0
            continue
        total += sum(abs(exact.get(v, 0.0) - other.get(v, 0.0)) for v in {*exact, *other}) / 2
    return total / len(marginals)


def weighted_marginals(
    task: Task, texts: Sequence[str], weights: Sequence[float] | Floats
) -> dict[str, dict[str, float]]:
    """Return the fields' marginals of weighted texts; the weights' sum is taken as 1."""
    found: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    total = float(np.sum(weights)) if len(weights) else 0.0
    for text, weight in zip(texts, weights, strict=True):
        for name, value in task.fields(text).items():
            found[name][value] += float(weight) / total
    return found


# --- the five -----------------------------------------------------------------------------------------------


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _names(seed: int, count: int, parts: int = 3) -> tuple[str, ...]:
    """Return different words of two or three syllables, many of which begin alike."""
    draws, found = random.Random(seed), dict[str, None]()
    first = [SYLLABLES[int(draws.random() * len(SYLLABLES))] for _ in range(max(2, count // 2))]
    while len(found) < count:
        word = first[int(draws.random() * len(first))]
        for _ in range(1 + int(draws.random() * (parts - 1))):
            word += SYLLABLES[int(draws.random() * len(SYLLABLES))]
        if not any(word.startswith(other) or other.startswith(word) for other in found):
            found[word] = None
    return tuple(found)


def _enum() -> Task:
    names = ("color", "size", "shape", "mood", "place", "trade")
    values = {name: _names(100 + at, 8) for at, name in enumerate(names)}
    parts: list[Part] = []
    for at, name in enumerate(names):
        parts += [Literal(f'{"{" if not at else ","}"{name}":"'.encode()), Pick(name, values[name])]
    parts.append(Literal(b"}"))
    schema = _object(**{name: {"enum": list(values[name])} for name in names})
    return Task("enum", tuple(parts), schema, seed=11, wrong=1.0, order=3, max_tokens=48)


def _free() -> Task:
    kinds = ("mineral", "metal", "animal", "plant")
    parts = (
        Literal(b'{"name":"'),
        Words("name", 1, 10),
        Literal(b',"kind":"'),
        Pick("kind", kinds),
        Literal(b',"note":"'),
        Words("note", 1, 12),
        Literal(b"}"),
    )
    schema = _object(
        name={"type": "string", "pattern": "^[a-z ]{1,10}$"},
        kind={"enum": list(kinds)},
        note={"type": "string", "pattern": "^[a-z ]{1,12}$"},
    )
    return Task("free-text", parts, schema, seed=22, wrong=0.6, order=2, max_tokens=22)


def _tags(name: str, seed: int, count: int, least: int, most: int, *, early: bool, wrong: float) -> Task:
    values = _names(seed, count, 2)
    kinds = ("new", "old", "lent")
    parts = (
        Literal(b'{"kind":"'),
        Pick("kind", kinds),
        Literal(b',"tags":['),
        Items("tags", values, least, most),
        Literal(b"}"),
    )
    schema = _object(
        kind={"enum": list(kinds)},
        tags={"type": "array", "items": {"enum": list(values)}, "minItems": least, "maxItems": most},
    )
    return Task(name, parts, schema, seed=seed, wrong=wrong, order=3, max_tokens=40, checker=Unique(early))


def _checksum() -> Task:
    kinds = ("book", "disc", "map", "print")
    parts = (
        Literal(b'{"kind":"'),
        Pick("kind", kinds),
        Literal(b',"code":"'),
        Digits("code", 6),
        Literal(b"}"),
    )
    schema = _object(kind={"enum": list(kinds)}, code={"type": "string", "pattern": "^[0-9]{6}$"})
    return Task("checksum", parts, schema, seed=55, wrong=1.0, order=3, max_tokens=24, checker=Checksum(10))


@lru_cache(maxsize=1)
def tasks() -> dict[str, Task]:
    """Return the five tasks by name."""
    found = (
        _enum(),
        _free(),
        _tags("unique-per-item", 35, 8, 4, 4, early=True, wrong=1.8),
        _tags("unique-at-end", 44, 8, 2, 4, early=False, wrong=1.0),
        _checksum(),
    )
    return {task.name: task for task in found}


def shrunken() -> dict[str, Task]:
    """Return the five tasks with so few values and tokens that they can be enumerated."""
    few = {"texts": 300, "pieces": 30, "noise": 0.02}
    parts_enum = (
        Literal(b'{"a":"'),
        Pick("a", ("al", "am")),
        Literal(b',"b":"'),
        Pick("b", ("x", "alo")),
        Literal(b"}"),
    )
    parts_free = (Literal(b'{"a":"'), Words("a", 1, 3, "ab "), Literal(b"}"))
    parts_tags = (Literal(b'{"tags":['), Items("tags", ("al", "b", "am"), 2, 2), Literal(b"}"))
    parts_end = (Literal(b'{"tags":['), Items("tags", ("al", "b"), 1, 2), Literal(b"}"))
    parts_sum = (Literal(b'{"code":"'), Digits("code", 2), Literal(b"}"))
    items: dict[str, Any] = {
        "type": "array",
        "items": {"enum": ["al", "b", "am"]},
        "minItems": 2,
        "maxItems": 2,
    }
    ends: dict[str, Any] = {"type": "array", "items": {"enum": ["al", "b"]}, "minItems": 1, "maxItems": 2}
    full = tasks()
    return {
        "enum": replace(
            full["enum"],
            parts=parts_enum,
            schema=_object(a={"enum": ["al", "am"]}, b={"enum": ["x", "alo"]}),
            max_tokens=9,
            **few,
        ),
        "free-text": replace(
            full["free-text"],
            parts=parts_free,
            schema=_object(a={"type": "string", "pattern": "^[ab ]{1,3}$"}),
            max_tokens=7,
            **few,
        ),
        "unique-per-item": replace(
            full["unique-per-item"], parts=parts_tags, schema=_object(tags=items), max_tokens=8, **few
        ),
        "unique-at-end": replace(
            full["unique-at-end"], parts=parts_end, schema=_object(tags=ends), max_tokens=8, **few
        ),
        "checksum": replace(
            full["checksum"],
            parts=parts_sum,
            schema=_object(code={"type": "string", "pattern": "^[0-9]{2}$"}),
            max_tokens=7,
            checker=Checksum(5),
            **few,
        ),
    }


def frozen(task: Task, *, exact: bool = True) -> dict[str, Any]:
    """Return what sampler_tasks.json keeps of a task; without `exact`, what takes no dynamic programme."""
    found: dict[str, Any] = {
        "digest": task.digest(),
        "tokens": len(task.tokens),
        "max_tokens": task.max_tokens,
    }
    if exact:
        law = task.law
        found |= {
            "z": float(f"{law.z:.12g}"),
            "prefixes": float(f"{law.prefixes:.6g}"),
            "mean_rows": round(law.length, 6),
            "masking_mean_rows": round(law.masked_length, 6),
            "masking_error": round(field_error(law.marginals, law.masked_marginals), 9),
            "marginals": {
                name: {value: float(f"{p:.12g}") for value, p in values.items()}
                for name, values in law.marginals.items()
            },
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="write sampler_tasks.json")
    options = parser.parse_args()
    found = {name: frozen(task) for name, task in tasks().items()}
    for name, said in found.items():
        print(f"{name}: " + ", ".join(f"{key} {value}" for key, value in said.items() if key != "marginals"))
    if options.write:
        FROZEN.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
