"""Exact laws of small tasks: the oracle of the samplers. Nothing of structgen.decoding.samplers is used.

`law` enumerates the token sequences of a task one by one. `Exact` works them out by dynamic programming over
(context of the model, state of an automaton, tokens left), so it also answers for languages with too many
texts to list. A test holds the two to each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property

import numpy as np

import structgen as sg

TOKENS: list[bytes | None] = [
    *(bytes((byte,)) for byte in range(256)),
    b"ab",
    b"ba",
    b"aa",
    b"abc",
    b"cc",
    None,
    None,
]
END, OTHER_END = len(TOKENS) - 2, len(TOKENS) - 1


def tokenizer() -> sg.Tokenizer:
    return sg.Tokenizer.from_bytes(TOKENS, eos_token_id=[END, OTHER_END])


TOKENIZER = tokenizer()
ALIVE = (b"a", b"b", b"c", b"ab", b"ba")
"""Tokens that the models of most tests write."""


class Ngram:
    """A model whose next token depends on the last `order` tokens of prompt and text. Tokens other than those
    of `alive` and the two end tokens have probability 0."""

    def __init__(
        self,
        seed: int,
        alive: tuple[bytes, ...],
        *,
        order: int = 1,
        sharp: float = 1.0,
        favour: Mapping[bytes, float] | None = None,
    ) -> None:
        """`sharp` scales the random logits; `favour` adds to the logit of a token, b"" standing for both end
        tokens."""
        self.seed, self.order, self.sharp = seed, order, sharp
        self.ids = np.array([TOKENS.index(text) for text in alive] + [END, OTHER_END])
        self.more = np.array([(favour or {}).get(text, 0.0) for text in (*alive, b"", b"")])
        self.asked = 0
        self._rows: dict[tuple[int, ...], np.ndarray] = {}

    def __call__(self, ids: list[int]) -> np.ndarray:
        self.asked += 1
        context = self.context(ids)
        if context not in self._rows:
            row = np.full(len(TOKENS), -np.inf)
            normal = np.random.default_rng(self.numbers(context)).normal
            row[self.ids] = self.sharp * normal(size=len(self.ids)) + self.more
            self._rows[context] = row - np.logaddexp.reduce(row)
        return self._rows[context]

    def context(self, ids: Iterable[int]) -> tuple[int, ...]:
        """Return what the next token depends on."""
        return tuple(ids)[-self.order :]

    def numbers(self, context: tuple[int, ...]) -> list[int]:
        """Return the seed of a row."""
        return [self.seed, *(one + 1 for one in context)]


class Bigram(Ngram):
    """A model whose next token depends on the last one, or on a token 0 before the first."""

    def numbers(self, context: tuple[int, ...]) -> list[int]:
        return [self.seed, *(context or (0,))]


def law(
    model: Callable[[list[int]], np.ndarray],
    prompt: list[int],
    accepts: Callable[[bytes], bool],
    viable: Callable[[bytes], bool],
    max_tokens: int,
    temperature: float = 1.0,
) -> dict[tuple[int, ...], float]:
    """Return P(tokens, end) of every valid token sequence of at most `max_tokens`: sum is Z."""
    found: dict[tuple[int, ...], float] = {}

    def visit(tokens: tuple[int, ...], text: bytes, probability: float) -> None:
        row = model([*prompt, *tokens]) / temperature
        row = np.exp(row - np.logaddexp.reduce(row))
        if not probability:
            return
        if accepts(text):
            found[tokens] = probability * (row[END] + row[OTHER_END])
        if len(tokens) < max_tokens:
            for token, more in enumerate(TOKENS):
                if more is not None and viable(text + more):
                    visit((*tokens, token), text + more, probability * row[token])

    visit((), b"", 1.0)
    return found


def law_of_texts(
    model: Callable[[list[int]], np.ndarray],
    texts: Iterable[str | bytes],
    max_tokens: int,
    prompt: Iterable[int] = (97,),
    temperature: float = 1.0,
) -> dict[tuple[int, ...], float]:
    """Return the law of a finite language; sequences without mass are left out."""
    whole = {text.encode("latin-1") if isinstance(text, str) else text for text in texts}
    begun = {text[:end] for text in whole for end in range(len(text) + 1)}
    found = law(model, [*prompt], whole.__contains__, begun.__contains__, max_tokens, temperature)
    return {tokens: mass for tokens, mass in found.items() if mass}


class Automaton:
    """A deterministic automaton over bytes: a dictionary (state, byte) -> state, the first state 0. A pair
    that is not there leads nowhere."""

    def __init__(self, edges: Mapping[tuple[int, int], int], accepting: Iterable[int]) -> None:
        self.edges, self.accepting = dict(edges), frozenset(accepting)
        # States from which a text can still be completed, by going backwards from the accepting ones.
        live = set(self.accepting)
        while more := {source for (source, _), goal in self.edges.items() if goal in live} - live:
            live |= more
        self.live = frozenset(live)

    @classmethod
    def of_texts(cls, texts: Iterable[str]) -> Automaton:
        """Return the automaton of a finite language: the tree of its beginnings."""
        states: dict[bytes, int] = {b"": 0}
        edges: dict[tuple[int, int], int] = {}
        accepting = set()
        for text in texts:
            raw = text.encode("latin-1")
            for end in range(1, len(raw) + 1):
                before = states[raw[: end - 1]]
                edges[before, raw[end - 1]] = states.setdefault(raw[:end], len(states))
            accepting.add(states[raw])
        return cls(edges, accepting)

    def run(self, state: int, text: bytes) -> int | None:
        """Return the state behind a text, None where no text of the language goes on so."""
        for byte in text:
            found = self.edges.get((state, byte))
            if found is None or found not in self.live:
                return None
            state = found
        return state


class Exact:
    """h, Z and the laws that follow from them, for an n-gram model times an automaton with at most
    `max_tokens` tokens, at a temperature.

    `h` is worked out once for each (context, state, tokens left), so the cost does not grow with the number
    of texts.
    """

    def __init__(
        self,
        model: Ngram,
        automaton: Automaton,
        max_tokens: int,
        *,
        prompt: tuple[int, ...] = (),
        temperature: float = 1.0,
    ) -> None:
        self.model, self.automaton, self.max_tokens = model, automaton, max_tokens
        self.prompt, self.temperature = prompt, temperature
        self._h: dict[tuple[tuple[int, ...], int, int], float] = {}
        self._probabilities: dict[tuple[int, ...], np.ndarray] = {}

    def row(self, ids: tuple[int, ...]) -> np.ndarray:
        """Return the probabilities of the next token behind prompt and text, at the temperature."""
        context = self.model.context(ids)
        if context not in self._probabilities:
            scaled = np.asarray(self.model(list(context)), np.float64) / self.temperature
            self._probabilities[context] = np.exp(scaled - np.logaddexp.reduce(scaled))
        return self._probabilities[context]

    def _edges(self, context: tuple[int, ...], state: int) -> Iterable[tuple[int, int, float]]:
        """Yield (token, state behind it, probability) of all text tokens that the automaton lets through."""
        row = self.row(context)
        for token in map(int, self.model.ids[:-2]):
            text = TOKENS[token]
            assert text is not None
            after = self.automaton.run(state, text)
            if after is not None and row[token] > 0:
                yield token, after, float(row[token])

    def _end(self, context: tuple[int, ...], state: int) -> float:
        row = self.row(context)
        return float(row[END] + row[OTHER_END]) if state in self.automaton.accepting else 0.0

    def _valid(self, context: tuple[int, ...], state: int, left: int) -> float:
        key = self.model.context(context), state, left
        if key not in self._h:
            total = self._end(context, state)
            if left:
                for token, after, probability in self._edges(context, state):
                    total += probability * self._valid((*key[0], token), after, left - 1)
            self._h[key] = total
        return self._h[key]

    def h(self, tokens: tuple[int, ...]) -> float:
        """Return the probability that a text that begins with these tokens ends up valid."""
        state = self.automaton.run(0, b"".join(TOKENS[token] or b"" for token in tokens))
        if state is None or len(tokens) > self.max_tokens:
            return 0.0
        return self._valid((*self.prompt, *tokens), state, self.max_tokens - len(tokens))

    @cached_property
    def z(self) -> float:
        """P(valid)."""
        return self.h(())

    def following(self, tokens: tuple[int, ...]) -> tuple[dict[int, float], float]:
        """Return what the grammar lets follow a prefix: token -> P(token | prefix), and P(end | prefix).
        Nothing is left out for want of tokens."""
        context = (*self.prompt, *tokens)
        state = self.automaton.run(0, b"".join(TOKENS[token] or b"" for token in tokens))
        assert state is not None
        return {token: mass for token, _, mass in self._edges(context, state)}, self._end(context, state)

    def law(self) -> dict[tuple[int, ...], float]:
        """Return P(tokens, end) of every valid token sequence; their sum is Z. The cost is the number of
        sequences."""
        found: dict[tuple[int, ...], float] = {}

        def visit(tokens: tuple[int, ...], probability: float) -> None:
            following, end = self.following(tokens)
            if end:
                found[tokens] = probability * end
            if len(tokens) < self.max_tokens:
                for token, mass in following.items():
                    visit((*tokens, token), probability * mass)

        visit((), 1.0)
        return found

    def masked(self) -> dict[tuple[int, ...], float]:
        """Return the law of masking, for a language whose every viable prefix can end within
        `max_tokens`."""
        found: dict[tuple[int, ...], float] = {}

        def visit(tokens: tuple[int, ...], probability: float) -> None:
            following, end = self.following(tokens)
            whole = sum(following.values()) + end
            if end:
                found[tokens] = probability * end / whole
            for token, mass in following.items():
                visit((*tokens, token), probability * mass / whole)

        visit((), 1.0)
        return found
