"""The probability that a model's text begins with some bytes.

For bytes s, P(s) is the sum over the token sequences that cover s: all their tokens but the last one end
inside s, and the last one may stick out. A *covering* is such a sequence without the token that sticks out:
its tokens write s up to some place, and `rest` is what is left of s. It adds its probability times that of
all tokens that begin with `rest` and are longer; a covering that ends where s ends adds its whole
probability. The frontier of s is the coverings that still add something. Different sequences of the same
bytes stay apart: the model goes on differently after them.

Coverings below a share `prune` of P(s) are dropped; `dropped` bounds what that takes from P.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

import structgen as sg
from structgen.strategies import ModelRows

Floats = npt.NDArray[np.float64]
Tokens = tuple[int, ...]


class TokenRanges:
    """Which tokens begin with some bytes."""

    def __init__(self, tokenizer: sg.Tokenizer) -> None:
        self.tokenizer = tokenizer
        pairs = sorted((data, token) for token, data in enumerate(tokenizer.token_bytes) if data)
        self.data = [data for data, _ in pairs]
        self.tokens = np.array([token for _, token in pairs], np.int64)
        self.ends = np.array(sorted(tokenizer.eos_token_ids), np.int64)

    def beginning(self, data: bytes) -> slice:
        """Return the place of the tokens that begin with some bytes, those that are these bytes first."""
        return slice(bisect_left(self.data, data), bisect_left(self.data, _behind(data), lo=0))

    def exactly(self, data: bytes) -> slice:
        """Return the place of the tokens that are these bytes."""
        return slice(bisect_left(self.data, data), bisect_left(self.data, data + b"\0"))

    def longer(self, data: bytes) -> slice:
        """Return the place of the tokens that begin with some bytes and are longer."""
        return slice(self.exactly(data).stop, self.beginning(data).stop)


@dataclass(slots=True, eq=False)
class Covering:
    """Tokens that write a beginning of s."""

    tokens: Tokens
    logprob: float
    rest: bytes
    """What is left of s."""
    law: Floats | None = None
    """The log-probabilities [V] of the next token, once they were read."""

    def going_on(self, data: bytes) -> Covering:
        """Return the covering where s has some more bytes."""
        return Covering(self.tokens, self.logprob, self.rest + data, self.law)


class ByteFrontier:
    """The coverings of some bytes behind a prompt. A value: `after` returns another one."""

    def __init__(
        self,
        rows: ModelRows,
        ranges: TokenRanges,
        coverings: Sequence[Covering] | None = None,
        *,
        text: bytes = b"",
        prune: float = 0.0,
        canonical: bool = False,
        dropped: float = 0.0,
    ) -> None:
        """`canonical`: only coverings that are the first of the tokenizer's own tokens of s."""
        self.rows, self.ranges, self.text = rows, ranges, text
        self.coverings = (Covering((), 0.0, b""),) if coverings is None else tuple(coverings)
        self._prune, self._canonical = prune, canonical
        self.dropped = dropped
        """A bound on the share of the true P(s) that dropped coverings would add."""

    def read(self, coverings: Iterable[Covering]) -> None:
        """Have the model read coverings whose laws are not known, in few passes."""
        unread = [one for one in coverings if one.law is None]
        for one, row in zip(unread, self.rows.read([one.tokens for one in unread]), strict=True):
            one.law = row - np.logaddexp.reduce(row)

    @property
    def logprob(self) -> float:
        """log P(s), without the dropped coverings; -inf if the model cannot write s."""
        self.read(one for one in self.coverings if one.rest)
        added = [self._added(one) for one in self.coverings]
        return float(np.logaddexp.reduce(added)) if added else -np.inf

    def _added(self, one: Covering) -> float:
        """Return the log of what a covering adds to P(s)."""
        if not one.rest:
            return one.logprob
        assert one.law is not None
        longer = self.ranges.tokens[self.ranges.longer(one.rest)]
        return one.logprob + float(np.logaddexp.reduce(one.law[longer])) if len(longer) else -np.inf

    def end_logprob(self) -> float:
        """Return the log-probability that the text is s, and ends."""
        whole = [one for one in self.coverings if not one.rest]
        self.read(whole)
        ends = self.ranges.ends
        found = [
            one.logprob + float(np.logaddexp.reduce(one.law[ends]))
            for one in whole
            if one.law is not None and len(ends)
        ]
        return float(np.logaddexp.reduce(found)) if found else -np.inf

    def after(self, data: bytes) -> ByteFrontier:
        """Return the frontier of s and some more bytes. Cost: rows of the coverings that are new."""
        text = self.text + data
        own = self._own_tokens(text) if self._canonical else None
        # a token that ends before the new bytes was taken into account when its last byte came
        open_ = [(one.going_on(data), len(one.rest) + 1) for one in self.coverings]
        done: list[Covering] = []
        while open_:
            done += [one for one, _ in open_]
            self.read(one for one, _ in open_ if one.rest)
            found = [
                Covering((*one.tokens, int(token)), one.logprob + float(one.law[token]), one.rest[size:])
                for one, least in open_
                if one.law is not None
                for size in range(least, len(one.rest) + 1)
                for token in self.ranges.tokens[self.ranges.exactly(one.rest[:size])]
            ]
            open_ = [(one, 1) for one in found if own is None or own[: len(one.tokens)] == one.tokens]
        if own is not None:
            done = [one for one in done if own[: len(one.tokens)] == one.tokens]
        return self._kept(done, text)

    def _own_tokens(self, text: bytes) -> Tokens:
        try:
            return tuple(self.ranges.tokenizer.encode(text))
        except sg.errors.TokenizerError:  # bytes that no token writes
            return ()

    def _kept(self, coverings: list[Covering], text: bytes) -> ByteFrontier:
        """Return the frontier of the coverings that add something."""
        added = np.array([self._added(one) for one in coverings])
        kept = np.isfinite(added)
        dropped = self.dropped
        if kept.any() and self._prune > 0:
            whole = float(np.logaddexp.reduce(added[kept]))
            kept &= added - whole >= np.log(self._prune)
            dropped = 1 - (1 - dropped) * float(np.exp(np.logaddexp.reduce(added[kept]) - whole))
        left = [one for one, stays in zip(coverings, kept, strict=True) if stays]
        return ByteFrontier(
            self.rows,
            self.ranges,
            left,
            text=text,
            prune=self._prune,
            canonical=self._canonical,
            dropped=dropped,
        )


def _behind(data: bytes) -> bytes:
    """Return the least bytes that are greater than all that begin with some bytes."""
    cut = data.rstrip(b"\xff")
    return cut[:-1] + bytes([cut[-1] + 1]) if cut else b"\xff" * 65_536
