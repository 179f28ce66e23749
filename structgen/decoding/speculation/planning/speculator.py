"""`Speculator`: drafts for all texts of a batch for the next pass, as far as they save time.

A *pass* is one forward pass of the model for a batch of texts. It reads one *row* for each text, and one more
for each *node* (guessed token) of a *draft* (tree of guesses). A *trial* is a few passes in the slower mode,
to notice a change. A *kind* of batch is its size, roughly, and its drafters.

For each kind of batch, `Goodput` learns while the engine runs: the time of a pass, the time of one more row,
and whether drafting is faster, everything included.
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
    """Plans the drafts of one engine. It learns from all texts of the engine what passes cost.

    Order of calls for each pass: `wants_drafts`; if it returns True, `propose_drafts`; the pass runs;
    `note_model_time` with its rows and seconds; the texts take tokens, and `Drafting.observe_tokens` is
    called for each text; `note_other_time` with the other seconds of the pass. Not thread-safe.

    Drafting must pay for itself in two ways. A guess is verified only if it raises the expected tokens per
    second. A kind of batch uses drafts only if that was measured to be faster, so no drafter is called under
    load.
    """

    def __init__(self, overhead: float = 1.5e-4) -> None:
        """`overhead`: the seconds of a pass outside the model, in the engine's loop."""
        self._overhead = overhead
        self._goodputs: dict[Hashable, Goodput] = {}
        self._pass: _Pass | None = None
        """The pass in progress. It is counted at the next call of `wants_drafts`, when the texts have taken
        its tokens."""

    def wants_drafts(self, count: int, drafters: Hashable) -> bool:
        """Return whether the next pass should use drafts. This begins the pass.

        `count`: the number of its texts. `drafters`: a key of the texts' drafters (`Speculation.kind`).
        """
        if self._pass is not None:
            # Only now have the texts taken the tokens of the last pass: one for each text, and the accepted
            # guesses.
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
        # Sizes with the same number of bits are of one kind, e.g. 4 to 7 texts.
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
            # The first pass with drafts loads code. For this the draft of one text is enough.
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
    """A pass in progress, with what is measured of it."""

    goodput: Goodput
    count: int
    """The number of its texts."""
    texts: list[tuple[Drafting, int]] = field(default_factory=list)
    """The texts whose drafters were called, each with its `saved_count` before the pass."""
    rows: int = 0
    """The number of rows of its drafts."""
    model_seconds: float = 0.0
    """The seconds of the model's forward pass."""
    seconds: float = 0.0
    """The seconds of the pass so far, everything included."""


def plan_drafts(trees: Sequence[Draft], seconds: float, row: float) -> list[Draft]:
    """Return for each request the part of its tree that is worth verifying.

    `seconds`: the time of a pass without guesses. `row`: the seconds that each node adds. The result is the
    choice of nodes with the most expected tokens per second; among equally good choices it is the smallest.
    So it has no nodes if rows are expensive, as with many requests at once. Nodes are chosen best-first
    (DySpec, Xiong et al. 2024) for goodput (SmartSpec, Liu et al. 2024). Cost: 20 us, and 1 us a node.
    """
    ranking: list[tuple[float, int, int]] = []
    for text, tree in enumerate(trees):
        worth = reach_probabilities(tree.parents.tolist(), tree.chances.tolist())
        ranking += [(-share, text, node) for node, share in enumerate(worth)]
    # No node is worth more than its parent, and among equal nodes the parent comes first.
    ranking.sort()
    # Below, the expected tokens with the first k nodes of the ranking, for k = 0, 1, ... Each text takes one
    # token in any case.
    negative_worths = [0.0, *(negative_worth for negative_worth, _, _ in ranking)]
    expected_tokens = len(trees) - np.cumsum(negative_worths)
    pass_seconds = seconds + row * np.arange(len(ranking) + 1)
    best = int(np.argmax(expected_tokens / pass_seconds))
    nodes: list[list[int]] = [[] for _ in trees]
    for _, text, node in ranking[:best]:
        nodes[text].append(node)
    return [tree.part(kept_nodes) for tree, kept_nodes in zip(trees, nodes, strict=True)]


TRIED: Final = 6
"""The number of passes of a trial with one text. With several texts it is less, because each is measured."""
SHORTEST_WAIT: Final = 32
"""The fewest passes between two trials. Each text of the batch adds two, because a trial calls the drafters
of all texts."""
LONGEST_WAIT: Final = 2048
"""The most passes between two trials."""
_SHARE: Final = 0.01
"""The share of the time that trials may take."""
_ROW: Final = 0.08
"""The first guess of the time of one more row for a text, as a share of a pass without drafts."""


class Goodput:
    """Chooses between drafting and not drafting (the two *modes*) for batches of one kind.

    The mode with fewer seconds a token is used, everything included. From time to time the other mode is
    tried for a few passes, so that a change is noticed. Trials take at most a hundredth of the time.
    """

    def __init__(self, texts: int) -> None:
        """`texts`: the number of texts in a batch."""
        self._shortest_wait = SHORTEST_WAIT + 2 * texts
        self._trial_size = max(TRIED // texts, 1)
        self._texts = texts
        self._passes = {
            False: deque[_PastPass](maxlen=REMEMBERED),
            True: deque[_PastPass](maxlen=REMEMBERED),
        }
        """The latest passes of each mode: without drafts (False), and with drafts (True)."""
        self.is_warm = {False: False, True: False}
        """Whether a pass without drafts (False), and one with drafts (True), has run."""
        self.is_drafting = False
        """Whether the next pass uses drafts. The first passes do not, for comparison."""
        self._is_trial = True
        self._countdown = 1 + self._trial_size
        self._trial_seconds = 0.0
        self._trial_tokens = 0
        """The tokens of the current trial, and above its seconds."""

    def learn_pass(
        self, drafting: bool, tokens: int, seconds: float, rows: int, model_seconds: float
    ) -> None:
        """Note a pass, and choose the mode of the next one. The first pass of a mode is ignored: it loads
        code.

        `drafting`: the mode of the pass. `tokens`: how many tokens its texts took. `seconds`: its time,
        everything included. `rows`: the rows of its drafts. `model_seconds`: the time of the model. For
        example `learn_pass(True, 5, 0.02, 8, 0.015)`.
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
            # The more time the trial lost, the longer the wait until the next one, so that trials take
            # `_SHARE` of the time.
            lost_seconds = self._trial_seconds - self._trial_tokens * min(drafting_rate, plain_rate)
            lost_passes = lost_seconds / self._median_seconds(self.is_drafting)
            wait = max(lost_passes / _SHARE, self._shortest_wait)
            self._countdown = int(min(wait, LONGEST_WAIT))

    def _begin_trial(self, drafting: bool) -> None:
        """Begin a trial of a mode. Its earlier passes are forgotten, because they may be long ago."""
        self.is_drafting = drafting
        self._is_trial = True
        self._countdown = self._trial_size
        self._trial_seconds = 0.0
        self._trial_tokens = 0
        self._passes[drafting].clear()

    def _median_seconds(self, drafting: bool) -> float:
        """Return the median seconds of the latest passes of a mode. The median ignores a pass that waited for
        another process."""
        return median(past_pass.seconds for past_pass in self._passes[drafting])

    def _seconds_per_token(self, drafting: bool) -> float:
        """Return the seconds a token of a mode: median seconds of a pass, by mean tokens of a pass. A pass
        takes about as long however many guesses are accepted."""
        mean_tokens = fmean(past_pass.tokens for past_pass in self._passes[drafting])
        return self._median_seconds(drafting) / mean_tokens

    def pass_and_row_seconds(self) -> tuple[float, float]:
        """Return the model's seconds of a pass without drafts, and the seconds that one more row adds.

        The second is the median over the latest passes with drafts. So a pass that waited for another process
        changes little.
        """
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
    """The figures of a pass that is over."""

    tokens: int
    seconds: float
    rows: int
    """The number of rows of its drafts."""
    model_seconds: float
    """The seconds of the model's forward pass."""
