"""The compiled loops of infilling: the logits of one slot as scores of token classes, and weights of paths
taken over one slot.

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
_BLOCK = 1024
"""Logits that are summed at a time where a token is drawn."""
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


def drawn_logit(logits: npt.NDArray[np.float32], scale: float, uniform: float) -> int:
    """Return a place drawn by the softmax of logits times `scale`: where the running sum passes `uniform` of
    the whole. One logit at least is finite. Cost: two passes."""
    return int(_draw(logits, scale, float(logits.max()) * scale, uniform))


@entry("int64(float32[::1], float64, float64, float64)")
def _draw(values: Array, scale: float, top: float, uniform: float) -> int:
    """Whole blocks are left behind by their sums. A place without weight is never drawn."""
    left = uniform * _sums(values, scale, top)[0]
    for begin in range(0, len(values), _BLOCK):
        block = values[begin : begin + _BLOCK]
        total = _sums(block, scale, top)[0]
        if total <= left:
            left -= total
            continue
        for v in range(len(block)):
            share = math.exp(block[v] * scale - top)
            left -= share
            if share > 0.0 and left < 0.0:
                return begin + v
    last = len(values) - 1  # rounding left a rest behind the last weight
    while values[last] == -math.inf:
        last -= 1
    return last


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


# --- paths over a slot --------------------------------------------------------------------------------------
#
# `first`, `target`, `label`: an automaton's edges (`Edges`). `jump`: of each node behind this slot the node
# before the next masked one; -1 for none. Arrays of nodes have one more element, for the node -1. `usable`:
# how many labels, the first ones, edges of the slot have.

_EDGES = "int64[::1], int64[::1], int64[::1], int64[::1]"


@entry(f"void({_EDGES}, int64, boolean[::1], boolean[::1])")
def find_leads(
    first: Array, target: Array, label: Array, jump: Array, usable: int, after: Array, found: Array
) -> None:
    """Write for each node whether some way leads from it to the end. `after` says this of the next masked
    slot's nodes."""
    for node in range(len(first) - 1):
        found[node] = False
        for e in range(first[node], first[node + 1]):
            if label[e] < usable and after[jump[target[e]]]:
                found[node] = True
                break


@entry(f"void({_EDGES}, int64, boolean[::1], boolean[::1])")
def find_reached(
    first: Array, target: Array, label: Array, jump: Array, usable: int, here: Array, there: Array
) -> None:
    """Mark the next masked slot's nodes that are reached from the nodes `here`."""
    for node in range(len(first) - 1):
        if here[node]:
            for e in range(first[node], first[node + 1]):
                if label[e] < usable and jump[target[e]] >= 0:
                    there[jump[target[e]]] = True


@entry(f"void({_EDGES}, int64, boolean[::1], boolean[::1], boolean[::1])")
def find_live(
    first: Array,
    target: Array,
    label: Array,
    jump: Array,
    usable: int,
    here: Array,
    after: Array,
    live: Array,
) -> None:
    """Mark the labels of edges from the nodes `here` to those that have a way to the end (`after`)."""
    for node in range(len(first) - 1):
        if here[node]:
            for e in range(first[node], first[node + 1]):
                if label[e] < usable and after[jump[target[e]]]:
                    live[label[e]] = True


@entry(f"void({_EDGES}, float64[::1], float64[::1], boolean, float64[::1])")
def find_weights(
    first: Array,
    target: Array,
    label: Array,
    jump: Array,
    weights: Array,
    after: Array,
    is_sum: bool,
    found: Array,
) -> None:
    """Write the weight of all ways from each node: the logarithm of their sum, or the greatest. `weights`: of
    each label; `after`: of the ways from the next masked slot's nodes, minus infinity for the node -1."""
    for node in range(len(first) - 1):
        top, total = -math.inf, 0.0
        for e in range(first[node], first[node + 1]):
            top = max(top, weights[label[e]] + after[jump[target[e]]])
        if is_sum and top > -math.inf:
            for e in range(first[node], first[node + 1]):
                total += math.exp(weights[label[e]] + after[jump[target[e]]] - top)
            top += math.log(total)
        found[node] = top


@entry(f"void({_EDGES}, float64[::1], float64[:, ::1], float64[::1], float64[::1], float64[::1])")
def find_chances(
    first: Array,
    target: Array,
    label: Array,
    jump: Array,
    weights: Array,
    ahead: Array,
    here: Array,
    there: Array,
    labels: Array,
) -> None:
    """Add the probabilities of the next masked slot's nodes, and those of labels, from the probabilities of
    this slot's nodes (`here`). `ahead`: what `find_weights` found for this slot and for the next one."""
    for node in range(len(first) - 1):
        if here[node] > 0.0:
            for e in range(first[node], first[node + 1]):
                to = jump[target[e]]
                if to >= 0:
                    share = here[node] * math.exp(weights[label[e]] + ahead[1, to] - ahead[0, node])
                    there[to] += share
                    labels[label[e]] += share


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
