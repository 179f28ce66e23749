"""`Goodput`: whether batches are faster with drafts or without, by trying both.

The measure is seconds a token, everything included: drafters, the model's pass, masks, the choice of tokens.
The faster mode is used. The other one is tried for a few passes from time to time, so that a change is
noticed; trials take at most a hundredth of the time.
"""

from __future__ import annotations

from collections import deque
from statistics import fmean, median
from typing import Final

TRIED: Final = 6
"""Passes of a trial with one text; fewer with several, because each text gives a measurement."""
SHORTEST_WAIT: Final = 32
"""The fewest passes between two trials; two more for each text of the batch, whose drafters are all asked."""
LONGEST_WAIT: Final = 2048
"""The most passes between two trials."""
_SHARE: Final = 0.01
"""The share of the time that trials may take."""
_KEPT: Final = 32
"""Passes of a mode that are remembered."""
_GAIN: Final = 0.03
"""The share of the time that drafts must save to be used, so that noise does not switch modes."""


class Rate:
    """Seconds a token of the latest passes in one mode."""

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
        """Seconds a token: the median seconds of a pass, divided by its mean tokens. A pass takes about as
        long however many guesses were accepted; the median ignores a pass that waited for another process."""
        return self.of_pass / fmean(self._tokens)

    def learn(self, tokens: int, seconds: float) -> bool:
        """Note a pass. Returns False for the first pass of a mode, which is ignored: it loads code."""
        if self._is_cold:
            self._is_cold = False
            return False
        self._tokens.append(tokens)
        self._seconds.append(seconds)
        return True

    def forget(self) -> None:
        """Forget the passes so far, which may be long ago."""
        self._tokens.clear()
        self._seconds.clear()


class Goodput:
    """The choice between drafting and not, for batches of one kind."""

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
        """`texts`: the number of texts in a batch."""
        self._shortest, self._tried = SHORTEST_WAIT + 2 * texts, max(TRIED // texts, 1)
        self._drafted, self._plain = Rate(), Rate()
        self.is_drafting = False
        """Whether the next pass drafts. The first passes do not, for comparison."""
        self._is_trial, self._left = True, 1 + self._tried
        self._spent, self._written = 0.0, 0
        """Seconds and tokens of the current trial."""

    def learn(self, drafting: bool, tokens: int, seconds: float) -> None:
        """Note a pass with its tokens and seconds, and choose the mode of the next one."""
        if tokens < 1 or not 0.0 < seconds < float("inf"):
            return
        if (self._drafted if drafting else self._plain).learn(tokens, seconds):
            self._spent, self._written = self._spent + seconds, self._written + tokens
        self._left -= 1
        if self._left > 0:
            return
        if not len(self._drafted):
            self._try(drafting=True)
            self._left += 1
        elif not self._is_trial:
            # time for a trial of the other mode
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
