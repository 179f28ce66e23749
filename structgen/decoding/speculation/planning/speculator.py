"""`Speculator`: drafts for all texts of a batch for the next pass, as far as they save time.

What is learnt while an engine runs, for each kind of batch (`Goodput`): the time of a pass and of one more
row in it, and whether drafts are faster, everything included.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Final, NamedTuple

import numpy as np

from structgen.decoding.speculation.drafts.draft import NO_DRAFT, Draft
from structgen.decoding.speculation.drafts.drafter import DraftContext
from structgen.decoding.speculation.planning.drafting import REMEMBERED, Drafting, reach_probabilities

MOST_TEXTS: Final = 512
"""The most texts of a batch that is drafted for."""
_MOST_KINDS: Final = 64
"""The most kinds of batches (by size and drafters) that are distinguished; the oldest is dropped."""


class Speculator:
    """Belongs to one engine: what passes cost is learnt from all of its texts.

    For each pass: `wants_drafts`; if so, `propose_drafts`; the pass runs; `note_model_time` with its rows and
    seconds; the texts take tokens, and each text's own `Drafting.observe_tokens` is called; `note_other_time`
    with all seconds of the pass. Not thread-safe.

    Drafting must pay for itself, twice. The planner takes a guess if it raises the expected tokens per time.
    Batches of about the same size with the same drafters use drafts only if that is faster; so no drafter is
    asked under load.
    """

    def __init__(self, overhead: float = 1.5e-4) -> None:
        """`overhead`: seconds of a pass outside the model, in the loop."""
        self._overhead = overhead
        self._goodputs: dict[Hashable, Goodput] = {}
        self._pass: _Pass | None = None
        """The pass to be accounted for when the texts have taken their tokens."""

    def wants_drafts(self, count: int, drafters: Hashable) -> bool:
        """Return whether the next pass, of `count` texts with such drafters, drafts. This begins the pass:
        `propose_drafts` may follow, then `note_model_time` and `note_other_time`."""
        if self._pass is not None:
            # Only now have the texts taken the tokens of the last pass: each text one, and those it saved.
            last = self._pass
            self._pass = None
            saved_count = sum(drafting.saved_count - saved_before for drafting, saved_before in last.texts)
            last.goodput.learn_pass(
                last.goodput.is_drafting,
                last.count + saved_count,
                last.seconds,
                last.rows,
                last.model_seconds,
            )
        if count > MOST_TEXTS:
            return False
        # Batches of up to twice the size are of one kind.
        kind = count.bit_length(), drafters
        goodput = self._goodputs.get(kind)
        if goodput is None:
            if len(self._goodputs) >= _MOST_KINDS:
                del self._goodputs[next(iter(self._goodputs))]
            goodput = self._goodputs[kind] = Goodput(count)
        self._pass = _Pass(goodput, count)
        return goodput.is_drafting

    def propose_drafts(
        self,
        draftings: Sequence[Drafting | None],
        views: Sequence[DraftContext | None],
        node_limits: Sequence[int],
    ) -> list[Draft]:
        """Return a draft for each text, of at most `node_limits[i]` nodes; none for a text without a
        `Drafting`."""
        drafts = [NO_DRAFT] * len(draftings)
        if self._pass is None:
            return drafts
        texts = zip(draftings, views, node_limits, strict=True)
        for i, (drafting, view, max_nodes) in enumerate(texts):
            # the first pass with drafts loads code, for which one text is enough
            is_enough = not self._pass.goodput.is_warm[True] and self._pass.texts
            if drafting is None or view is None or max_nodes <= 0 or is_enough:
                continue
            self._pass.texts.append((drafting, drafting.saved_count))
            drafts[i] = drafting.propose_tree(view, max_nodes)
        pass_seconds, row_seconds = self._pass.goodput.pass_and_row_seconds()
        return plan_drafts(drafts, self._overhead + pass_seconds, row_seconds)

    def note_model_time(self, rows: int, seconds: float) -> None:
        """Note the seconds and rows of the model's pass."""
        if self._pass is not None and not self._pass.model_seconds:
            self._pass.rows = rows - self._pass.count
            self._pass.model_seconds = seconds

    def note_other_time(self, seconds: float) -> None:
        """Add seconds of the pass for any other work, before or after the model's."""
        if self._pass is not None:
            self._pass.seconds += seconds


@dataclass(slots=True)
class _Pass:
    """A pass in progress."""

    goodput: Goodput
    count: int
    """Its texts."""
    texts: list[tuple[Drafting, int]] = field(default_factory=list)
    """The texts whose drafters were asked, each with the tokens that drafts had saved it before."""
    rows: int = 0
    """The rows of its drafts."""
    model_seconds: float = 0.0
    """Seconds of the model."""
    seconds: float = 0.0
    """Seconds of the pass so far."""


def plan_drafts(trees: Sequence[Draft], seconds: float, row: float) -> list[Draft]:
    """Return for each request the part of its tree that is worth verifying.

    A pass without guesses takes so many seconds, and each node one row more. Of all parts of the trees, the
    result has the most expected tokens for its time (best-first: DySpec, Xiong et al. 2024; goodput:
    SmartSpec, Liu et al. 2024); of equally good ones it is the smallest. So there is no draft if rows are
    expensive: with many requests at once. Cost: 20 us, and 1 us a node.
    """
    ranking: list[tuple[float, int, int]] = []
    for text, tree in enumerate(trees):
        worth = reach_probabilities(tree.parents.tolist(), tree.chances.tolist())
        ranking += [(-share, text, node) for node, share in enumerate(worth)]
    # no node is worth more than its parent, and of equal ones the parent is the first
    ranking.sort()
    # With the first k nodes of the ranking, k = 0, 1, ...: each text takes one token anyway.
    negative_worths = [0.0, *(negative_worth for negative_worth, _, _ in ranking)]
    expected_tokens = len(trees) - np.cumsum(negative_worths)
    pass_seconds = seconds + row * np.arange(len(ranking) + 1)
    best = int(np.argmax(expected_tokens / pass_seconds))
    nodes: list[list[int]] = [[] for _ in trees]
    for _, text, node in ranking[:best]:
        nodes[text].append(node)
    return [tree.part(kept_nodes) for tree, kept_nodes in zip(trees, nodes, strict=True)]


TRIED: Final = 6
"""Passes of a trial with one text; fewer with several, because each text gives a measurement."""
SHORTEST_WAIT: Final = 32
"""The fewest passes between two trials; two more for each text of the batch, whose drafters are all asked."""
LONGEST_WAIT: Final = 2048
"""The most passes between two trials."""
_SHARE: Final = 0.01
"""The share of the time that trials may take."""
_ROW: Final = 0.08
"""First guess: the time of one more row for a text, in passes without drafts."""


class Goodput:
    """The choice between drafting and not, for batches of one kind, by seconds a token, everything included.

    The faster mode is used; the other one is tried for a few passes from time to time, so that a change is
    noticed; trials take at most a hundredth of the time.
    """

    def __init__(self, texts: int = 1) -> None:
        """`texts`: the number of texts in a batch."""
        self._shortest_wait = SHORTEST_WAIT + 2 * texts
        self._trial_size = max(TRIED // texts, 1)
        self._texts = texts
        self._passes = {
            False: deque[_PastPass](maxlen=REMEMBERED),
            True: deque[_PastPass](maxlen=REMEMBERED),
        }
        """The latest passes without drafts, and with."""
        self.is_warm = {False: False, True: False}
        """Whether a pass without drafts (False), and one with drafts (True), has run."""
        self.is_drafting = False
        """Whether the next pass drafts. The first passes do not, for comparison."""
        self._is_trial = True
        self._countdown = 1 + self._trial_size
        self._trial_seconds = 0.0
        self._trial_tokens = 0
        """Seconds and tokens of the current trial."""

    def learn_pass(
        self, drafting: bool, tokens: int, seconds: float, rows: int = 0, model_seconds: float = 0.0
    ) -> None:
        """Note a pass with its tokens and seconds, the rows of its drafts and the seconds of the model, and
        choose the mode of the next one. The first pass of a mode is ignored: it loads code.

        `drafting`: the mode of the pass. For example `learn_pass(True, 5, 0.02, 8, 0.015)`.
        """
        # A pass in which no text took a token, or a clock that stood still, measures nothing.
        if tokens < 1 or not 0.0 < seconds < float("inf"):
            return
        if self.is_warm[drafting]:
            self._passes[drafting].append(_PastPass(tokens, seconds, rows, model_seconds))
            self._trial_seconds += seconds
            self._trial_tokens += tokens
        self.is_warm[drafting] = True
        self._countdown -= 1
        if self._countdown > 0:
            return
        if not self._passes[True]:
            self._begin_trial(drafting=True)
            # The first pass of the trial loads code and is not counted.
            self._countdown += 1
        elif not self._is_trial:
            self._begin_trial(not self.is_drafting)
        else:
            drafting_rate = self._seconds_per_token(True)
            plain_rate = self._seconds_per_token(False)
            self.is_drafting = drafting_rate < plain_rate
            self._is_trial = False
            # The dearer the trial was, the longer until the next one: trials take `_SHARE` of the time.
            lost_seconds = self._trial_seconds - self._trial_tokens * min(drafting_rate, plain_rate)
            lost_passes = lost_seconds / self._median_seconds(self.is_drafting)
            wait = max(lost_passes / _SHARE, self._shortest_wait)
            self._countdown = int(min(wait, LONGEST_WAIT))

    def _begin_trial(self, drafting: bool) -> None:
        """Begin a trial. The earlier passes of the mode may be long ago."""
        self.is_drafting = drafting
        self._is_trial = True
        self._countdown = self._trial_size
        self._trial_seconds = 0.0
        self._trial_tokens = 0
        self._passes[drafting].clear()

    def _median_seconds(self, drafting: bool) -> float:
        """Return the median seconds of a pass, which ignores one that waited for another process."""
        return median(past_pass.seconds for past_pass in self._passes[drafting])

    def _seconds_per_token(self, drafting: bool) -> float:
        """Return seconds a token. A pass takes about as long however many guesses were accepted."""
        mean_tokens = fmean(past_pass.tokens for past_pass in self._passes[drafting])
        return self._median_seconds(drafting) / mean_tokens

    def pass_and_row_seconds(self) -> tuple[float, float]:
        """Return the model's seconds of a pass without drafts, and those of one more row: the median over the
        latest passes with drafts, so that a pass that waited for another process changes little."""
        pass_seconds = median(past_pass.model_seconds for past_pass in self._passes[False])
        row_seconds = []
        for past_pass in self._passes[True]:
            if past_pass.rows:
                added_seconds = max(past_pass.model_seconds - pass_seconds, 0.0)
                row_seconds.append(added_seconds / past_pass.rows)
        if row_seconds:
            return pass_seconds, median(row_seconds)
        return pass_seconds, _ROW * pass_seconds / self._texts


class _PastPass(NamedTuple):
    """A pass that is over."""

    tokens: int
    seconds: float
    rows: int
    """Of its drafts."""
    model_seconds: float
    """Seconds of the model."""
