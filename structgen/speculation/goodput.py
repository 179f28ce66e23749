"""`Goodput`: whether batches are written faster with drafts or without, found by trying both.

What counts is seconds a token, everything included: asking drafters, the model's pass, masks, the choice of
tokens. It is measured for passes of either kind. The faster kind is used. The other one is tried for a few
passes now and then, so that a change is noticed: so rarely that trials take a hundredth of the time at most.
"""

from __future__ import annotations

from typing import Final

TRIED: Final = 6
"""Passes of a trial with one text; with several, of which each says something, fewer."""
SHORTEST_WAIT: Final = 32
"""Passes between two trials, at least; two more for each text of the batch, whose drafters are all asked."""
LONGEST_WAIT: Final = 2048
"""Passes between two trials, at most."""
_SHARE: Final = 0.01
"""The part of the time that trials may take."""
_KEPT: Final = 0.97
"""What a pass counts for after the next one: some thirty passes are remembered."""
_KEPT_AT_TRIAL: Final = 0.25
"""What all earlier passes count for when the kind is tried again: they may be long ago."""
_CLIPPED: Final = 3.0
"""A pass counts for at most so many times the mean: it may have waited for another process."""
_GAIN: Final = 0.03
"""The part of the time that drafts have to save: where it is less, they are not worth the unrest."""


class Rate:
    """Seconds a token of passes of one kind."""

    __slots__ = ("_seconds", "_tokens", "_weight", "passes")

    def __init__(self) -> None:
        self.passes = 0
        self._seconds = self._tokens = self._weight = 0.0

    @property
    def seconds(self) -> float:
        """Seconds a token; 0 before the first pass."""
        return self._seconds / self._tokens if self._tokens else 0.0

    def learn(self, tokens: int, seconds: float) -> None:
        """Take note of a pass."""
        if self._weight:
            seconds = min(seconds, _CLIPPED * self._seconds / self._weight)
        self.fade(_KEPT)
        self.passes += 1
        self._seconds, self._tokens, self._weight = (
            self._seconds + seconds,
            self._tokens + tokens,
            self._weight + 1.0,
        )

    def fade(self, kept: float) -> None:
        """Have the passes so far count for less."""
        self._seconds, self._tokens, self._weight = (
            kept * self._seconds,
            kept * self._tokens,
            kept * self._weight,
        )


class Goodput:
    """The choice between drafts and none, for batches of one kind."""

    __slots__ = ("_drafted", "_is_cold", "_is_trial", "_left", "_plain", "_shortest", "_tried", "is_drafting")

    def __init__(self, texts: int = 1) -> None:
        """`texts`: how many are in a batch."""
        self._shortest, self._tried = SHORTEST_WAIT + 2 * texts, max(TRIED // texts, 2)
        self._drafted, self._plain = Rate(), Rate()
        self.is_drafting = False
        """Whether the next pass is to have drafts. The first one has none: drafts are compared with it."""
        self._is_trial = self._is_cold = True
        self._left = 1

    def learn(self, drafting: bool, tokens: int, seconds: float) -> None:
        """Take note of a pass that wrote so many tokens in so many seconds, and choose for the next one."""
        if tokens < 1 or not 0.0 < seconds < float("inf"):
            return
        if drafting and self._is_cold:
            # the first drafts of a process load code
            self._is_cold = False
        else:
            (self._drafted if drafting else self._plain).learn(tokens, seconds)
        self._left -= 1
        if self._left > 0:
            return
        if not self._drafted.passes:
            self.is_drafting, self._left = True, self._tried
            return
        if not self._is_trial:
            # the kind in use has had its time: the other one is tried
            self._is_trial, self._left = True, self._tried
            self.is_drafting = not self.is_drafting
            (self._drafted if self.is_drafting else self._plain).fade(_KEPT_AT_TRIAL)
            return
        drafted, plain = self._drafted.seconds, self._plain.seconds
        lost = self._tried * (max(drafted, plain) / min(drafted, plain) - 1.0)
        self.is_drafting, self._is_trial = drafted <= (1.0 - _GAIN) * plain, False
        self._left = int(min(max(lost / _SHARE, self._shortest), LONGEST_WAIT))
