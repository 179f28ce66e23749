"""Beam search with unbiased weights: all prefixes of one length in parallel, each read once; unlikely ones
are dropped at random.

A particle is a prefix u with a multiplier m, the inverse of the probability that it was kept so far. In each
step every particle u offers its candidates: the prefixes ua with the score

    s(ua) = m P(ua) g(ua)

g(ua) > 0, the *twist*, estimates how much of the mass after ua is valid and new (see `LookAhead`). The
threshold c is the total score divided by the width. A candidate with s >= c is kept unchanged. Any other is
kept with probability s / c, and its multiplier grows by c / s, so that m P(ua) is right on average. For any
g, the sum of m P(x) f(x) over the texts x that the beam ends in is an unbiased estimate of the sum of P(x)
f(x) over all valid texts. The draws are systematic, in the order of the tree, so that similar prefixes are
thinned out evenly.

So likely prefixes are followed without chance, and no row is read twice. Texts that were known to be valid
before the beam began are left out of its sum, because their mass is known exactly.

Sources: resampling with a threshold is from Fearnhead and Clifford (2003, On-line inference for hidden Markov
models via particle filters); of all unbiased ways to keep so many elements of a discrete set it has the least
variance. Systematic draws are from Madow (1949).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from structgen.decoding.samplers.frontier import Afford, Frontier, Particle
from structgen.decoding.samplers.target import Floats, Ids, Target, TargetStep, Tokens
from structgen.decoding.samplers.tree import REST, PrefixTree

_FLOOR: Final = 0.03
"""The least g of a candidate, as a fraction of what the proven bounds allow. A far too low estimate must not
give a particle a huge weight."""
_CHECKED: Final = 0.1
"""Candidates with at least this probability of being kept are checked before the draw, so that refused ones
leave their room to others. Of less likely ones most would be asked about in vain."""


_MEMORY: Final = 32.0
"""The number of estimates that a mean remembers, about. Early estimates, which are guesses, are forgotten."""


class LookAhead:
    """Look-ahead: an estimate of h after prefixes that were never read.

    The probability that a prefix ends up valid depends most on its grammar state and its last token. So for
    each state s and token a we keep the mean of the estimates of h at the prefixes that were read after (s,
    a), whatever came before. The estimates come from the tree, from the deepest prefix up:

        estimate(u) = P(end | u) + sum over tokens a of P(a | u) (estimate(ua) if ua was read, else its
        look-ahead)

    This is the value function of a low-order surrogate of the model, computed by dynamic programming over the
    grammar's automaton, restricted to the states that the run has met. It needs no further rows. Means over
    (s, a) and the previous token brought nothing on five tasks of n-gram models.
    """

    def __init__(self) -> None:
        self._tokens: dict[int, dict[int, tuple[float, float]]] = {}
        """For each state and token, a pair: the number of estimates that the mean remembers, and the mean."""
        self._states: dict[int, tuple[float, float]] = {}
        """The same pair for each state, over all tokens."""

    def learn_estimate(self, state: int, token: int, estimate: float) -> None:
        """Note an estimate of h after a token in a state."""
        means_of_state = self._tokens.setdefault(state, {})
        for means_by_key, key in ((means_of_state, token), (self._states, state)):
            count, mean = means_by_key.get(key, (0.0, 0.0))
            # From `_MEMORY` on each new estimate has an equal share, so old ones fade.
            count = min(count + 1.0, _MEMORY)
            means_by_key[key] = count, mean + (estimate - mean) / count

    def estimate_tokens(self, state: int, tokens: Ids, otherwise: float) -> Floats:
        """Return an estimate of h, above 0, after each of some tokens in a state. The mean over all tokens
        counts as one estimate of each token. Return `otherwise` if no token was ever taken in the state."""
        if state not in self._states:
            return np.full(len(tokens), otherwise)
        token_means = self._tokens[state]
        state_mean = self._states[state][1]
        pairs = [token_means.get(token, (0.0, state_mean)) for token in tokens.tolist()]
        # `reshape` makes two columns of an empty list, too.
        counts, means = np.array(pairs).reshape(-1, 2).T
        guesses: Floats = (counts * means + state_mean) / (counts + 1.0)
        return guesses

    def estimate_rest(self, state: int, otherwise: float) -> float:
        """Return an estimate of h after an unknown token."""
        return self._states.get(state, (0.0, otherwise))[1]


@dataclass(slots=True, eq=False)
class BeamParticle(Particle):
    """A prefix that the beam follows."""

    value: float = 1.0
    """An estimate of h after the prefix, from before its row was read."""
    guesses: Floats = field(default_factory=lambda: np.empty(0))
    """Estimates of h after each slot and after the rest."""
    spare: tuple[int, float] | None = None
    """A token drawn from the node's rest, and the probability of that draw; None if its row is not at
    hand."""


@dataclass(frozen=True, slots=True)
class FoundText:
    """A new valid text that a beam ended in."""

    tokens: Tokens
    log_probability: float
    """log P(tokens, end)."""
    log_weight: float
    """The log of multiplier times P(tokens, end)."""
    is_kept: bool
    """Whether the tree has stored it."""


@dataclass(eq=False)
class Beam:
    """One pass over the tree."""

    _target: Target
    _tree: PrefixTree
    width: int
    _random: np.random.Generator
    _ahead: LookAhead

    def __post_init__(self) -> None:
        self._frontier = Frontier(self._target, self._tree)
        self.found_texts: list[FoundText] = []
        self.rows: list[int] = []
        """Model rows read at each step."""
        self.tree_rows = 0
        """Rows that came from the tree instead of the model."""

    def follow_particles(self, afford: Afford, allowance: Callable[[int], int]) -> bool:
        """Follow all particles to their ends.

        `afford(rows)` is asked before each forward pass. `allowance(step)` is the most particles of a step;
        1 may always go on. Returns False if the beam was cut short; its sum is then
        no estimate.
        """
        particles: list[BeamParticle] | None = [self._frontier.start(BeamParticle)]
        levels: list[list[BeamParticle]] = []
        try:
            while particles:
                if not self._read_rows(particles, afford):
                    return False
                levels.append(particles)
                self._note_ends(particles)
                width = min(allowance(len(levels)), self.width)
                particles = self._next_particles(particles, max(width, 1), afford)
        finally:
            # Also after an interrupt: the tree keeps what was read. The deepest level comes first, since
            # the bounds of a node are sums over its children.
            for level in reversed(levels):
                for particle in level:
                    self._update_node(particle)
        return particles is not None

    def _read_rows(self, particles: list[BeamParticle], afford: Afford) -> bool:
        """Read the rows of particles whose nodes are unknown."""
        unread = [particle for particle in particles if particle.node is None]
        self.rows.append(len(unread))
        self.tree_rows += len(particles) - len(unread)
        steps = self._frontier.read_rows(unread, afford)
        if steps is None:
            return False
        log_weights = np.array([particle.log_weight for particle in particles])
        top = float(log_weights.max())
        scale = self.width / float(np.exp(log_weights - top).sum())
        for particle, step in zip(unread, steps, strict=True):
            # Keep as many tokens as may become particles, so that draws from the rest are rare.
            expected_particles = scale * math.exp(particle.log_weight - top)
            self._frontier.give_node(particle, step, 4 * int(expected_particles))
            if particle.known_node.rest > 0:
                self._draw_spare(particle, step)
        return True

    def _note_ends(self, particles: list[BeamParticle]) -> None:
        """Note the texts that end at a particle, unless they were known before."""
        for particle in particles:
            node = particle.known_node
            if node.end_upper - node.end_lower <= 0.0 or node.end <= 0.0:
                continue
            if not self._target.accepts_text(particle.prefix):
                node.end_upper = 0.0
                continue
            log_end = math.log(node.end)
            log_probability = particle.log_probability + log_end
            log_weight = particle.log_weight + log_end
            self.found_texts.append(
                FoundText(particle.prefix.tokens, log_probability, log_weight, particle.is_kept)
            )
            # Its end is proved valid, so the next beam leaves the text out.
            node.end_lower = node.end_upper

    def _next_particles(
        self, particles: list[BeamParticle], width: int, afford: Afford
    ) -> list[BeamParticle] | None:
        """Return the particles of the next step; None if a needed row may not be read.

        For example, of two particles with a thousand candidates each and the width 32, about 32 candidates
        become particles. `width` is about how many may continue. `afford(rows)` is asked before rows are read
        again.
        """
        owners, slots, scores = self._list_candidates(particles)
        ready: dict[int, BeamParticle] = {}
        while True:
            total = float(scores.sum())
            if not total > 0:
                return []
            # score / c with the threshold c = total / width, but at most 1
            chances = np.minimum(scores * (width / total), 1.0)
            refused_indices = self._find_refused(particles, owners, slots, chances, ready)
            if not refused_indices:
                break
            # Without the refused ones the others are likelier, and more of them must be checked.
            scores[refused_indices] = 0.0
        chosen = self._draw_candidates(chances)
        chosen_rests = chosen[slots[chosen] == REST]
        rest_particles = [particles[i] for i in owners[chosen_rests].tolist()]
        # The tree keeps only a part of the tokens of these particles: their rows are read again.
        without_spare = [particle for particle in rest_particles if particle.spare is None]
        steps = self._frontier.read_rows(without_spare, afford)
        if steps is None:
            return None
        self.rows[-1] += len(without_spare)
        for particle, row in zip(without_spare, steps, strict=True):
            self._draw_spare(particle, row)
        following: list[BeamParticle] = []
        for at in chosen.tolist():
            owner = particles[owners[at]]
            chance = float(chances[at])
            after = self._particle_of_candidate(owner, int(slots[at]), chance, ready.get(at))
            if after is not None:
                following.append(after)
        return following

    def _list_candidates(self, particles: list[BeamParticle]) -> tuple[Ids, Ids, Floats]:
        """Return what may follow the particles: the number of the particle, the slot of its node or REST, and
        the score, of each."""
        # Scores count by their shares alone, so the greatest weight is taken out before `exp`.
        top = max(particle.log_weight for particle in particles)
        parts = []
        for at, particle in enumerate(particles):
            node = particle.known_node
            # An edge whose bounds are equal is known: nothing new comes after it.
            is_open = node.uppers > node.lowers
            masses = np.append(node.probabilities * is_open, node.rest)
            scores = math.exp(particle.log_weight - top) * masses * self._score_edges(particle)
            (alive,) = np.nonzero(scores > 0)
            slots = np.where(alive == len(node.tokens), REST, alive)
            parts.append((np.full(len(alive), at), slots, scores[alive]))
        owners, all_slots, all_scores = map(np.concatenate, zip(*parts, strict=True))
        return owners, all_slots, all_scores

    def _score_edges(self, particle: BeamParticle) -> Floats:
        """Return g of each slot and of the rest, and store the estimates of h."""
        node = particle.known_node
        mass = float(node.probabilities.sum()) + node.end + node.rest
        otherwise = min(particle.value / mass, 1.0) if mass > 0 else 1.0
        guesses = self._ahead.estimate_tokens(particle.prefix.state, node.tokens, otherwise)
        for slot, child in node.children.items():
            guesses[slot] = child.estimate
        rest = self._ahead.estimate_rest(particle.prefix.state, otherwise)
        particle.guesses = np.append(guesses, rest)
        # What is known after an edge counts no more, and what is refuted cannot count.
        room = node.uppers - node.lowers
        slot_scores = np.clip(guesses - node.lowers, _FLOOR * room, room)
        return np.append(slot_scores, max(rest, _FLOOR))

    def _find_refused(
        self,
        particles: Sequence[BeamParticle],
        owners: Ids,
        slots: Ids,
        chances: Floats,
        ready: dict[int, BeamParticle],
    ) -> list[int]:
        """Return the indices of the likely candidates that a checker refuses.

        `owners`, `slots`, `chances`: of each candidate the number of its particle, the slot, and the
        probability of being kept; `ready` gets the particles of the others, by their index. For example with
        the `chances` [0.5, 0.01] only the first candidate is checked.
        """
        if not self._target.checkers:
            return []
        refused_indices = []
        for at in np.flatnonzero((chances >= _CHECKED) & (slots != REST)).tolist():
            if at not in ready:
                after = self._frontier.extend_particle(particles[owners[at]], int(slots[at]))
                if after is None:
                    refused_indices.append(at)
                else:
                    ready[at] = after
        return refused_indices

    def _draw_candidates(self, chances: Floats) -> Ids:
        """Return the kept candidates: those above the threshold, and a systematic draw of the others."""
        sure = chances >= 1.0
        sums = np.cumsum(np.where(sure, 0.0, chances))
        # Candidate i is drawn if a point start + k lies in its interval of the cumulative sums.
        counts = np.ceil(np.append(0.0, sums) - self._random.random())
        return np.flatnonzero(sure | (np.diff(counts) > 0))

    def _draw_spare(self, particle: BeamParticle, step: TargetStep) -> None:
        """Draw a token from the rest of a particle's node."""
        node = particle.known_node
        uniform = self._random.random()
        tokens, shares, at = node.draw_beyond(step, uniform, len(node.tokens))
        chance = float(shares[at] / shares.sum())
        particle.spare = int(tokens[at]), chance

    def _particle_of_candidate(
        self, particle: BeamParticle, slot: int, chance: float, after: BeamParticle | None
    ) -> BeamParticle | None:
        """Return the particle of a drawn candidate; None if a checker refuses it.

        `slot` is that of the token in the node of `particle`, or REST. `chance` is the probability with which
        the candidate was kept, for example 0.25, which makes the multiplier four times as large. `after` is
        the particle of the candidate, if `_find_refused` has made it already.
        """
        # The last guess is that of the rest.
        value = float(particle.guesses[-1 if slot == REST else slot])
        share = 1.0
        if slot == REST:
            node = particle.known_node
            assert particle.spare is not None
            token, share = particle.spare
            bytes_before = node.nbytes
            slot = node.keep_token(token, node.rest * share)
            if particle.is_kept:
                self._tree.nbytes += node.nbytes - bytes_before
        after = after or self._frontier.extend_particle(particle, slot)
        if after is not None:
            # A token from the rest was drawn twice: as the rest, and then among its tokens.
            after.log_multiplier -= math.log(chance)
            after.log_multiplier -= math.log(share)
            after.value = value
        return after

    def _update_node(self, particle: BeamParticle) -> None:
        """Compute the bounds and the estimate of a particle's node; those of its descendants come first."""
        node = particle.known_node
        node.recompute_bounds()
        estimate = node.end * node.end_upper
        if len(particle.guesses):
            # Tokens that got a slot after the guesses were made have that of the rest.
            guesses = np.full(len(node.tokens), particle.guesses[-1])
            guesses[: len(particle.guesses) - 1] = particle.guesses[:-1]
            for slot, child in node.children.items():
                guesses[slot] = child.estimate
            estimate += float(node.probabilities @ np.minimum(guesses, node.uppers))
            estimate += node.rest * float(particle.guesses[-1])
        node.estimate = min(max(estimate, node.lower), node.upper)
        if particle.parent is None:
            return
        state = particle.parent.prefix.state
        self._ahead.learn_estimate(state, particle.prefix.tokens[-1], node.estimate)
        if particle.is_kept:
            parent = particle.parent.known_node
            edge = particle.edge
            parent.uppers[edge] = min(parent.uppers[edge], node.upper)
            parent.lowers[edge] = max(parent.lowers[edge], node.lower)
