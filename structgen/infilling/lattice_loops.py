"""The compiled passes over a lattice: Boolean, log-sum, max-plus, and sampling.

There is a layer before each slot and one after the last. A node of the lattice is a layer, an automaton state
and a flag: 0 if the hole may have more tokens, 1 after its first null. Nulls are the empty slots of a hole.
They keep the state; at the end of the hole the flag is reset to 0.

All passes read the same arrays. N slots, S states, C token classes, U class sets, E edges:

    slots           int32 [N, 4]: KIND, COLUMN (the class of a fixed token), NULLABLE, CLOSES
    sets            uint64 [4, N + 1, words]: sets of states as bits. F0, F1: reached from the start, by flag;
                    B0, B1: some way from there ends well. A node is live if it is in both.
    table           int32 [S, C]: the state after a class, -1 where there is none
    edge_start      int32 [S + 1]: where the edges of a state begin
    edges           int32 [E, 2]: an edge's target state, and the class set that labels it
    set_start       int32 [U + 1]: where the classes of a class set begin in set_classes
    masks           uint64 [N, words]: the classes that a slot holds in some valid filling, as bits
    scores          float64 [N, C]: logarithm of the summed exponentials of a class's logits
    nulls           float64 [N, 2]: the logit of a hole's first null, and of a later one
    base, sums      float64 [N], [N, U]: e^base times sums is the sum over a class set's tokens

The log-sum semiring adds linear numbers, scaled slot by slot. If a sum is so small that underflow may have
affected it (below `_FAINT`), the slot is computed again with logarithms.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from structgen.native.bit_rows import trailing_zeros
from structgen.native.jit import entry, jit

Array: TypeAlias = npt.NDArray[Any]

MASKED, FIXED, NULL = range(3)
"""Kinds of slots: masked; fixed to one token; empty."""
KIND, COLUMN, NULLABLE, CLOSES = range(4)
"""Columns of `slots`."""
F0, F1, B0, B1 = range(4)
"""The four families of `sets`."""
NO_NUMBER, INFINITE = 1, 2
"""The result of `reduce_row` for NaN and for plus infinity."""
NULL_TOKEN = -2
"""A null in assignments."""
BLOCK = 512
"""Tokens of a block, whose sum `reduce_row` stores for draws of one token."""

_FAINT = 1e-250
"""Below this a sum of linear numbers may lack underflowed terms, below 1e-308."""
_NONE = -math.inf
_ONE = np.uint64(1)
_LOWEST = np.float32(-math.inf)
_HIGHEST = np.float32(math.inf)
_FEW = 12
"""For classes of at most so many tokens, exponentials are computed one by one with libm's accuracy."""
_LANES = 64
"""Partial maxima of a class, one for each vector lane."""
_CHUNK = 8192
"""Logits that are gathered at once."""
_LOG2_E = math.log2(math.e)
_ROUND = 1.5 * 2.0**52 + 1023
"""Adding this to a number leaves its nearest integer, plus the bias of exponents, in the lowest bits."""

_BITS, _INTS, _TABLE = "uint64[:, ::1]", "int32[::1]", "int32[:, ::1]"
_SLOTS, _SETS = _TABLE, "uint64[:, :, ::1]"
_GRAPH = f"{_TABLE}, {_INTS}, {_TABLE}, {_INTS}, {_INTS}"
"""table, edge_start, edges, set_start, set_classes"""
_FLOATS, _ROWS, _LAYERS = "float64[::1]", "float64[:, ::1]", "float64[:, :, ::1]"
_WEIGHTS = f"{_ROWS}, {_ROWS}, {_FLOATS}, {_ROWS}"
"""scores, nulls, base, sums"""


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


# --- sets as bits -------------------------------------------------------------------------------------------


@jit
def _has(words: Array, number: int) -> Any:
    """Return whether a bit is set."""
    return (words[number >> 6] >> np.uint64(number & 63)) & _ONE != np.uint64(0)


@jit
def _put(words: Array, number: int) -> None:
    """Set a bit."""
    words[number >> 6] |= _ONE << np.uint64(number & 63)


@jit
def _list_word(word: Any, at: int, out: Array, count: int) -> Any:
    """Write the numbers of the bits of word `at` after the first `count` of `out`; return the new count."""
    while word != np.uint64(0):
        out[count] = 64 * at + np.int64(trailing_zeros(word))
        count += 1
        word &= word - _ONE
    return count


@jit
def _members(words: Array, out: Array) -> Any:
    """Write the numbers of the set bits to `out`, ascending; return how many there are."""
    count = 0
    for at in range(len(words)):
        count = _list_word(words[at], at, out, count)
    return count


@jit
def _live(sets: Array, flag: int, i: int, out: Array) -> Any:
    """Write the live states of layer i with a flag to `out`, ascending; return how many there are."""
    count = 0
    for at in range(sets.shape[2]):
        count = _list_word(sets[F0 + flag, i, at] & sets[B0 + flag, i, at], at, out, count)
    return count


@jit
def _same(a: Array, b: Array) -> bool:
    """Return whether two rows of words are equal."""
    for at in range(len(a)):
        if a[at] != b[at]:
            return False
    return True


@jit
def _replace(old: Array, new: Array) -> Any:
    """Copy a row of words over another; return whether that changed it."""
    changed = False
    for at in range(len(old)):
        if old[at] != new[at]:
            old[at] = new[at]
            changed = True
    return changed


@jit
def _takes_null(slots: Array, i: int) -> Any:
    """Return whether a slot is empty, or may be."""
    return slots[i, KIND] == NULL or (slots[i, KIND] == MASKED and slots[i, NULLABLE] != 0)


@jit
def _target(slots: Array, i: int, flag: int) -> Any:
    """Return the flag after a null in slot i: 1, but 0 at the end of the hole."""
    return 0 if slots[i, CLOSES] else 1


# --- the Boolean semiring -----------------------------------------------------------------------------------


@entry(f"void({_SLOTS}, {_SETS}, {_TABLE}, {_BITS}, {_BITS}, uint8[::1], int64, int64)")
def reach(
    slots: Array,
    sets: Array,
    table: Array,
    successors: Array,
    predecessors: Array,
    touched: Array,
    first: int,
    last: int,
) -> None:
    """Update `sets` after slots `first` to `last` have changed.

    `successors`, `predecessors`: uint64 [S, words], the states one token away. Each direction stops at the
    first unchanged layer. Sets `touched` [N] for each slot whose mask may have changed. Cost: for each
    changed layer, its states times the words of a set.
    """
    _reach_forward(slots, sets, table, successors, touched, first, last)
    _reach_backward(slots, sets, table, predecessors, touched, first, last)


@jit
def _unite(words: Array, numbers: Array, rows: Array, out: Array) -> None:
    """Add the given rows (numbers as bits) to `out`."""
    for k in range(_members(words, numbers)):
        row = rows[numbers[k]]
        for w in range(len(out)):
            out[w] |= row[w]


@jit
def _reach_forward(
    slots: Array, sets: Array, table: Array, successors: Array, touched: Array, first: int, last: int
) -> None:
    f0, f1 = sets[F0], sets[F1]
    words = f0.shape[1]
    listed = np.empty(64 * words, np.int64)
    next0, next1 = np.empty(words, np.uint64), np.empty(words, np.uint64)
    for i in range(first, len(slots)):
        next0[:] = np.uint64(0)
        next1[:] = np.uint64(0)
        if slots[i, KIND] == MASKED:
            is_settled = i > 0 and slots[i - 1, KIND] == MASKED and slots[i - 1, CLOSES] == 0
            if is_settled and _same(f0[i], f0[i - 1]):
                next0[:] = f0[i]
            else:
                _unite(f0[i], listed, successors, next0)
        elif slots[i, KIND] == FIXED:
            for k in range(_members(f0[i], listed)):
                after = table[listed[k], slots[i, COLUMN]]
                if after >= 0:
                    _put(next0, after)
        if _takes_null(slots, i):
            for w in range(words):
                next1[w] = f0[i, w] | f1[i, w]
        if slots[i, CLOSES]:
            for w in range(words):
                next0[w] |= next1[w]
            next1[:] = np.uint64(0)
        if i <= last:
            touched[i] = 1
        moved = _replace(f0[i + 1], next0)
        moved = _replace(f1[i + 1], next1) or moved
        if moved and i + 1 < len(slots):
            touched[i + 1] = 1
        if not moved and i >= last:
            break


@jit
def _reach_backward(
    slots: Array, sets: Array, table: Array, predecessors: Array, touched: Array, first: int, last: int
) -> None:
    b0, b1 = sets[B0], sets[B1]
    words = b0.shape[1]
    listed = np.empty(64 * words, np.int64)
    next0, next1 = np.empty(words, np.uint64), np.empty(words, np.uint64)
    for i in range(last, -1, -1):
        next0[:] = np.uint64(0)
        next1[:] = np.uint64(0)
        if slots[i, KIND] == MASKED:
            is_settled = (
                i + 1 < len(slots)
                and slots[i + 1, KIND] == MASKED
                and not slots[i + 1, NULLABLE]
                and not slots[i, NULLABLE]
            )
            if is_settled and _same(b0[i + 1], b0[i + 2]):
                next0[:] = b0[i + 1]
            else:
                _unite(b0[i + 1], listed, predecessors, next0)
        elif slots[i, KIND] == FIXED:
            for s in range(len(table)):
                after = table[s, slots[i, COLUMN]]
                if after >= 0 and _has(b0[i + 1], after):
                    _put(next0, s)
        if _takes_null(slots, i):
            behind = sets[B0 + _target(slots, i, 0), i + 1]
            for w in range(words):
                next0[w] |= behind[w]
                next1[w] = behind[w]
        moved = _replace(b0[i], next0)
        moved = _replace(b1[i], next1) or moved
        if moved and i > 0:
            touched[i - 1] = 1
        if not moved and i <= first:
            break


@entry(f"void({_SLOTS}, {_SETS}, {_TABLE}, {_INTS}, {_TABLE}, {_BITS}, uint8[::1], {_BITS}, uint8[::1])")
def fill_class_masks(
    slots: Array,
    sets: Array,
    table: Array,
    edge_start: Array,
    edges: Array,
    set_bits: Array,
    touched: Array,
    masks: Array,
    null_allowed: Array,
) -> None:
    """Write the allowed classes of each touched slot to `masks`, and whether it may be empty to
    `null_allowed` [N]; clear `touched`. `set_bits`: uint64 [U, words], the class sets.

    Cost: for each touched slot the edges of its states.
    """
    f0, f1, b0 = sets[F0], sets[F1], sets[B0]
    words = masks.shape[1]
    listed = np.empty(64 * sets.shape[2], np.int64)
    used = np.full(len(set_bits), -1, np.int64)
    for i in range(len(slots)):
        if not touched[i]:
            continue
        touched[i] = 0
        null_allowed[i] = 0
        if _takes_null(slots, i):
            behind = sets[B0 + _target(slots, i, 0), i + 1]
            for w in range(sets.shape[2]):
                if (f0[i, w] | f1[i, w]) & behind[w] != np.uint64(0):
                    null_allowed[i] = 1
                    break
        is_settled = i > 0 and slots[i, KIND] == MASKED and slots[i - 1, KIND] == MASKED
        if is_settled and _same(f0[i], f0[i - 1]) and _same(b0[i + 1], b0[i]):
            masks[i] = masks[i - 1]
            continue
        masks[i] = np.uint64(0)
        if slots[i, KIND] == FIXED:
            for k in range(_members(f0[i], listed)):
                after = table[listed[k], slots[i, COLUMN]]
                if after >= 0 and _has(b0[i + 1], after):
                    _put(masks[i], slots[i, COLUMN])
                    break
        elif slots[i, KIND] == MASKED:
            for k in range(_members(f0[i], listed)):
                s = listed[k]
                for e in range(edge_start[s], edge_start[s + 1]):
                    u = edges[e, 1]
                    if used[u] != i and _has(b0[i + 1], edges[e, 0]):
                        used[u] = i
                        for w in range(words):
                            masks[i, w] |= set_bits[u, w]


# --- logits to scores of classes ----------------------------------------------------------------------------


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


@jit
def _bad(row: Array) -> Any:
    """Return how many logits are NaN or plus infinity."""
    count = np.int32(0)
    for v in range(len(row)):
        count += np.int32(0) if row[v] < _HIGHEST else np.int32(1)
    return count


@jit
def _rank(best: Array, best_tokens: Array, c: int, x: int, token: int) -> None:
    """Insert a token into the list of the best of its class, if it belongs there; the lower id first among
    equals."""
    k = best.shape[1] - 1
    if best[c, k] > x or (best[c, k] == x and 0 <= best_tokens[c, k] < token) or x == _NONE:
        return
    while k > 0 and (best[c, k - 1] < x or (best[c, k - 1] == x and best_tokens[c, k - 1] > token)):
        best[c, k] = best[c, k - 1]
        best_tokens[c, k] = best_tokens[c, k - 1]
        k -= 1
    best[c, k] = x
    best_tokens[c, k] = token


@jit
def _at_rank(tops: Array, ranks: int, room: Array) -> Any:
    """Return the number of a given rank among `tops`, 1 being the greatest; minus infinity if there are
    fewer. It is a lower bound for the best `ranks` values of which `tops` are partial maxima. `room`: scratch
    memory for `ranks` numbers."""
    for r in range(ranks):
        room[r] = _LOWEST
    for j in range(len(tops)):
        if tops[j] > room[ranks - 1]:
            r = ranks - 1
            while r > 0 and room[r - 1] < tops[j]:
                room[r] = room[r - 1]
                r -= 1
            room[r] = tops[j]
    return room[ranks - 1]


@entry(
    f"int64(float32[::1], float64, uint64[::1], int64, uint8[::1], {_INTS}, {_INTS}, {_FLOATS}, {_FLOATS},"
    f" {_ROWS}, {_TABLE}, {_FLOATS})"
)
def reduce_row(
    row: Array,
    scale: float,
    allowed: Array,
    wide: int,
    inside: Array,
    class_start: Array,
    class_tokens: Array,
    scores: Array,
    means: Array,
    best: Array,
    best_tokens: Array,
    blocks: Array,
) -> Any:
    """Reduce the logits of one slot, float32 [V], to scores of the allowed classes.

    Each logit is multiplied by `scale`, 1 / temperature. `allowed`: the classes, as bits. `wide`: the class
    with much of the vocabulary, -1 if there is none; `inside`: uint8 [V], its tokens. Outputs for each class:
    `scores`, the log-sum-exp of its logits; `means`, the mean of its logits under their softmax (for
    entropies); `best` [C, k] and `best_tokens`, the k best tokens with their logits, lower ids first among
    equals. Missing entries are minus infinity and -1. `blocks`: sums of the wide class's exponentials,
    relative to its greatest, over each BLOCK tokens of the vocabulary. Returns 0, or NO_NUMBER or INFINITE if
    a logit is NaN or plus infinity.

    The error of scores and means is at most 6e-11; for classes of up to _FEW tokens only rounding. Cost:
    three passes over the row (the one with exponentials takes three quarters), and a few ns for each token of
    another class.
    """
    if _bad(row):
        for v in range(len(row)):
            if row[v] != row[v]:
                return NO_NUMBER
        return INFINITE
    values, everything = np.empty(_CHUNK, np.float32), np.ones(_CHUNK, np.uint8)
    tops, room = np.empty(_LANES, np.float32), np.empty(best.shape[1], np.float32)
    best[:] = _NONE
    best_tokens[:] = -1
    for c in range(len(scores)):
        scores[c] = means[c] = _NONE
        if not _has(allowed, c):
            continue
        first, end = class_start[c], class_start[c + 1]
        if end - first == 1:
            token = class_tokens[first]
            scores[c] = means[c] = row[token] * scale
            _rank(best, best_tokens, c, scores[c], token)
        elif c == wide:
            _reduce_wide(row, scale, c, inside, scores, means, best, best_tokens, blocks, room)
        elif end - first <= _FEW:
            _reduce_few(row, scale, c, class_tokens[first:end], scores, means, best, best_tokens)
        else:
            tokens = class_tokens[first:end]
            _reduce_some(
                row, scale, c, tokens, scores, means, best, best_tokens, values, everything, tops, room
            )
    return 0


@jit
def _sums(row: Array, inside: Array, scale: float, top: float) -> tuple[Any, Any]:
    """Return the sum of e^x over the logits inside, where x is a logit times `scale`, minus `top`; and the
    sum of x e^x. Vectorised: the order is free, and tokens outside are included with 2^-1000."""
    total = moment = 0.0
    for v in range(len(row)):
        x = row[v] if inside[v] else _LOWEST
        z = _times_plus(np.float64(x), scale * _LOG2_E, -top * _LOG2_E)
        z = z if z > -1000.0 else -1000.0
        y = _two_to(z)
        total = _plus(total, y)
        moment = _plus(moment, z * y)
    return total, moment / _LOG2_E


@jit
def _reduce_few(
    row: Array,
    scale: float,
    c: int,
    tokens: Array,
    scores: Array,
    means: Array,
    best: Array,
    best_tokens: Array,
) -> None:
    """Reduce a class of few tokens."""
    for j in range(len(tokens)):
        _rank(best, best_tokens, c, row[tokens[j]] * scale, tokens[j])
    top = best[c, 0]
    if top == _NONE:
        return
    total = moment = 0.0
    for j in range(len(tokens)):
        x = row[tokens[j]] * scale - top
        if x > -700.0:
            y = math.exp(x)
            total += y
            moment += x * y
    scores[c] = top + math.log(total)
    means[c] = top + moment / total


@jit
def _reduce_some(
    row: Array,
    scale: float,
    c: int,
    tokens: Array,
    scores: Array,
    means: Array,
    best: Array,
    best_tokens: Array,
    values: Array,
    everything: Array,
    tops: Array,
    room: Array,
) -> None:
    """Reduce a class by gathering its logits in chunks: once for the maximum, once for the sums."""
    for j in range(_LANES):
        tops[j] = _LOWEST
    padded = 0
    for begin in range(0, len(tokens), _CHUNK):
        padded = _gather(row, tokens, begin, min(_CHUNK, len(tokens) - begin), values)
        _raise_tops(values, padded, tops)
    bound = _at_rank(tops, len(room), room)
    top = room[0] * scale
    if top == _NONE:
        return
    total = moment = 0.0
    for begin in range(0, len(tokens), _CHUNK):
        count = min(_CHUNK, len(tokens) - begin)
        if len(tokens) > _CHUNK:
            padded = _gather(row, tokens, begin, count, values)
        for j in range(count):
            if values[j] >= bound:
                _rank(best, best_tokens, c, values[j] * scale, tokens[begin + j])
        here, more = _sums(values[:padded], everything[:padded], scale, top)
        total += here
        moment += more
    scores[c] = top + math.log(total)
    means[c] = top + moment / total


@jit
def _gather(row: Array, tokens: Array, begin: int, count: int, values: Array) -> Any:
    """Gather logits, padded with minus infinity to a multiple of _LANES; return the padded count."""
    for j in range(count):
        values[j] = row[tokens[begin + j]]
    padded = (count + _LANES - 1) // _LANES * _LANES
    for j in range(count, padded):
        values[j] = _LOWEST
    return padded


@jit
def _raise_tops(values: Array, count: int, tops: Array) -> None:
    """Raise each of the partial maxima to the values that stand _LANES apart."""
    for begin in range(0, count, _LANES):
        for j in range(_LANES):
            x = values[begin + j]
            tops[j] = x if x > tops[j] else tops[j]


@jit
def _reduce_wide(
    row: Array,
    scale: float,
    c: int,
    inside: Array,
    scores: Array,
    means: Array,
    best: Array,
    best_tokens: Array,
    blocks: Array,
    room: Array,
) -> None:
    """Reduce a class with much of the vocabulary, by reading the whole row in order."""
    size = len(inside)
    tops = np.empty(BLOCK, np.float32)
    for j in range(BLOCK):
        tops[j] = _LOWEST
    whole = size - size % BLOCK
    for begin in range(0, whole, BLOCK):
        for j in range(BLOCK):
            x = row[begin + j] if inside[begin + j] else _LOWEST
            tops[j] = x if x > tops[j] else tops[j]
    for v in range(whole, size):
        if inside[v]:
            tops[v - whole] = max(tops[v - whole], row[v])
    bound = _at_rank(tops, len(room), room)
    top = room[0] * scale
    if top == _NONE:
        return
    for j in range(BLOCK):
        if tops[j] >= bound and tops[j] > _LOWEST:
            for v in range(j, size, BLOCK):
                if inside[v] and row[v] >= bound:
                    _rank(best, best_tokens, c, row[v] * scale, v)
    total = moment = 0.0
    for b in range(len(blocks)):
        end = min((b + 1) * BLOCK, size)
        blocks[b], more = _sums(row[b * BLOCK : end], inside[b * BLOCK : end], scale, top)
        total += blocks[b]
        moment += more
    scores[c] = top + math.log(total)
    means[c] = top + moment / total


# --- the log-sum semiring -----------------------------------------------------------------------------------


@entry(f"void(uint8[::1], {_SLOTS}, {_BITS}, uint8[::1], {_INTS}, {_INTS}, {_WEIGHTS})")
def sum_sets(
    stale: Array,
    slots: Array,
    masks: Array,
    null_allowed: Array,
    set_start: Array,
    set_classes: Array,
    scores: Array,
    nulls: Array,
    base: Array,
    sums: Array,
) -> None:
    """Sum the scores of each class set at the stale slots [N]; clear `stale`.

    `base` becomes the greatest score of an allowed class, or of a null. Class sets with forbidden classes are
    on no live edge, and their sums are meaningless. Cost: the members of all class sets, for each stale slot.
    """
    linear = np.empty(scores.shape[1])
    for i in range(len(slots)):
        if not stale[i] or slots[i, KIND] != MASKED:
            continue
        stale[i] = 0
        top = max(nulls[i, 0], nulls[i, 1]) if null_allowed[i] else _NONE
        for c in range(len(linear)):
            if _has(masks[i], c) and scores[i, c] > top:
                top = scores[i, c]
        base[i] = top if top > _NONE else 0.0
        for c in range(len(linear)):
            linear[c] = math.exp(scores[i, c] - base[i]) if _has(masks[i], c) else 0.0
        for u in range(len(set_start) - 1):
            total = 0.0
            for at in range(set_start[u], set_start[u + 1]):
                total += linear[set_classes[at]]
            sums[i, u] = total


@jit
def _log_of_set(
    i: int, u: int, set_start: Array, set_classes: Array, scores: Array, base: Array, sums: Array
) -> Any:
    """Return the logarithm of a class set's sum at a slot."""
    if sums[i, u] > _FAINT:
        return math.log(sums[i, u]) + base[i]
    top = _NONE
    for at in range(set_start[u], set_start[u + 1]):
        top = max(top, scores[i, set_classes[at]])
    if top == _NONE:
        return top
    total = 0.0
    for at in range(set_start[u], set_start[u + 1]):
        total += math.exp(scores[i, set_classes[at]] - top)
    return top + math.log(total)


@jit
def _join(a: int, b: int) -> Any:
    """Return log(e^a + e^b)."""
    if a < b:
        a, b = b, a
    return a if b == _NONE else a + math.log1p(math.exp(b - a))


@jit
def _null_weight(slots: Array, nulls: Array, i: int, flag: int) -> Any:
    """Return the weight of a null in slot i: its logit (the later one after another null); 0 in an empty
    slot."""
    return nulls[i, flag] if slots[i, KIND] == MASKED else 0.0


@jit
def _greatest(values: Array, states: Array, count: int) -> Any:
    """Return the greatest of the values of some states."""
    top = _NONE
    for k in range(count):
        if values[states[k]] > top:
            top = values[states[k]]
    return top


@jit
def _linear(values: Array, states: Array, count: int, top: int, out: Array) -> None:
    """Write e^(value - top) of some states to `out`, 0 for all others."""
    out[:] = 0.0
    for k in range(count):
        out[states[k]] = math.exp(values[states[k]] - top)


@entry(f"void(int64, {_SLOTS}, {_SETS}, {_GRAPH}, {_WEIGHTS}, {_LAYERS})")
def sum_forward(
    first: int,
    slots: Array,
    sets: Array,
    table: Array,
    edge_start: Array,
    edges: Array,
    set_start: Array,
    set_classes: Array,
    scores: Array,
    nulls: Array,
    base: Array,
    sums: Array,
    a: Array,
) -> None:
    """Fill a [2, N + 1, S] after layer `first`: by flag, the logarithm of the summed weight of all paths from
    the start to a node; minus infinity for nodes that are not live.

    Cost: 1 to 2 ns for each masked slot and edge of its live states.
    """
    states = len(table)
    here, ahead = np.empty(64 * sets.shape[2], np.int64), np.empty(64 * sets.shape[2], np.int64)
    weight = np.empty(states)
    for i in range(first, len(slots)):
        a[0, i + 1] = _NONE
        a[1, i + 1] = _NONE
        count = _live(sets, 0, i, here)
        if slots[i, KIND] == FIXED:
            for k in range(count):
                after = table[here[k], slots[i, COLUMN]]
                if after >= 0 and _has(sets[B0, i + 1], after):
                    a[0, i + 1, after] = _join(a[0, i + 1, after], a[0, i, here[k]])
        elif slots[i, KIND] == MASKED:
            top = _greatest(a[0, i], here, count)
            if top > _NONE:
                weight[:] = 0.0
                for k in range(count):
                    s = here[k]
                    share = math.exp(a[0, i, s] - top)
                    for e in range(edge_start[s], edge_start[s + 1]):
                        # the sums of nodes that are not live are not read
                        weight[edges[e, 0]] += share * sums[i, edges[e, 1]]
                is_faint = False
                for k in range(_live(sets, 0, i + 1, ahead)):
                    s = ahead[k]
                    if weight[s] > _FAINT:
                        a[0, i + 1, s] = math.log(weight[s]) + top + base[i]
                    else:
                        is_faint = True
                if is_faint:
                    _sum_with_logarithms(
                        i,
                        here[:count],
                        sets,
                        edge_start,
                        edges,
                        set_start,
                        set_classes,
                        scores,
                        base,
                        sums,
                        a,
                    )
        if _takes_null(slots, i):
            to = _target(slots, i, 0)
            for flag in range(2):
                added = _null_weight(slots, nulls, i, flag)
                for k in range(_live(sets, flag, i, here)):
                    s = here[k]
                    if _has(sets[B0 + to, i + 1], s):
                        a[to, i + 1, s] = _join(a[to, i + 1, s], a[flag, i, s] + added)


@jit
def _sum_with_logarithms(
    i: int,
    here: Array,
    sets: Array,
    edge_start: Array,
    edges: Array,
    set_start: Array,
    set_classes: Array,
    scores: Array,
    base: Array,
    sums: Array,
    a: Array,
) -> None:
    """Fill the forward sums after slot i with logarithms: first find each node's greatest term."""
    states = a.shape[2]
    tops, total = np.full(states, _NONE), np.zeros(states)
    logs = np.empty(sums.shape[1])
    for u in range(len(logs)):
        logs[u] = _log_of_set(i, u, set_start, set_classes, scores, base, sums)
    for turn in range(2):
        for k in range(len(here)):
            s = here[k]
            for e in range(edge_start[s], edge_start[s + 1]):
                after = edges[e, 0]
                found = a[0, i, s] + logs[edges[e, 1]]
                if found == _NONE or not _has(sets[B0, i + 1], after):
                    continue
                if turn == 0:
                    tops[after] = max(tops[after], found)
                else:
                    total[after] += math.exp(found - tops[after])
    for s in range(states):
        a[0, i + 1, s] = tops[s] + math.log(total[s]) if total[s] > 0.0 else _NONE


@entry(f"void(int64, {_SLOTS}, {_SETS}, {_GRAPH}, {_WEIGHTS}, {_LAYERS})")
def sum_backward(
    last: int,
    slots: Array,
    sets: Array,
    table: Array,
    edge_start: Array,
    edges: Array,
    set_start: Array,
    set_classes: Array,
    scores: Array,
    nulls: Array,
    base: Array,
    sums: Array,
    c: Array,
) -> None:
    """Fill c [2, N + 1, S] up to layer `last`: by flag, the logarithm of the summed weight of all paths from
    a node to the end; minus infinity for nodes that are not live. Cost: as `sum_forward`."""
    here, ahead = np.empty(64 * sets.shape[2], np.int64), np.empty(64 * sets.shape[2], np.int64)
    linear = np.empty(len(table))
    for i in range(last, -1, -1):
        c[0, i] = _NONE
        c[1, i] = _NONE
        count = _live(sets, 0, i, here)
        if slots[i, KIND] == FIXED:
            for k in range(count):
                after = table[here[k], slots[i, COLUMN]]
                if after >= 0 and _has(sets[B0, i + 1], after):
                    c[0, i, here[k]] = c[0, i + 1, after]
        elif slots[i, KIND] == MASKED:
            live = _live(sets, 0, i + 1, ahead)
            top = _greatest(c[0, i + 1], ahead, live)
            if top > _NONE:
                _linear(c[0, i + 1], ahead, live, top, linear)
                for k in range(count):
                    s = here[k]
                    total = 0.0
                    for e in range(edge_start[s], edge_start[s + 1]):
                        total += linear[edges[e, 0]] * sums[i, edges[e, 1]]
                    if total > _FAINT:
                        c[0, i, s] = math.log(total) + top + base[i]
                        continue
                    for e in range(edge_start[s], edge_start[s + 1]):
                        after = edges[e, 0]
                        if _has(sets[B0, i + 1], after):
                            found = _log_of_set(i, edges[e, 1], set_start, set_classes, scores, base, sums)
                            c[0, i, s] = _join(c[0, i, s], found + c[0, i + 1, after])
        if _takes_null(slots, i):
            to = _target(slots, i, 0)
            for flag in range(2):
                added = _null_weight(slots, nulls, i, flag)
                for k in range(_live(sets, flag, i, here)):
                    s = here[k]
                    if c[to, i + 1, s] > _NONE:
                        c[flag, i, s] = _join(c[flag, i, s], c[to, i + 1, s] + added)


@entry(
    f"void(uint8[::1], {_SLOTS}, {_SETS}, {_GRAPH}, {_WEIGHTS}, {_LAYERS}, {_LAYERS}, float64, {_ROWS},"
    f" {_FLOATS})"
)
def fill_marginals(
    wanted: Array,
    slots: Array,
    sets: Array,
    table: Array,
    edge_start: Array,
    edges: Array,
    set_start: Array,
    set_classes: Array,
    scores: Array,
    nulls: Array,
    base: Array,
    sums: Array,
    a: Array,
    c: Array,
    log_z: float,
    chances: Array,
    null_chances: Array,
) -> None:
    """Write the probability of each class to `chances` [N, C], and of a null to `null_chances` [N], at each
    wanted masked slot, given that the whole canvas is valid. Both are zeros before. Cost: as `sum_forward`.
    """
    here, ahead = np.empty(64 * sets.shape[2], np.int64), np.empty(64 * sets.shape[2], np.int64)
    linear, weight = np.empty(len(table)), np.empty(sums.shape[1])
    for i in range(len(slots)):
        if not wanted[i] or slots[i, KIND] != MASKED:
            continue
        count, live = _live(sets, 0, i, here), _live(sets, 0, i + 1, ahead)
        top, bottom = _greatest(a[0, i], here, count), _greatest(c[0, i + 1], ahead, live)
        # Every term is relative to log Z: underflow loses less than 1e-300 of the whole.
        shift = top + bottom + base[i] - log_z
        if top > _NONE and bottom > _NONE and shift < 600.0:
            _linear(c[0, i + 1], ahead, live, bottom, linear)
            weight[:] = 0.0
            for k in range(count):
                s = here[k]
                share = math.exp(a[0, i, s] - top)
                for e in range(edge_start[s], edge_start[s + 1]):
                    weight[edges[e, 1]] += share * linear[edges[e, 0]]
            for u in range(len(weight)):
                if weight[u] > 0.0:
                    for at in range(set_start[u], set_start[u + 1]):
                        chances[i, set_classes[at]] += weight[u]
            factor = math.exp(shift)
            for k in range(chances.shape[1]):
                if chances[i, k] > 0.0:
                    chances[i, k] *= math.exp(scores[i, k] - base[i]) * factor
        elif top > _NONE and bottom > _NONE:
            for k in range(count):
                s = here[k]
                for e in range(edge_start[s], edge_start[s + 1]):
                    after, u = edges[e, 0], edges[e, 1]
                    if c[0, i + 1, after] == _NONE:
                        continue
                    around = a[0, i, s] + c[0, i + 1, after] - log_z
                    for at in range(set_start[u], set_start[u + 1]):
                        chances[i, set_classes[at]] += math.exp(around + scores[i, set_classes[at]])
        if slots[i, NULLABLE]:
            to = _target(slots, i, 0)
            for flag in range(2):
                for k in range(_live(sets, flag, i, here)):
                    s = here[k]
                    if c[to, i + 1, s] > _NONE:
                        null_chances[i] += math.exp(a[flag, i, s] + nulls[i, flag] + c[to, i + 1, s] - log_z)


# --- sampling -----------------------------------------------------------------------------------------------


@entry(f"void(int64, {_SLOTS}, {_SETS}, {_GRAPH}, {_WEIGHTS}, {_LAYERS}, {_ROWS}, {_INTS})")
def draw_classes(
    start: int,
    slots: Array,
    sets: Array,
    table: Array,
    edge_start: Array,
    edges: Array,
    set_start: Array,
    set_classes: Array,
    scores: Array,
    nulls: Array,
    base: Array,
    sums: Array,
    c: Array,
    uniforms: Array,
    drawn: Array,
) -> None:
    """Draw a class for each slot (NULL_TOKEN: a null) from the joint law of valid canvases, into `drawn` [N].

    The backward sums are known, so the draw goes from left to right: an edge or a null by its weight, then a
    class of the edge. `uniforms`: [N, 2], from 0 to 1. Cost: for each slot the edges of one state and the
    classes of one class set.
    """
    state, flag = start, 0
    weight = np.empty(table.shape[0] + table.shape[1] + 2)
    for i in range(len(slots)):
        if slots[i, KIND] == FIXED:
            drawn[i] = slots[i, COLUMN]
            state = table[state, slots[i, COLUMN]]
            continue
        # A null, unless an edge is drawn below.
        drawn[i] = NULL_TOKEN
        chosen = -1
        if slots[i, KIND] == MASKED and flag == 0:
            first, end = edge_start[state], edge_start[state + 1]
            null = nulls[i, 0] + c[_target(slots, i, 0), i + 1, state] if slots[i, NULLABLE] else _NONE
            top = null
            for e in range(first, end):
                weight[e - first] = _NONE
                if _has(sets[B0, i + 1], edges[e, 0]):
                    found = _log_of_set(i, edges[e, 1], set_start, set_classes, scores, base, sums)
                    weight[e - first] = found + c[0, i + 1, edges[e, 0]]
                    top = max(top, weight[e - first])
            total = math.exp(null - top)
            for k in range(end - first):
                weight[k] = math.exp(weight[k] - top)
                total += weight[k]
            left = uniforms[i, 0] * total - math.exp(null - top)
            if left >= 0.0:
                for k in range(end - first):
                    if weight[k] > 0.0:
                        chosen = first + k
                        left -= weight[k]
                        if left < 0.0:
                            break
        if chosen < 0:
            flag = _target(slots, i, 0)
            continue
        u = edges[chosen, 1]
        whole = _log_of_set(i, u, set_start, set_classes, scores, base, sums)
        left = uniforms[i, 1]
        for at in range(set_start[u], set_start[u + 1]):
            share = math.exp(scores[i, set_classes[at]] - whole)
            if share > 0.0:
                drawn[i] = set_classes[at]
                left -= share
                if left < 0.0:
                    break
        state = edges[chosen, 0]


@entry(f"int64(float32[::1], float64, float64, {_INTS}, int64, int64, float64)")
def draw_token(
    row: Array, scale: float, score: float, class_tokens: Array, first: int, end: int, uniform: float
) -> Any:
    """Draw one of a class's tokens by the softmax of its logits; `score` is the class's score.

    Cost: the tokens up to the drawn one. If rounding leaves a remainder, the last token with a positive
    probability.
    """
    left = uniform
    last = -1
    for at in range(first, end):
        z = (row[class_tokens[at]] * scale - score) * _LOG2_E
        if z > -1000.0:
            last = class_tokens[at]
            left -= _two_to(z)
            if left < 0.0:
                break
    return last


@entry(f"int64(float32[::1], float64, float64, uint8[::1], {_FLOATS}, float64)")
def draw_wide_token(
    row: Array, scale: float, top: float, inside: Array, blocks: Array, uniform: float
) -> Any:
    """Draw a token of the wide class, whose greatest logit is `top`; `blocks` is from `reduce_row`.

    Cost: the blocks, then the tokens of one of them. If rounding leaves a remainder, the last token with a
    positive probability in the last such block.
    """
    total = 0.0
    for b in range(len(blocks)):
        total += blocks[b]
    left = uniform * total
    chosen = 0
    for b in range(len(blocks)):
        if blocks[b] > 1e-290:  # else it holds only what _two_to gives for minus infinity
            chosen = b
            if left < blocks[b]:
                break
            left -= blocks[b]
    last = -1
    for v in range(chosen * BLOCK, min((chosen + 1) * BLOCK, len(inside))):
        z = (row[v] * scale - top) * _LOG2_E
        if inside[v] and z > -1000.0:
            last = v
            left -= _two_to(z)
            if left < 0.0:
                break
    return last


# --- the max-plus semiring ----------------------------------------------------------------------------------


@jit
def _insert(
    values: Array, origins: Array, tokens: Array, s: int, value: int, origin: int, token: int
) -> None:
    """Insert a path into a node's list of the best, if it belongs there; the earlier one first among
    equals."""
    k = values.shape[1] - 1
    if not value > values[s, k]:
        return
    while k > 0 and values[s, k - 1] < value:
        values[s, k] = values[s, k - 1]
        origins[s, k] = origins[s, k - 1]
        tokens[s, k] = tokens[s, k - 1]
        k -= 1
    values[s, k] = value
    origins[s, k] = origin
    tokens[s, k] = token


@jit
def _best_of_set(
    i: int,
    u: int,
    set_start: Array,
    set_classes: Array,
    tops: Array,
    top_tokens: Array,
    values: Array,
    tokens: Array,
) -> None:
    """Write the k best tokens of a class set at a slot, with their logits."""
    ranks = values.shape[1]
    values[u] = _NONE
    for at in range(set_start[u], set_start[u + 1]):
        c = set_classes[at]
        for r in range(ranks):
            x = tops[i, c, r]
            if not x > values[u, ranks - 1]:
                break
            k = ranks - 1
            while k > 0 and values[u, k - 1] < x:
                values[u, k] = values[u, k - 1]
                tokens[u, k] = tokens[u, k - 1]
                k -= 1
            values[u, k] = x
            tokens[u, k] = top_tokens[i, c, r]


@entry(
    f"void(int64, {_SLOTS}, {_SETS}, {_GRAPH}, {_LAYERS}, int32[:, :, ::1], {_ROWS}, float64[:, :, :, ::1],"
    " int64[:, :, :, ::1], int32[:, :, :, ::1])"
)
def best_forward(
    first: int,
    slots: Array,
    sets: Array,
    table: Array,
    edge_start: Array,
    edges: Array,
    set_start: Array,
    set_classes: Array,
    tops: Array,
    top_tokens: Array,
    nulls: Array,
    values: Array,
    origins: Array,
    tokens: Array,
) -> None:
    """Fill the k best paths to each live node of the layers after `first`, best first.

    `tops`, `top_tokens` [N, C, k]: the best tokens of each class. Outputs, [2, N + 1, S, k], by flag:
    `values`, the weights of the paths; `origins`, their predecessors: (state * 2 + flag) * k + rank;
    `tokens`, their last tokens (NULL_TOKEN: a null; a class in a fixed slot). Cost: 2 to 3 ns for each masked
    slot, edge of its live states, and rank.
    """
    ranks = values.shape[3]
    here = np.empty(64 * sets.shape[2], np.int64)
    stamp = np.full(len(set_start) - 1, -1, np.int64)
    set_tops = np.empty((len(stamp), ranks))
    set_tokens = np.empty((len(stamp), ranks), np.int32)
    for i in range(first, len(slots)):
        values[0, i + 1] = _NONE
        values[1, i + 1] = _NONE
        before, after = values[0, i], values[0, i + 1]
        behind = sets[B0, i + 1]
        for k in range(_live(sets, 0, i, here)):
            s = here[k]
            if slots[i, KIND] == FIXED:
                column = slots[i, COLUMN]
                t = table[s, column]
                if t >= 0 and _has(behind, t):
                    for r in range(ranks):
                        origin = 2 * s * ranks + r
                        _insert(after, origins[0, i + 1], tokens[0, i + 1], t, before[s, r], origin, column)
            elif slots[i, KIND] == MASKED and before[s, 0] > _NONE:
                for e in range(edge_start[s], edge_start[s + 1]):
                    t, u = edges[e, 0], edges[e, 1]
                    if not _has(behind, t):
                        continue
                    if stamp[u] != i:
                        stamp[u] = i
                        _best_of_set(i, u, set_start, set_classes, tops, top_tokens, set_tops, set_tokens)
                    for r in range(ranks):
                        if not before[s, r] + set_tops[u, 0] > after[t, ranks - 1]:
                            break
                        origin = 2 * s * ranks + r
                        for j in range(ranks):
                            x = before[s, r] + set_tops[u, j]
                            if not x > after[t, ranks - 1]:
                                break
                            _insert(
                                after, origins[0, i + 1], tokens[0, i + 1], t, x, origin, set_tokens[u, j]
                            )
        if _takes_null(slots, i):
            to = _target(slots, i, 0)
            for flag in range(2):
                added = _null_weight(slots, nulls, i, flag)
                for k in range(_live(sets, flag, i, here)):
                    s = here[k]
                    if not _has(sets[B0 + to, i + 1], s):
                        continue
                    for r in range(ranks):
                        _insert(
                            values[to, i + 1],
                            origins[to, i + 1],
                            tokens[to, i + 1],
                            s,
                            values[flag, i, s, r] + added,
                            (2 * s + flag) * ranks + r,
                            NULL_TOKEN,
                        )
