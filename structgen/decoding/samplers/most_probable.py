"""Finds the likeliest texts of a grammar, with a proof that there are no likelier ones (`most_probable`).

- A *node* is a prefix whose row (the model's distribution of the next token) was read.
- An *edge* is a token after a node. It is *open* if the prefix with that token was not read yet.
- The *score* of a prefix or text is minus its log-probability, so the smallest score is the likeliest.

The search is best-first: the log-probability of a prefix is at least that of each text that begins with it.
So a text that is likelier than all open prefixes is the likeliest of all. For example, if the text "yes" has
the probability 0.6, all other texts together have at most 0.4, and nothing more needs to be read. With
`sg.substring_of(document)` the result is exact-extract's (Castel et al., "How Optimal is Greedy Decoding for
Extractive Question Answering?", 2021): the likeliest span of a passage.
"""

from __future__ import annotations

import heapq
import math
from bisect import insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeAlias, Unpack

import numpy as np

from structgen.base.errors import TokenizerError, options_named
from structgen.base.language import checks
from structgen.decoding.engine.requests import MOST_SAMPLES
from structgen.decoding.samplers.sample import DEFAULTS, GivenModel, OnePrompt, TargetOptions, TargetSettings
from structgen.decoding.samplers.target import END, Prefix, Target, Tokens


@dataclass(frozen=True, slots=True)
class ProbableText:
    """A valid text, in one tokenisation."""

    text: str
    value: Any
    """The object of a type, the value of a JSON document, else the text."""
    token_ids: Tokens
    logprob: float
    """log P(tokens, end) under the model."""


@dataclass(frozen=True, slots=True)
class MostProbable:
    """The result of `most_probable`."""

    texts: list[ProbableText]
    """The texts, likeliest first. There are fewer than asked for if there are no more or the budget ended."""
    is_certain: bool
    """Whether it is proved that no other text is likelier than one of these."""
    bound: float
    """The greatest log-probability that a text which is not among `texts` may have; -inf: there is no
    other."""
    model_rows: int
    """The number of rows of logits that were read."""


@options_named(
    "sg.most_probable(model, prompt, grammar, k=3)",
    dict.fromkeys(("n", "num_samples", "num_return_sequences", "top_k"), "Write k="),
    options=TargetOptions,
    defaults=DEFAULTS,
)
def most_probable(
    model: GivenModel,
    prompt: OnePrompt,
    grammar: Any,
    *,
    k: int = 1,
    tokenisation: str = "canonical",
    budget: int | None = 10_000,
    together: int = 8,
    **options: Unpack[TargetOptions],
) -> MostProbable:
    """Return the `k` likeliest valid texts after a prompt, likeliest first.

    Model, prompt (only one), grammar, max_tokens, checkers, tokenizer, name, outline, chat and the meaning of
    "valid" are those of `sample`. The probability is the model's own, at temperature 1: not renormalised
    over the mask, the end of the text included.

    k
        at most 65,536.
    tokenisation
        "canonical": a text counts in the tokenizer's own tokens alone, as exact-extract scores it. "any":
        each tokenisation of a text is a text of its own, as for `sample`.
    budget
        the most model rows (exceeded by less than one pass); None: no bound. When it ends, the best texts so
        far are returned, with `is_certain` False and the bound on what may be missing.
    together
        prefixes that are read in one pass. More are faster, and may read rows that the proof did not need.

    Cost: a model row for each prefix that is likelier than the k-th text, at most `together` - 1 more in each
    pass, and memory for the likely tokens after each of them. Raises OptionError for an option that has no
    meaning here, StructgenError if the model's logits are not numbers.
    """
    target_options: dict[str, Any] = {**options}
    settings = TargetSettings(**target_options)
    max_rows = math.inf if budget is None else checks.check_whole("budget", budget, 1)
    k = checks.check_whole("k", k, 1, MOST_SAMPLES)
    together = checks.check_whole("together", together, 1)
    checks.ChoiceCheck(("canonical", "any"))("tokenisation", tokenisation)
    _problem, target, _mark = settings.make_target(model, prompt, grammar, 1.0)
    search = _Search(target, k, is_canonical=tokenisation == "canonical")
    try:
        is_over = search.find_likeliest(max_rows, together)
        texts = [search.describe_edge(edge) for edge in search.finished_edges[:k]]
    finally:
        target.close()
    return MostProbable(texts, is_over, search.bound_others(), target.rows.count)


@dataclass(slots=True)
class _Node:
    """A prefix that was read: the tokens that may follow, likeliest first, and their log-probabilities."""

    prefix: Prefix
    tokens: list[int]
    logprobs: list[float]


_Edge: TypeAlias = tuple[float, int, _Node, int]
"""A tuple of four: the score, a number that orders edges of equal scores, a node, and the index of one of its
tokens (END: the text ends at the node)."""


class _Search:
    """The state of a search: the open edges, as a heap, and the texts that were found."""

    def __init__(self, target: Target, k: int, *, is_canonical: bool) -> None:
        self._target = target
        self._k = k
        self._is_canonical = is_canonical
        self._open: list[_Edge] = []
        self.finished_edges: list[_Edge] = []
        """The k + 1 likeliest texts that were found so far, likeliest first."""
        self._left_out = math.inf
        """The smallest score of the edges that were never opened; infinity: there are none."""
        self._numbers = count()

    def find_likeliest(self, budget: float, together: int) -> bool:
        """Search until the k likeliest texts are known, and return True; return False if `budget` rows were
        read before. `together` is the most prefixes of one pass."""
        self._read_prefixes([(self._target.start(), 0.0)])
        while not self._is_proved():
            if self._target.rows.count >= budget:
                return False
            self._read_prefixes(list(self._take_likeliest(together)))
        return True

    def _is_proved(self) -> bool:
        """Return whether no open prefix is as likely as the k-th text, or none is open."""
        return not self._open or self._open[0][0] >= self._worst_score()

    def _worst_score(self) -> float:
        """Return minus the log-probability of the k-th text; infinity if there are fewer."""
        if len(self.finished_edges) < self._k:
            return math.inf
        return self.finished_edges[self._k - 1][0]

    def _take_likeliest(self, max_count: int) -> Iterator[tuple[Prefix, float]]:
        """Yield up to `max_count` of the likeliest open prefixes, each with its score. They are then no
        longer open."""
        while max_count and not self._is_proved():
            score, _, node, rank = heapq.heappop(self._open)
            # Only one token of a node is open at a time, the likeliest that was not taken. So the heap is
            # small.
            self._push_edge(node, rank + 1, score + node.logprobs[rank])
            prefix = self._target.extend_prefix(node.prefix, node.tokens[rank])
            if prefix is not None:
                max_count -= 1
                yield prefix, score

    def _push_edge(self, node: _Node, rank: int, node_score: float) -> None:
        """Open token number `rank` of a node, if the node has so many. `node_score` is the score of the
        node's prefix."""
        if rank < len(node.tokens):
            edge = node_score - node.logprobs[rank], next(self._numbers), node, rank
            heapq.heappush(self._open, edge)

    def _read_prefixes(self, prefixes: Sequence[tuple[Prefix, float]]) -> None:
        """Read prefixes, given with their scores, and open the tokens that may follow them. Store the texts
        that end after them."""
        steps = self._target.read_steps([prefix for prefix, _ in prefixes])
        for (prefix, score), step in zip(prefixes, steps, strict=True):
            if step.end > 0 and self._target.accepts_text(prefix) and self._is_wanted(prefix):
                end_score = score - math.log(step.end)
                end_node = _Node(prefix, [], [])
                insort(self.finished_edges, (end_score, next(self._numbers), end_node, END))
                # One more than asked for is kept: it bounds what is missing.
                del self.finished_edges[self._k + 1 :]
            with np.errstate(divide="ignore"):
                logprobs = np.log(step.probabilities)
            # what is less likely than the k texts found is never opened
            likely_ranks = np.flatnonzero(score - logprobs < self._worst_score())
            if len(likely_ranks) < len(logprobs):
                late = np.delete(logprobs, likely_ranks)
                self._left_out = min(self._left_out, score - float(late.max()))
            # Stable: tokens of one probability stay in the order of their ids.
            order = likely_ranks[np.argsort(-logprobs[likely_ranks], kind="stable")]
            tokens = step.tokens[order].tolist()
            node = _Node(prefix, tokens, logprobs[order].tolist())
            self._push_edge(node, 0, score)

    def _is_wanted(self, prefix: Prefix) -> bool:
        """Return whether a text counts in these tokens. In a search for canonical texts, only the tokens that
        the tokenizer itself would write count."""
        if not self._is_canonical:
            return True
        try:
            canonical_tokens = self._target.compiled.tokenizer.encode(prefix.text)
        except TokenizerError:
            return False
        return tuple(canonical_tokens) == prefix.tokens

    def bound_others(self) -> float:
        """Return the greatest log-probability that a text which is not among the best may have."""
        others = [*self.finished_edges[self._k :], *self._open[:1]]
        return -min([self._left_out, *(edge[0] for edge in others)])

    def describe_edge(self, edge: _Edge) -> ProbableText:
        """Return the text, the value and the log-probability of a finished edge, one whose text ends."""
        score, _, node, _ = edge
        prefix = node.prefix
        text = prefix.text.decode("utf-8", "replace")
        value = self._target.value(prefix.text)
        return ProbableText(text, value, prefix.tokens, -score)
