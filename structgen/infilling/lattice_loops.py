"""The logits of one slot as scores of token classes: the one compiled part of infilling.

A score is the logarithm of the summed exponentials of a class's logits. At 131,072 tokens numpy's
exponentials in float64 take most of a step's time; here they are vectorised, with a relative error of 6e-11.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from structgen.infilling.token_automaton import TokenAutomaton
from structgen.native.jit import entry, jit

Array: TypeAlias = npt.NDArray[Any]

_FEW = 12
"""For classes of at most so many tokens, exponentials are computed one by one with libm's accuracy."""
_LOG2_E = math.log2(math.e)
_ROUND = 1.5 * 2.0**52 + 1023
"""Adding this to a number leaves its nearest integer, plus the bias of exponents, in the lowest bits."""


def class_scores(
    automaton: TokenAutomaton, row: npt.NDArray[np.float32], scale: float, allowed: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Return [3, classes] for float32 logits [V], each multiplied by `scale` (1 / temperature): the scores of
    the `allowed` classes; the means of their logits under their softmax, for entropies; and the greatest
    logits of all classes. They are minus infinity for other classes, and for marks, which have no tokens.

    The error is at most 6e-11; for classes of up to _FEW tokens only rounding. Cost: four passes over the
    row, of which the one with exponentials takes most.
    """
    found = np.full((3, automaton.classes), -math.inf)
    values, first = row[automaton.class_tokens], automaton.class_start[:-1]
    first = first[: np.searchsorted(first, len(values))]
    if len(values):
        found[2, : len(first)] = np.maximum.reduceat(values, first)
    found[2] *= scale
    _fill(values, scale, automaton.class_start, allowed, found[2], found[0], found[1])
    return found


@entry("void(float32[::1], float64, int32[::1], boolean[::1], float64[::1], float64[::1], float64[::1])")
def _fill(
    values: Array, scale: float, start: Array, allowed: Array, tops: Array, scores: Array, means: Array
) -> None:
    """Write the scores and means of the allowed classes. `values`: the logits in order of classes; class c
    has those from start[c] to start[c + 1], of which the greatest, times scale, is tops[c]."""
    for c in range(len(scores)):
        if not allowed[c] or tops[c] == -math.inf:
            continue
        inside = values[start[c] : start[c + 1]]
        total = moment = 0.0
        if len(inside) <= _FEW:
            for j in range(len(inside)):
                x = inside[j] * scale - tops[c]
                if x > -700.0:
                    total += math.exp(x)
                    moment += x * math.exp(x)
        else:
            total, moment = _sums(inside, scale, tops[c])
        scores[c] = tops[c] + math.log(total)
        means[c] = tops[c] + moment / total


@jit
def _sums(values: Array, scale: float, top: float) -> tuple[Any, Any]:
    """Return the sum of e^x, where x is a logit times `scale`, minus `top`; and the sum of x e^x. Vectorised:
    the order is free, and each x below -693 counts as 2^-1000."""
    total = moment = 0.0
    for v in range(len(values)):
        z = _times_plus(np.float64(values[v]), scale * _LOG2_E, -top * _LOG2_E)
        z = z if z > -1000.0 else -1000.0
        y = _two_to(z)
        total = _plus(total, y)
        moment = _plus(moment, z * y)
    return total, moment / _LOG2_E


@jit
def _two_to(z: float) -> Any:
    """Return 2^z for z from -1,000 to 1,000, with a relative error of 6e-11.

    z is rounded to an integer, the exponent. The rest, between -1/2 and 1/2, goes into a polynomial that
    agrees with 2^z at the Chebyshev points.
    """
    rounded = z + _ROUND
    rest = z - (rounded - _ROUND)
    y = _times_plus(1.5303708861878998e-05, rest, 0.00015469742403451862)
    y = _times_plus(y, rest, 0.0013333478450584264)
    y = _times_plus(y, rest, 0.009618025572164828)
    y = _times_plus(y, rest, 0.0555041090633914)
    y = _times_plus(y, rest, 0.24022651213805887)
    y = _times_plus(y, rest, 0.693147180556833)
    y = _times_plus(y, rest, 0.9999999999595298)
    return y * _low_bits_as_exponent(rounded)


# --- instructions that numba has no name for ----------------------------------------------------------------


@intrinsic  # type: ignore[untyped-decorator]
def _times_plus(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    """Return a * b + c, rounded once."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return types.float64(types.float64, types.float64, types.float64), generate


@intrinsic  # type: ignore[untyped-decorator]
def _plus(typingctx: Any, a: Any, b: Any) -> Any:
    """Return a + b; in a loop such sums may be reordered, so that they vectorise."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fadd(*arguments, flags=("reassoc", "nsz"))

    return types.float64(types.float64, types.float64), generate


@intrinsic  # type: ignore[untyped-decorator]
def _low_bits_as_exponent(typingctx: Any, number: Any) -> Any:
    """Return the float64 whose exponent bits are the lowest bits of a float64, and whose other bits are 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word = builder.bitcast(arguments[0], ir.IntType(64))
        return builder.bitcast(builder.shl(word, ir.Constant(ir.IntType(64), 52)), ir.DoubleType())

    return types.float64(types.float64), generate
