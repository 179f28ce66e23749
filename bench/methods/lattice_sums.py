"""Sums and maxima over all valid fillings of a lattice, for schedulers that propose whole fillings.

`structgen.decoding.infilling.lattice` says which tokens fit. Here the edges between its nodes
(`LatticeEdges`) carry the logits of the masked slots:
- the probability that independent draws from the slots are valid (`log_z`), and each slot's law given that
  they are (`marginals`, `law`, `entropies`);
- the k most probable valid fillings (`best`);
- exact samples of the joint law (`sample`).

The law is the product of the slots' softmax distributions, given validity. It is exact for one step of a
masked-diffusion model, and not the model's joint law over several steps.

Weights of ways are taken over a slot from right to left: logarithms of sums, or maxima. Sums to the end say
how likely each edge is once a path is at its source, so marginals and samples follow from left to right.
Maxima to the end lead to the best filling. All rows are masked slots, from left to right, in the state that
the lattice has when this is made.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Collection
from functools import cached_property, lru_cache
from itertools import count as numbers
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.decoding.infilling.lattice import NULL, OPEN, Lattice
from structgen.decoding.infilling.token_automaton import DEAD, TokenAutomaton

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Groups(NamedTuple):
    """Runs of equal values in an array, none of them empty."""

    first: Ints
    """Where each run begins, for `ufunc.reduceat`."""
    of: Ints
    """The run of each element."""


def groups(values: npt.ArrayLike) -> Groups:
    """Return the runs of equal values of an array."""
    found = np.asarray(values, np.int64)
    first = np.flatnonzero(np.diff(found, prepend=found[:1] - 1))
    return Groups(first, np.repeat(np.arange(len(first)), np.diff(first, append=len(found))))


class LatticeEdges:
    """The edges between the nodes of a lattice of an automaton.

    An *edge* is a pair of states with a token between them, and a *class set* labels an edge. Edges share
    class sets, so that each class set is summed once per slot, not once per edge. Nulls are edges too: they
    keep the state and set the flag.
    """

    def __init__(self, automaton: TokenAutomaton) -> None:
        table, token_class, states = automaton.transitions, automaton.token_class, automaton.states
        order = np.argsort(token_class, kind="stable")
        self.class_tokens = order[np.searchsorted(token_class[order], 0) :].astype(np.int32)
        """Tokens ordered by class, then by id."""
        ends = np.arange(automaton.classes + 1)
        self.class_start = np.searchsorted(token_class[self.class_tokens], ends)
        """[classes + 1]: where the tokens of a class begin in `class_tokens`."""
        source, column = np.nonzero(table[:, : automaton.token_class_count] > DEAD)
        target = table[source, column]
        by_edge = np.lexsort((column, target, source))
        source, column, target = source[by_edge], column[by_edge], target[by_edge]
        first = groups(source * states + target).first
        known: dict[bytes, int] = {}
        label = [
            known.setdefault(column[begin:end].tobytes(), len(known))
            for begin, end in zip(first, [*first[1:], len(column)], strict=True)
        ]
        members = [np.frombuffer(one, np.int64) for one in known]
        nodes = np.arange(2 * states)
        sources = np.concatenate((nodes, source[first]))
        by_source = np.argsort(sources, kind="stable")
        self.source: Ints = sources[by_source]
        """[edges]: the node that an edge comes from, ascending. The null of each node comes before the edges
        with tokens, which are ordered by their targets."""
        self.target: Ints = np.concatenate((states + nodes % states, target[first]))[by_source]
        """[edges]: the node that an edge leads to."""
        self.label: Ints = np.concatenate((len(known) + nodes // states, np.array(label, np.int64)))[
            by_source
        ]
        """[edges]: the class set of an edge; `sets` is that of a hole's first null, `sets` + 1 of a later
        one."""
        self.sets = len(known)
        self.set_start = np.cumsum([0, *map(len, members)])
        """[class sets + 1]: where the classes of a class set begin in `set_classes`."""
        self.set_classes: Ints = np.concatenate(members) if members else np.empty(0, np.int64)
        self.classes_by_set = groups(np.repeat(np.arange(self.sets), np.diff(self.set_start)))
        """The runs of each class set in `set_classes`."""
        in_order = np.argsort(self.set_classes, kind="stable")
        self.sets_by_class = self.classes_by_set.of[in_order], groups(self.set_classes[in_order])
        """The class sets that each class is in, and the runs of each class; only marks are in none."""


edges_of = lru_cache(maxsize=64)(LatticeEdges)
Runs = Callable[[Floats, Groups], Floats]


def log_sums(terms: Floats, runs: Groups) -> Floats:
    """Return the logarithm of the sum of exponentials of each run along the last axis. No term overflows or
    vanishes: each is taken relative to the greatest of its run."""
    top = maxima(terms, runs)
    top = np.where(top == -math.inf, 0.0, top)
    with np.errstate(divide="ignore"):  # the logarithm of 0
        return top + np.log(np.add.reduceat(np.exp(terms - top[..., runs.of]), runs.first, axis=-1))


def maxima(terms: Floats, runs: Groups) -> Floats:
    """Return the greatest term of each run along the last axis."""
    found: Floats = np.maximum.reduceat(terms, runs.first, axis=-1)
    return found


class Weights(NamedTuple):
    """The weights of a lattice, a row for each masked slot, and with them those of all ways to the end."""

    labels: Floats
    """[rows, labels]: of class sets and of nulls; minus infinity for a null where none may be."""
    ahead: Floats
    """[rows + 1, nodes + 1]: of all ways from a node to the end; minus infinity in the last column."""


def jumps_of(lattice: Lattice) -> list[Ints]:
    """Return the node before the next masked slot: of each node at the start, and of each node that a masked
    slot's token leads to. No path is at the node -1, the last element."""
    found: list[Ints] = [np.append(np.arange(2 * lattice.automaton.states), DEAD)]
    for slot in range(len(lattice)):
        if lattice.tokens[slot] == OPEN:
            found.append(lattice.nodes_behind(slot))
        else:
            found[-1] = np.where(found[-1] < 0, DEAD, lattice.nodes_after(slot, found[-1]))
    return found


class LatticeSums:
    """The sums of a lattice as it is now, its logits times `scale` (1 / temperature)."""

    def __init__(self, lattice: Lattice, scale: float = 1.0) -> None:
        self.automaton = automaton = lattice.automaton
        self.edges = edges_of(automaton)
        self.slots = lattice.open_slots
        self._scale, self._lattice = scale, lattice
        first, *self._jumps = jumps_of(lattice)
        self._start = int(first[automaton.start])
        self._logits = [lattice.logits[slot].astype(np.float64) * scale for slot in self.slots.tolist()]
        self._nulls = lattice.null_logits[self.slots] * scale
        self._sources = groups(self.edges.source)
        # the runs of each class; marks, which come after classes of tokens, have none
        self._tokens = groups(automaton.token_class[self.edges.class_tokens])

    @cached_property
    def scores(self) -> Floats:
        """[rows, classes]: the logarithm of the summed exponentials of each class's logits; minus infinity
        for marks."""
        return self._of_classes(log_sums)

    @cached_property
    def tops(self) -> Floats:
        """[rows, classes]: the greatest logit of each class."""
        return self._of_classes(maxima)

    def _of_classes(self, reduce: Runs) -> Floats:
        found = np.full((len(self.slots), self.automaton.classes), -math.inf)
        if len(self._tokens.first):
            for row, logits in enumerate(self._logits):
                found[row, : len(self._tokens.first)] = reduce(logits[self.edges.class_tokens], self._tokens)
        return found

    @cached_property
    def sums(self) -> Weights:
        """The weights whose `ahead` is the logarithm of the summed weight of all ways."""
        return self._weights(self.scores, log_sums)

    @cached_property
    def greatest(self) -> Weights:
        """The weights whose `ahead` is the greatest sum of logits of all ways."""
        return self._weights(self.tops, maxima)

    def _weights(self, scores: Floats, reduce: Runs) -> Weights:
        a, e = self.automaton, self.edges
        sets = reduce(scores[:, e.set_classes], e.classes_by_set) if e.sets else scores[:, :0]
        labels = np.concatenate((sets, self._nulls), axis=1)
        ahead = np.full((len(labels) + 1, 2 * a.states + 1), -math.inf)
        ahead[-1, : a.states][a.accepting] = 0.0
        for row in range(len(labels) - 1, -1, -1):
            ways = labels[row, e.label] + ahead[row + 1, self._jumps[row][e.target]]
            ahead[row, :-1] = reduce(ways, self._sources)
        return Weights(labels, ahead)

    def log_z(self) -> float:
        """Return the logarithm of the summed weight of all valid fillings. A filling's weight is the
        exponential of the sum of its masked slots' logits. Minus infinity if there is none."""
        return float(self.sums.ahead[0, self._start])

    @cached_property
    def marginals(self) -> tuple[Floats, Floats]:
        """The probability of each class, and of a null, at each masked slot, given that the whole is valid:
        [rows, classes] and [rows]."""
        a, e, w = self.automaton, self.edges, self.sums
        labels, here = np.zeros_like(w.labels), np.zeros(2 * a.states + 1)
        here[self._start] = 1.0
        for row in range(len(labels)):
            to = self._jumps[row][e.target]
            some = np.flatnonzero((here[e.source] > 0.0) & (to >= 0))
            source, label, to = e.source[some], e.label[some], to[some]
            share = here[source] * np.exp(w.labels[row, label] + w.ahead[row + 1, to] - w.ahead[row, source])
            labels[row] = np.bincount(label, share, minlength=labels.shape[1])
            here = np.bincount(to, share, minlength=len(here))
        chances = np.zeros((len(labels), a.classes))
        sets, runs = e.sets_by_class
        if len(sets):
            whole = np.where(w.labels == -math.inf, 0.0, w.labels)[:, sets]
            each = np.exp(np.minimum(self.scores[:, runs.of] - whole, 0.0)) * labels[:, sets]
            chances[:, : len(runs.first)] = np.add.reduceat(each, runs.first, axis=1)
        return chances, np.minimum(labels[:, -2:].sum(axis=1), 1.0)

    def law(self, row: int) -> Floats:
        """Return the probability of each token [V of the tokenizer], and last that of a null, at one masked
        slot, given that the whole is valid."""
        column = self.automaton.token_class
        classes, nulls = self.marginals
        chances = np.where(column < 0, 0.0, classes[row, column])
        tokens = _shares(chances, self._logits[row][: len(column)], self.scores[row, column])
        return np.append(tokens, nulls[row])

    def probability(self, row: int, token: int) -> float:
        """Return the probability of a token, or NULL, at one masked slot, given that the whole is valid."""
        if token == NULL:
            return float(self.marginals[1][row])
        column = self.automaton.token_class[token]
        logit, score = self._logits[row][token], self.scores[row, column]
        return float(_shares(self.marginals[0][row, column], logit, score))

    def entropies(self) -> Floats:
        """Return the entropy of each masked slot's law, in nats."""
        laws = (self.law(row) for row in range(len(self.slots)))
        return np.array([-float((law[law > 0.0] * np.log(law[law > 0.0])).sum()) for law in laws])

    def sample(self, uniforms: Floats) -> npt.NDArray[np.int32]:
        """Return an exact draw from the joint law of valid fillings: a token or NULL for each slot of the
        lattice.

        `uniforms`: float64 [slots, 3] of independent uniform numbers from 0 to 1, in which a seed counts: for
        an edge or a null, for a class of the edge, for a token of the class.
        """
        e, w = self.edges, self.sums
        found, node = self._lattice.tokens, self._start
        for row, slot in enumerate(self.slots.tolist()):
            first, end = np.searchsorted(e.source, (node, node + 1))
            targets = self._jumps[row][e.target[first:end]]
            edge = _drawn(w.labels[row, e.label[first:end]] + w.ahead[row + 1, targets], uniforms[slot, 0])
            node, label = int(targets[edge]), int(e.label[first + edge])
            if label >= e.sets:
                found[slot] = NULL
                continue
            classes = e.set_classes[e.set_start[label] : e.set_start[label + 1]]
            tokens = self._tokens_of(int(classes[_drawn(self.scores[row, classes], uniforms[slot, 1])]))
            found[slot] = tokens[_drawn(self._logits[row][tokens], uniforms[slot, 2])]
        return found

    def best(self, k: int = 1) -> list[tuple[float, npt.NDArray[np.int32]]]:
        """Return the k most probable valid fillings, or as many as there are, best first: the sum of the
        masked slots' logits, and a token or NULL for each slot of the lattice. The order of equal ones is
        deterministic.

        Known maxima of all ways to the end lead straight to the best filling. The next one leaves a known one
        at some slot (Lawler, 1972): all fillings but the known ones are kept in parts, each with its best
        value.
        """
        w, order, nothing = self.greatest, numbers(), frozenset[int]()
        value = float(w.ahead[0, self._start])
        found: list[tuple[float, npt.NDArray[np.int32]]] = []
        # A part: its best value, the tokens that it begins with, the node after them, their weight, and the
        # tokens that do not come next.
        parts: list[tuple[float, int, list[int], int, float, frozenset[int]]]
        parts = [(-value, next(order), [], self._start, 0.0, nothing)] if value > -math.inf else []
        while parts and len(found) < k:
            negative, _, begun, node, weight, banned = heapq.heappop(parts)
            tokens = list(begun)
            for row in range(len(begun), len(self.slots)):
                value, token, after = self._best_way(w, row, node, banned)
                if len(found) + 1 < k:
                    others = banned | {token}
                    rest, _, _ = self._best_way(w, row, node, others)
                    if rest > -math.inf:
                        part = (-(weight + rest), next(order), list(tokens), node, weight, others)
                        heapq.heappush(parts, part)
                tokens.append(token)
                weight += value - float(w.ahead[row + 1, after])
                node, banned = after, nothing
            filling = self._lattice.tokens
            filling[self.slots] = tokens
            found.append((-negative, filling))
        return found

    def _best_way(self, w: Weights, row: int, node: int, banned: Collection[int]) -> tuple[float, int, int]:
        """Return the best token or NULL of a masked slot after a node, none of those that are banned: the
        value of its best way to the end, itself, and the node of the next layer."""
        a, jump, ahead = self.automaton, self._jumps[row], w.ahead[row + 1]
        flag, state = divmod(node, a.states)
        value, after = -math.inf, -1
        if NULL not in banned:
            after = int(jump[state + a.states])
            value = float(ahead[after] + w.labels[row, self.edges.sets + flag])
        if flag == 0:
            to = jump[a.transitions[state]]
            ways = self.tops[row] + ahead[to]
            for one in {int(a.token_class[one]) for one in banned if one != NULL}:
                ways[one] = self._best_token(row, one, banned)[0] + ahead[to[one]]
            best = int(ways.argmax())
            if ways[best] >= value and ways[best] > -math.inf:
                return float(ways[best]), self._best_token(row, best, banned)[1], int(to[best])
        return value, NULL, after

    def _tokens_of(self, column: int) -> npt.NDArray[np.int32]:
        """Return the tokens of a class, ascending."""
        start = self.edges.class_start
        return self.edges.class_tokens[start[column] : start[column + 1]]

    def _best_token(self, row: int, column: int, banned: Collection[int]) -> tuple[float, int]:
        """Return the best token of a class that is not banned, after its logit; the lowest of equal ones."""
        tokens = self._tokens_of(column)
        logits = self._logits[row][tokens]
        for one in banned:
            logits[tokens == one] = -math.inf
        at = int(logits.argmax())
        return float(logits[at]), int(tokens[at])


def _shares(chances: Any, logits: Any, scores: Any) -> Any:
    """Return the probability of tokens: that of their class times e^(logit - the class's score)."""
    with np.errstate(invalid="ignore", over="ignore"):
        found = chances * np.exp(logits - scores)
    return np.where(chances > 0.0, np.minimum(found, 1.0), 0.0)


def _drawn(logs: Floats, uniform: float) -> int:
    """Return a number drawn by the weights e^logs: where their running sum passes `uniform` of the whole."""
    shares = np.exp(logs - logs.max())
    ends = np.cumsum(shares)
    at = int(np.searchsorted(ends, uniform * ends[-1], side="right"))
    return min(at, int(np.flatnonzero(shares)[-1]))
