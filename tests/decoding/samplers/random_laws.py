"""Random laws by seed, in eight families, with answers that are worked out exactly: for tests, and for the
bench of intervals (bench/bench_intervals.py). Nothing here knows how an interval is made.

    regexes     random patterns, and a model whose next token is random in the last two tokens and the length
    tiny        those with a Z of about 1e-4; the first is a known one of 16 texts
    rare        a first token that is seldom drawn, behind which nearly all the mass is
    flat        thousands of texts of like masses
    deep        up to 5^14 texts, too many to list: solved by dynamic programming
    choices     lists of 5 to 4,000 texts, the masses by Zipf's law
    few         one text, or two
    constant    laws of other families, and functions that are constant or have a tiny variance

In about half of the laws a checker accepts a part of the texts. The model also gives mass to tokens that no
text has there, so that masking is another law. Laws differ in how the draws are made, too (`WAYS`).
"""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import numpy as np

import structgen as sg

Row = Callable[[tuple[int, ...]], np.ndarray]
"""Log-probabilities of the next token, float64 [V], after some tokens; that of the end is the last."""

LETTERS: Final = "abcdefghijklmnopqrstuvwxyzABCD"
NEVER: Final = b"~"
"""A token that no text has."""
VOCABULARY: Final = b'a b c d ab bc x cd aa 1 2 ( ) , " [ ]'.split()
"""The tokens of patterns: texts have several tokenisations."""
WAYS: Final = ("function", "engine", "narrow", "resumed")
"""How draws are made: from a function, walk by walk; from an engine, 32 walks side by side; with a tree that
keeps three tokens of each prefix; with the tree of an earlier run, whose texts this run has not seen."""
TREES: Final = ("auto", "cars", "importance", "raj", "asap")
"""Methods that take a tree."""


class Accepted:
    """A checker that knows whole texts, or beginnings of a length."""

    def __init__(self, name: str, accepts: Callable[[str], bool], length: int = 0) -> None:
        self._accepts, self._length, self.fingerprint = accepts, length, name

    def copy(self) -> Accepted:
        return self

    def viable(self, prefix: bytes) -> bool:
        """A prefix of the length of the beginnings tells; whole texts (length 0) tell at their end."""
        return (
            not self._length or len(prefix) < self._length or self._accepts(prefix[: self._length].decode())
        )

    def final(self, text: str) -> bool:
        return self._accepts(text[: self._length] if self._length else text)


class Question(NamedTuple):
    """A function of a value, or a path, and its true mean and standard deviation."""

    kind: str
    """ "share" for a function that returns bools, else "mean"."""
    function: Callable[[Any], Any] | str
    range: tuple[float, float] | None
    """None for a function that returns bools, and for a path, whose range the schema gives."""
    size: float
    """The width of the range."""
    mean: float
    deviation: float


class TableModel:
    """A model of the engine whose cache is the tokens behind the prompt."""

    context = 1 << 20

    def __init__(self, row: Row, vocab_size: int) -> None:
        self._row, self.vocab_size = row, vocab_size

    def prefill(self, tokens: Sequence[int]) -> tuple[np.ndarray, WrittenTokens]:
        return self._row(()), WrittenTokens(())

    def decode(self, tokens: Sequence[int], caches: Sequence[WrittenTokens]) -> np.ndarray:
        for token, cache_ in zip(tokens, caches, strict=True):
            cache_.tokens = (*cache_.tokens, token)
        return np.array([self._row(cache_.tokens) for cache_ in caches])


@dataclass
class WrittenTokens:
    """What `TableModel` has read behind the prompt."""

    tokens: tuple[int, ...]
    nbytes = 64

    def copy(self) -> WrittenTokens:
        return WrittenTokens(self.tokens)


@dataclass(eq=False)
class Law:
    """A model, a grammar, perhaps a checker, and the true figures."""

    family: str
    seed: int
    compiled: sg.CompiledGrammar
    row: Row
    max_tokens: int
    checker: Accepted | None
    z: float
    masses: dict[str, float]
    """The probability of each text under the target. A law of too many texts has one for all texts that the
    questions do not tell apart."""
    is_listed: bool = True
    """Whether `masses` has all the texts."""
    is_json: bool = False
    """Whether values are those of JSON texts. `masses` then has the texts that `json.dumps` writes."""
    way: str = "function"
    questions: dict[str, Question] = field(default_factory=dict)

    def __post_init__(self) -> None:
        firsts: dict[str, float] = {}
        for text, mass in self.masses.items():
            firsts[text[:1]] = firsts.get(text[:1], 0.0) + mass
        self.first = max(firsts, key=lambda letter: firsts[letter])
        self.longest = max(map(len, self.masses))
        self.ask("letter", has_a)
        self.ask("first", lambda text: text[:1] == self.first)
        self.ask("last", lambda text: text[-1:] == "b")
        if self.is_listed:
            likeliest = max(self.masses, key=lambda text: self.masses[text])
            self.ask("likeliest", lambda text: text == likeliest)
        self.ask("length", len, (0, self.longest))
        self.ask("letters", lambda text: text.count("a"), (0, self.longest))

    def ask(
        self, name: str, function: Callable[[str], Any], bounds: tuple[float, float] | None = None
    ) -> None:
        """Add a question."""
        kind, size = ("share", 1.0) if bounds is None else ("mean", float(bounds[1] - bounds[0]))
        self.questions[name] = Question(kind, self.of_text(function), bounds, size, *self.moments(function))

    def ask_path(self, path: str, size: float) -> None:
        """Ask for the number at a key of a JSON object. `size`: the width of its range in the schema."""
        moments = self.moments(lambda text: json.loads(text)[path])
        self.questions[path] = Question("mean", path, None, size, *moments)

    def of_text(self, function: Callable[[str], Any]) -> Callable[[Any], Any]:
        """Return a function of a text as one of a value."""
        return (lambda value: function(json.dumps(value))) if self.is_json else function

    def moments(self, function: Callable[[str], Any]) -> tuple[float, float]:
        """Return the mean of a function of a text, and its standard deviation."""
        values, masses = np.array([float(function(text)) for text in self.masses]), [*self.masses.values()]
        mean = float(values @ masses)
        return mean, math.sqrt(float((values - mean) ** 2 @ masses))

    def __str__(self) -> str:
        return f"{self.family} {self.seed}"

    @property
    def tokenizer(self) -> sg.Tokenizer:
        return self.compiled.tokenizer

    @cached_property
    def median(self) -> tuple[int, int]:
        """The least and the greatest length that at least half of the mass is not above, and not below."""
        lengths = np.zeros(self.longest + 1)
        for text, mass in self.masses.items():
            lengths[len(text)] += mass
        below = np.cumsum(lengths)
        return int(np.searchsorted(below, 0.5 - 1e-9)), int(np.searchsorted(below, 0.5 + 1e-9))

    @cached_property
    def _engine(self) -> sg.Engine:
        model: Any = TableModel(self.row, self.tokenizer.vocab_size)
        return sg.Engine(model, self.tokenizer)

    def sample(self, method: str, n: int, run: int = 0, **options: Any) -> sg.Samples[str]:
        """Return the draws of a run. Its random numbers are those of no other law, n or run: else their
        errors would be alike."""
        shared: dict[str, Any] = {
            "max_tokens": self.max_tokens,
            "checkers": [] if self.checker is None else [self.checker],
            "name": str(self),
        }
        model: Any = self._engine
        if self.way != "engine":
            model, shared["tokenizer"] = lambda ids: self.row(tuple(ids[1:])), self.tokenizer
        numbers = np.random.SeedSequence([*str(self).encode(), n, run]).generate_state(2, np.uint64)
        if method in TREES and self.way in ("narrow", "resumed"):
            shared["tree"] = sg.samplers.PrefixTree(kept=3 if self.way == "narrow" else 64)
            if self.way == "resumed":
                seed = int(numbers[1])
                sg.sample(model, [0], self.compiled, 8, method="importance", seed=seed, **shared)
        asked = {"seed": int(numbers[0])} | shared | options
        return sg.sample(model, [0], self.compiled, n, method=method, **asked)


def has_a(text: str) -> bool:
    """A question that all laws have."""
    return "a" in text


def laws(first: int, count: int, families: Sequence[str] = ()) -> list[Law]:
    """Return `count` laws of each family, by seeds from `first` on. A seed that gives no law is passed over:
    too few or too many texts, or too little mass for draws. The first tiny one is that of `NAMED`."""
    found = []
    for family in families or FAMILIES:
        seeds = itertools.chain([0] if family == "tiny" else [], itertools.count(first + 1))
        found += itertools.islice(filter(None, map(FAMILIES[family], seeds)), count)
    for law in found:
        law.way = WAYS[random.Random(f"way {law}").randrange(len(WAYS))]
    return found


def probabilities(
    compiled: sg.CompiledGrammar, row: Row, max_tokens: int, most: int = 60_000
) -> dict[tuple[int, ...], float] | None:
    """Return P(tokens, end) of each token sequence of a grammar; None where more than `most` prefixes have
    mass."""
    ends = [*compiled.tokenizer.eos_token_ids]
    found, waiting, met = {}, [(compiled.start, (), 1.0)], 0
    while waiting:
        state, tokens, mass = waiting.pop()
        met += 1
        if met > most:
            return None
        following = np.exp(row(tokens))
        if compiled.accepts_end(state) and following[ends].any():
            found[tokens] = mass * float(following[ends].sum())
        if len(tokens) == max_tokens:
            continue
        for token in compiled.allowed(state):
            if token not in ends and following[token]:
                after = compiled.step(state, token)
                assert after is not None
                waiting.append((after, (*tokens, token), mass * float(following[token])))
    return found


def law_of(
    family: str,
    seed: int,
    compiled: sg.CompiledGrammar,
    row: Row,
    max_tokens: int,
    checker: Accepted | None = None,
    most: int = 60_000,
    is_json: bool = False,
) -> Law | None:
    """Return the law of a grammar, its texts listed; None where there are too many, or none."""
    found = probabilities(compiled, row, max_tokens, most)
    if not found:
        return None
    masses: dict[str, float] = {}
    for tokens, mass in found.items():
        text = compiled.tokenizer.decode(tokens).decode()
        text = json.dumps(json.loads(text, parse_float=_number)) if is_json else text
        if checker is None or checker.final(text):
            masses[text] = masses.get(text, 0.0) + mass
    z = sum(masses.values())
    if not z:
        return None
    shares = {text: mass / z for text, mass in masses.items()}
    return Law(family, seed, compiled, row, max_tokens, checker, z, shares, is_json=is_json)


def _number(text: str) -> float:
    """Return a number of a JSON text: 9.0 is the integer 9, as values of draws have it."""
    return int(float(text)) if float(text).is_integer() else float(text)


def hashed(name: object, sharp: float, bias: float) -> Row:
    """Return a model whose next token depends on the last two tokens and the length: normal logits, `sharp`
    their deviation. The end gets likelier with the length; at `bias` tokens it is as likely as another."""

    @cache
    def after(context: tuple[int, ...]) -> np.ndarray:
        digest = blake2b(repr((name, context)).encode(), digest_size=6).digest()
        row = np.random.default_rng(int.from_bytes(digest, "big")).normal(size=len(VOCABULARY) + 1) * sharp
        row[-1] += context[-1] - bias
        return row - np.logaddexp.reduce(row)

    return lambda tokens: after((*tokens[-2:], len(tokens)))


CHECKERS: Final[dict[str, Callable[[str], bool]]] = {
    "even": lambda text: text.count("a") % 2 == 0,
    "no bb": lambda text: "bb" not in text,
    "ends meet": lambda text: text[:1] == text[-1:] != "",
    "has c": lambda text: "c" in text,
}
_TOKENIZER: Final = sg.Tokenizer.from_bytes([*VOCABULARY, None], eos_token_id=len(VOCABULARY))


def _checker(chance: random.Random) -> Accepted | None:
    name = chance.choice([*CHECKERS, "", "", ""])
    return Accepted(name, CHECKERS[name]) if name else None


def _pattern(chance: random.Random, depth: int) -> str:
    kind = chance.randrange(6) if depth else 0
    if kind == 0:
        return chance.choice(["a", "b", "c", "d", "ab", "bc", "[ab]", "[a-d]", "(aa|b)"])
    inner = _pattern(chance, depth - 1)
    if kind <= 3:
        after = _pattern(chance, depth - 1)
        return f"({inner}|{after})" if kind == 3 else inner + after
    return f"({inner})" + ("?" if kind == 5 else f"{{1,{chance.choice([2, 3])}}}")


def _compiled(pattern: str) -> sg.CompiledGrammar:
    return sg.compile(sg.regex(pattern), _TOKENIZER, store=False)


def _regexes(seed: int, family: str = "regexes", least: int = 12) -> Law | None:
    chance = random.Random(f"{family} {seed}")
    compiled = _compiled(_pattern(chance, 3))
    row = hashed(f"{family} {seed}", chance.choice([0.5, 1.0, 1.5, 2.2]), chance.choice([1, 2, 3]))
    found = law_of(family, seed, compiled, row, chance.choice([3, 4, 5]), _checker(chance))
    return found if found and len(found.masses) >= least and found.z > 1e-5 else None


NAMED: Final = "((aa|b)[ab][ab](aa|b)|(d)?a)"
"""Z is 1.9e-4. A rule that looks at drawn weights gave an interval of the mean length that held in 1 of 57
runs."""


def _tiny(seed: int) -> Law | None:
    """Seed 0 is the named one."""
    if seed == 0:
        return law_of("tiny", 0, _compiled(NAMED), hashed((7770030, "x"), 1.5, 2), 3)
    found = _regexes(seed, "tiny")
    return found if found and 3e-5 < found.z < 3e-4 else None


def _rare(seed: int, family: str = "rare") -> Law | None:
    """The first token b is seldom drawn; what follows it is nearly always valid, and what follows the others
    nearly never."""
    chance = random.Random(f"{family} {seed}")
    share, base = chance.choice([0.002, 0.005, 0.01, 0.02, 0.03]), hashed(f"{family} {seed}", 1.0, 2)
    lost, sharp = [chance.choice([1, 2, 3]) for _ in range(3)], chance.choice([0.5, 1.0])

    @cache
    def row(tokens: tuple[int, ...]) -> np.ndarray:
        found = sharp * base(tokens)
        if not tokens:
            found[1] = math.log(share) + np.logaddexp.reduce(np.delete(found, 1))
        elif tokens[0] == 1:
            found[[1, 2, 3, -1]] += 6
        else:
            found[6:-1] += lost[len(tokens) % 3]
        return found - np.logaddexp.reduce(found)

    checker = _checker(chance) if chance.random() < 0.3 else None
    return law_of(family, seed, _compiled("(a|c|d)[a-d]{1,3}|b[bcd]{1,3}"), row, 4, checker)


def _flat(seed: int, family: str = "flat") -> Law | None:
    chance = random.Random(f"{family} {seed}")
    patterns = "[a-d]{2,6} ([a-d]|x){2,5} [a-dx12]{1,5} ([ab]|cd|aa){3,6} (a|b|c|ab|x){2,6}".split()
    row = hashed(f"{family} {seed}", chance.choice([0.3, 0.5, 0.8]), chance.choice([3, 4]))
    compiled, length = _compiled(chance.choice(patterns)), chance.choice([4, 5])
    found = law_of(family, seed, compiled, row, length, _checker(chance))
    return found if found and len(found.masses) >= 1000 else None


def _deep(seed: int, lengths: Sequence[int] = (6, 8, 10, 14)) -> Law:
    """Texts over five letters, of up to 14. The next letter depends on the last one and the length. At some
    prefixes (`trap`) nearly all mass is lost.

    The figures are sums over the classes of texts of one first letter, last letter, number of a's and length.
    """
    chance, alphabet = np.random.default_rng([seed, 5]), "abcdx"
    longest = int(chance.choice(lengths))
    least = int(chance.choice([1, 2, longest - 2]))
    kept, trap = chance.choice([0.99, 0.95, 0.9, 0.8, 0.6]), chance.choice([0.0, 0.1, 0.25])
    sharp = chance.choice([0.5, 1.0, 1.5])

    def after(length: int) -> np.ndarray:
        row = chance.normal(size=6) * sharp
        row[5] += 0.6 * (length - longest / 2)
        if length == longest:
            row[:5] = -np.inf
        if length < least:
            row[5] = -np.inf
        found = np.exp(row - row.max())
        return found / found.sum() * (chance.choice([0.02, 0.1, 0.3]) if chance.random() < trap else kept)

    rows = [[after(length) for _ in range(5 if length else 1)] for length in range(longest + 1)]
    masses: dict[str, float] = {}
    classes = np.zeros((5, 5, longest + 1))  # by the first letter, the last letter and the number of a's
    for letter in range(5):
        classes[letter, letter, int(letter == 0)] = rows[0][0][letter]
    for length in range(1, longest + 1):
        following = np.zeros_like(classes)
        for first, last, count in np.argwhere(classes).tolist():
            mass, row = classes[first, last, count], rows[length][last]
            if row[5]:
                masses[_text_of(alphabet[first], alphabet[last], count, length)] = float(mass * row[5])
            for letter in range(5):
                if row[letter]:
                    following[first, letter, count + (letter == 0)] += mass * row[letter]
        classes = following
    z = sum(masses.values())

    @cache
    def logs(length: int, last: int) -> np.ndarray:
        row = rows[length][last]
        with np.errstate(divide="ignore"):
            return np.log([*row[:5], max(1 - row.sum(), 0.0), row[5]])

    tokens = [*(letter.encode() for letter in alphabet), NEVER, None]
    tokenizer = sg.Tokenizer.from_bytes(tokens, eos_token_id=len(tokens) - 1)
    compiled = sg.compile(sg.regex(f"[{alphabet}]{{{least},{longest}}}"), tokenizer, store=False)
    shares = {text: mass / z for text, mass in masses.items()}
    return Law(
        "deep",
        seed,
        compiled,
        lambda tokens: logs(len(tokens), tokens[-1] if tokens else 0),
        longest,
        None,
        z,
        shares,
        is_listed=False,
    )


def _text_of(first: str, last: str, count: int, length: int) -> str:
    """Return a text with a first letter, a last one, a number of a's and a length."""
    if length == 1:
        return first
    inner = count - (first == "a") - (last == "a")
    return first + "a" * inner + "x" * (length - 2 - inner) + last


def _choices(seed: int, family: str = "choices", most: int = 4000) -> Law | None:
    """A list of texts of 2 to 30 letters. Either the texts have masses by Zipf's law, with an exponent from 0
    to 2.5, or the letters after each prefix have."""
    chance = np.random.default_rng([seed, most, 2026])
    alphabet = LETTERS[: round(math.exp(chance.uniform(math.log(2), math.log(30))))]
    count = round(math.exp(chance.uniform(math.log(min(5, most / 2)), math.log(most))))
    texts = _texts(chance, alphabet, count)
    tokens = [*(letter.encode() for letter in alphabet), NEVER, None]
    tokenizer = sg.Tokenizer.from_bytes(tokens, eos_token_id=len(tokens) - 1)
    rows = _rows(chance, alphabet, texts)
    masses = {}
    for text in texts:
        ids = [alphabet.index(letter) for letter in text]
        steps = (rows[tuple(ids[:at])][one] for at, one in enumerate(ids))
        masses[text] = float(math.prod(steps) * rows[tuple(ids)][-1])
    checker = _part(chance, masses, f"{family} {seed}")
    masses = {text: mass for text, mass in masses.items() if checker is None or checker.final(text)}
    z = sum(masses.values())
    if z < 1e-4:
        return None

    def row(tokens: tuple[int, ...]) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.log(rows[tokens])

    compiled = sg.compile(sg.choice(texts), tokenizer, store=False)
    shares = {text: mass / z for text, mass in masses.items()}
    return Law(family, seed, compiled, row, max(map(len, texts)), checker, z, shares)


def _texts(chance: np.random.Generator, alphabet: str, count: int) -> list[str]:
    """Return different random texts, of lengths that have room for twice as many."""
    many, longest = len(alphabet), 1
    while sum(many**length for length in range(1, longest + 1)) < 2 * count:
        longest += 1
    longest += int(chance.integers(0, 3))
    found: dict[str, None] = {}
    while len(found) < count:
        length = chance.integers(1, longest + 1) if chance.random() < 0.5 else longest
        found["".join(chance.choice(list(alphabet), length))] = None
    return list(found)


def _rows(chance: np.random.Generator, alphabet: str, texts: list[str]) -> dict[tuple[int, ...], np.ndarray]:
    """Return the model's probabilities after each prefix."""
    exponent = float(chance.uniform(0, 2.5))
    following: dict[tuple[int, ...], dict[int, float]] = {}  # the end is -1
    for text, mass in zip(texts, _zipf(chance, len(texts), exponent), strict=True):
        ids = tuple(map(alphabet.index, text))
        for at, letter in enumerate((*ids, -1)):
            after = following.setdefault(ids[:at], {})
            after[letter] = after.get(letter, 0.0) + mass
    by_letters, is_uneven = chance.random() < 0.5, chance.random() < 0.4
    lost = 0.0 if chance.random() < 0.2 else math.exp(chance.uniform(-4.6, -0.5))
    rows = {}
    for prefix, masses in following.items():
        row = np.zeros(len(alphabet) + 2)
        places = [one % len(row) for one in masses]
        row[places] = _zipf(chance, len(masses), exponent) if by_letters else list(masses.values())
        forbidden = np.setdiff1d(np.arange(len(row)), places)
        share = min(lost * 2 * (chance.beta(0.2, 0.2) if is_uneven else chance.random()), 0.98)
        row *= (1 - share) / row.sum()
        row[forbidden] = share * chance.dirichlet(np.ones(len(forbidden)))
        rows[prefix] = row / row.sum()
    return rows


def _zipf(chance: np.random.Generator, count: int, exponent: float) -> np.ndarray:
    return chance.permutation(np.arange(1, count + 1) ** -exponent)


def _part(chance: np.random.Generator, masses: dict[str, float], name: str) -> Accepted | None:
    """Return a checker that accepts 1 to 90 % of the mass of the texts; None for half of the laws."""
    if chance.random() < 0.5:
        return None
    length = int(chance.integers(0, 3))
    parts: dict[str, float] = {}
    for text, mass in masses.items():
        part = text[:length] if length else text
        parts[part] = parts.get(part, 0.0) + mass
    whole = sum(parts.values())
    for _ in range(50):
        wanted = chance.uniform(0.01, 0.9)
        names = chance.permutation(list(parts))
        sums = np.cumsum([parts[name] for name in names]) / whole
        last = int(np.searchsorted(sums, wanted))
        if 0.01 <= sums[last] <= 0.9:
            return Accepted(name, frozenset(map(str, names[: last + 1])).__contains__, length)
    return None


def _few(seed: int) -> Law | None:
    """One text or two; of patterns, perhaps in several tokenisations."""
    if seed % 2:
        return _choices(seed, "few", 2)
    chance = random.Random(f"few {seed}")
    pattern = chance.choice(["ab", "aab", "abc", "cd", "a|bc", "aa|ab", "abcd|b", "aaaa|dd"])
    row = hashed(f"few {seed}", chance.choice([0.5, 1.5]), chance.choice([1, 2, 3]))
    return law_of("few", seed, _compiled(pattern), row, 4)


def _constant(seed: int) -> Law | None:
    """Questions that are constant, nearly so, or have a range far from 0 or far wider than their values."""
    found = [_regexes, _rare, _flat, _choices][seed % 4](seed, "constant")
    if found is None:
        return None
    likeliest = max(found.masses, key=lambda text: found.masses[text])
    longest = found.longest
    found.questions.clear()
    found.ask("always", lambda text: True)
    found.ask("never", lambda text: False)
    found.ask("fixed", lambda text: 0.3, (0, 1))
    found.ask("at the end", lambda text: 1, (0, 1))
    found.ask("nearly fixed", lambda text: 0.5 + 1e-6 * has_a(text), (0, 1))
    found.ask("wide", lambda text: len(text), (-1e6, 1e6))
    found.ask("far away", lambda text: 1e6 + len(text), (1e6, 1e6 + longest))
    found.ask("small", lambda text: 1e-9 * len(text), (0, 1e-9 * longest))
    found.ask("unlikely", lambda text: found.masses.get(text, 0) < 1e-3)
    found.ask("all but one", lambda text: text != likeliest)
    return found


FAMILIES: Final[dict[str, Callable[[int], Law | None]]] = {
    "regexes": _regexes,
    "tiny": _tiny,
    "rare": _rare,
    "flat": _flat,
    "deep": _deep,
    "choices": _choices,
    "few": _few,
    "constant": _constant,
}
