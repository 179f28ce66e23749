"""`Goodput`: whether batches are written faster with drafts or without, found by trying both.

What counts is seconds a token, everything included: asking drafters, the model's pass, masks, the choice of
tokens. It is measured for passes of either kind. The faster kind is used. The other one is tried for a few
passes now and then, so that a change is noticed: so rarely that trials take a hundredth of the time at most.
"""

from __future__ import annotations

from collections import deque
from statistics import fmean, median
from typing import Final

TRIED: Final = 6
"""Passes of a trial with one text; with several, of which each says something, fewer."""
SHORTEST_WAIT: Final = 32
"""Passes between two trials, at least; two more for each text of the batch, whose drafters are all asked."""
LONGEST_WAIT: Final = 2048
"""Passes between two trials, at most."""
_SHARE: Final = 0.01
"""The part of the time that trials may take."""
_KEPT: Final = 32
"""Passes of a kind that are remembered."""
_GAIN: Final = 0.03
"""The part of the time that drafts have to save: where it is less, they are not worth the unrest."""


class Rate:
    """Seconds a token of the latest passes of one kind."""

    __slots__ = ("_is_cold", "_seconds", "_tokens")

    def __init__(self) -> None:
        self._is_cold = True
        self._tokens: deque[int] = deque(maxlen=_KEPT)
        self._seconds: deque[float] = deque(maxlen=_KEPT)

    def __len__(self) -> int:
        return len(self._tokens)

    @property
    def of_pass(self) -> float:
        """Seconds a pass, the median."""
        return median(self._seconds)

    @property
    def seconds(self) -> float:
        """Seconds a token: those of a pass, by its mean tokens. A pass takes about as long however many of
        its guesses were right; one that waited for another process changes nothing."""
        return self.of_pass / fmean(self._tokens)

    def learn(self, tokens: int, seconds: float) -> bool:
        """Take note of a pass. Returns False for the first one of a kind, which is left out: it loads
        code."""
        if self._is_cold:
            self._is_cold = False
            return False
        self._tokens.append(tokens)
        self._seconds.append(seconds)
        return True

    def forget(self) -> None:
        """Forget the passes so far: they may be long ago."""
        self._tokens.clear()
        self._seconds.clear()


class Goodput:
    """The choice between drafts and none, for batches of one kind."""

    __slots__ = (
        "_drafted",
        "_is_trial",
        "_left",
        "_plain",
        "_shortest",
        "_spent",
        "_tried",
        "_written",
        "is_drafting",
    )

    def __init__(self, texts: int = 1) -> None:
        """`texts`: how many are in a batch."""
        self._shortest, self._tried = SHORTEST_WAIT + 2 * texts, max(TRIED // texts, 1)
        self._drafted, self._plain = Rate(), Rate()
        self.is_drafting = False
        """Whether the next pass is to have drafts. The first ones have none, for drafts to be compared
        with."""
        self._is_trial, self._left = True, 1 + self._tried
        self._spent, self._written = 0.0, 0
        """Seconds and tokens of the trial so far."""

    @property
    def is_settled(self) -> bool:
        """Whether no trial is under way."""
        return not self._is_trial

    def learn(self, drafting: bool, tokens: int, seconds: float, passes: int = 1) -> None:
        """Take note of a pass that wrote so many tokens in so many seconds, and choose for the next one;
        `passes`: it stands for so many."""
        if tokens < 1 or not 0.0 < seconds < float("inf"):
            return
        if (self._drafted if drafting else self._plain).learn(tokens, seconds):
            self._spent, self._written = self._spent + seconds, self._written + tokens
        self._left -= passes
        if self._left > 0:
            return
        if not len(self._drafted):
            self._try(drafting=True)
            self._left += 1
        elif not self._is_trial:
            # the kind in use has had its time: the other one is tried
            self._try(not self.is_drafting)
        else:
            drafted, plain = self._drafted.seconds, self._plain.seconds
            self.is_drafting, self._is_trial = drafted <= (1.0 - _GAIN) * plain, False
            lost = self._spent - self._written * min(drafted, plain)
            of_pass = (self._drafted if self.is_drafting else self._plain).of_pass
            self._left = int(min(max(lost / of_pass / _SHARE, self._shortest), LONGEST_WAIT))

    def _try(self, drafting: bool) -> None:
        self.is_drafting, self._is_trial, self._left = drafting, True, self._tried
        self._spent, self._written = 0.0, 0
        (self._drafted if drafting else self._plain).forget()
