"""The passes over a lattice, compiled: Boolean, log-sum, max-plus, and sampling.

A layer stands before each slot and one behind the last. A lattice node is a layer, a state of the automaton
and a flag: 0 where a token may still come in the present hole, 1 behind its first null. Nulls are the slots
that a hole leaves empty; they keep the state, and at the end of the hole the flag falls back to 0.

Sums run over linear numbers, scaled slot by slot; where a sum comes out so small that rounding to zero could
have had a part in it (below `_FAINT`), the slot is done again with logarithms.
"""

from __future__ import annotations

import math

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from structgen.jit import entry, jit

MASKED, FIXED, NULL = range(3)
"""Kinds of slots: any token may come; one token stands there; nothing stands there."""
NO_NUMBER, INFINITE = 1, 2
"""What `reduce_row` says of logits that are no numbers."""
NULL_TOKEN = -2
"""Stands for a null in assignments."""

_FAINT = 1e-250
"""A sum of linear numbers below this may lack what was rounded to zero: a term below 1e-308."""
_NONE = -math.inf
_ONE = np.uint64(1)
_LANES = 256
_FEW = 12
"""Tokens of a class below which the exponentials are taken one by one."""


@intrinsic
def _trailing_zeros(typingctx, word):
    """Return how many zeros a 64-bit word ends in; the word is not 0."""

    def generate(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), generate


@jit
def _has(words, number):
    """Return whether a bit is set."""
    return (words[number >> 6] >> np.uint64(number & 63)) & _ONE != np.uint64(0)


@jit
def _put(words, number):
    """Set a bit."""
    words[number >> 6] |= _ONE << np.uint64(number & 63)


@jit
def _members(words, out):
    """Write the numbers of the set bits to `out`, ascending; return how many there are."""
    count = 0
    for at in range(len(words)):
        word = words[at]
        while word != np.uint64(0):
            out[count] = 64 * at + np.int64(_trailing_zeros(word))
            count += 1
            word &= word - _ONE
    return count


@jit
def _same(a, b):
    """Return whether two rows of words are equal."""
    for at in range(len(a)):
        if a[at] != b[at]:
            return False
    return True


@jit
def _replace(old, new):
    """Copy a row of words over another; return whether that changed it."""
    changed = False
    for at in range(len(old)):
        if old[at] != new[at]:
            old[at] = new[at]
            changed = True
    return changed


# --- the Boolean semiring -----------------------------------------------------------------------------------


@entry(
    "void(int8[::1], int32[::1], uint8[::1], uint8[::1], int32[:, ::1], uint64[:, ::1], uint64[:, ::1],"
    " uint64[:, ::1], uint64[:, ::1], uint64[:, ::1], uint64[:, ::1], uint8[::1], int64, int64)"
)
def reach(
    kind, column, nullable, closes, table, successors, predecessors, f0, f1, b0, b1, touched, first, last
):
    """Bring the reachable (f) and the completable (b) states of each layer up to date, after slots `first` to
    `last` have changed. Each pass ends where it finds what was there before. Notes in `touched` each slot
    whose mask may have changed."""
    slots, words = len(kind), f0.shape[1]
    states = len(table)
    listed = np.empty(states + 64, np.int64)
    next0, next1 = np.empty(words, np.uint64), np.empty(words, np.uint64)
    for i in range(first, slots):
        for w in range(words):
            next0[w] = np.uint64(0)
            next1[w] = np.uint64(0)
        if kind[i] == MASKED:
            if i > 0 and kind[i - 1] == MASKED and closes[i - 1] == 0 and _same(f0[i], f0[i - 1]):
                for w in range(words):
                    next0[w] = f0[i, w]
            else:
                for k in range(_members(f0[i], listed)):
                    row = listed[k]
                    for w in range(words):
                        next0[w] |= successors[row, w]
        elif kind[i] == FIXED:
            for k in range(_members(f0[i], listed)):
                after = table[listed[k], column[i]]
                if after >= 0:
                    _put(next0, after)
        if kind[i] == NULL or (kind[i] == MASKED and nullable[i]):
            for w in range(words):
                next1[w] = f0[i, w] | f1[i, w]
        if closes[i]:
            for w in range(words):
                next0[w] |= next1[w]
                next1[w] = np.uint64(0)
        touched[i] = 1 if i <= last else touched[i]
        moved = _replace(f0[i + 1], next0)
        moved = _replace(f1[i + 1], next1) or moved
        if moved and i + 1 < slots:
            touched[i + 1] = 1
        if not moved and i >= last:
            break
    for i in range(last, -1, -1):
        to1 = b0[i + 1] if closes[i] else b1[i + 1]
        for w in range(words):
            next0[w] = np.uint64(0)
            next1[w] = np.uint64(0)
        if kind[i] == MASKED:
            if (
                i + 1 < slots
                and kind[i + 1] == MASKED
                and not nullable[i + 1]
                and not nullable[i]
                and _same(b0[i + 1], b0[i + 2])
            ):
                for w in range(words):
                    next0[w] = b0[i + 1, w]
            else:
                for k in range(_members(b0[i + 1], listed)):
                    row = listed[k]
                    for w in range(words):
                        next0[w] |= predecessors[row, w]
        elif kind[i] == FIXED:
            for s in range(states):
                after = table[s, column[i]]
                if after >= 0 and _has(b0[i + 1], after):
                    _put(next0, s)
        if kind[i] == NULL or (kind[i] == MASKED and nullable[i]):
            for w in range(words):
                next0[w] |= to1[w]
                next1[w] = to1[w]
        moved = _replace(b0[i], next0)
        moved = _replace(b1[i], next1) or moved
        if moved and i > 0:
            touched[i - 1] = 1
        if not moved and i <= first:
            break


@entry(
    "void(int8[::1], int32[::1], uint8[::1], uint8[::1], int32[:, ::1], int32[::1], int32[::1], int32[::1],"
    " uint64[:, ::1], uint64[:, ::1], uint64[:, ::1], uint64[:, ::1], uint64[:, ::1], uint8[::1],"
    " uint64[:, ::1], uint8[::1])"
)
def fill_class_masks(
    kind,
    column,
    nullable,
    closes,
    table,
    edge_start,
    edge_to,
    edge_set,
    set_bits,
    f0,
    f1,
    b0,
    b1,
    touched,
    masks,
    null_allowed,
):
    """Write the allowed classes of each touched slot as bits, and whether a null may stand there."""
    slots, words = masks.shape
    listed = np.empty(len(table) + 64, np.int64)
    used = np.full(len(set_bits), -1, np.int64)
    for i in range(slots):
        if not touched[i]:
            continue
        to1 = b0[i + 1] if closes[i] else b1[i + 1]
        null_allowed[i] = 0
        if kind[i] == NULL or (kind[i] == MASKED and nullable[i]):
            for w in range(f0.shape[1]):
                if (f0[i, w] | f1[i, w]) & to1[w] != np.uint64(0):
                    null_allowed[i] = 1
                    break
        if (
            i > 0
            and kind[i] == MASKED
            and kind[i - 1] == MASKED
            and _same(f0[i], f0[i - 1])
            and _same(b0[i + 1], b0[i])
        ):
            for w in range(words):
                masks[i, w] = masks[i - 1, w]
            continue
        for w in range(words):
            masks[i, w] = np.uint64(0)
        if kind[i] == FIXED:
            for k in range(_members(f0[i], listed)):
                after = table[listed[k], column[i]]
                if after >= 0 and _has(b0[i + 1], after):
                    _put(masks[i], column[i])
                    break
        elif kind[i] == MASKED:
            for k in range(_members(f0[i], listed)):
                s = listed[k]
                for e in range(edge_start[s], edge_start[s + 1]):
                    u = edge_set[e]
                    if used[u] != i and _has(b0[i + 1], edge_to[e]):
                        used[u] = i
                        for w in range(words):
                            masks[i, w] |= set_bits[u, w]
    for i in range(slots):
        touched[i] = 0


# --- logits to scores of classes ----------------------------------------------------------------------------


@jit
def _exponentials(values, count, bits):
    """Replace the first `count` numbers, from -700 to 0, by their exponentials, to 1e-11. A polynomial after
    powers of two, in lanes. `bits`: room of as many int64."""
    powers = bits.view(np.float64)
    for i in range(count):
        n = np.floor(values[i] * 1.4426950408889634 + 0.5)
        bits[i] = (np.int64(np.int32(n)) + 1023) << 52
        r = (values[i] - n * 0.693147180369123816490) - n * 1.90821492927058770002e-10
        y = 2.7557319223985893e-06
        y = y * r + 2.48015873015873e-05
        y = y * r + 0.0001984126984126984
        y = y * r + 0.001388888888888889
        y = y * r + 0.008333333333333333
        y = y * r + 0.041666666666666664
        y = y * r + 0.16666666666666666
        y = y * r + 0.5
        y = y * r + 1.0
        values[i] = y * r + 1.0
    for i in range(count):
        values[i] = values[i] * powers[i]


@jit
def _greatest(values, count, folded):
    """Return the greatest of the first `count` numbers; `folded`: room of as many, for halves laid over each
    other, which run in lanes."""
    half = (count + 1) >> 1
    for j in range(count - half):
        folded[j] = max(values[j], values[half + j])
    if count & 1:
        folded[half - 1] = values[half - 1]
    while half > 1:
        count, half = half, (half + 1) >> 1
        for j in range(count - half):
            folded[j] = max(folded[j], folded[half + j])
    return folded[0]


@jit
def _total(values, count, folded):
    """Return the sum of the first `count` numbers, in the same way."""
    half = (count + 1) >> 1
    for j in range(count - half):
        folded[j] = values[j] + values[half + j]
    if count & 1:
        folded[half - 1] = values[half - 1]
    while half > 1:
        count, half = half, (half + 1) >> 1
        for j in range(count - half):
            folded[j] = folded[j] + folded[half + j]
    return folded[0]


@entry(
    "int64(float32[::1], float64, int32[::1], int32[::1], float64[::1], float64[::1], float64[:, ::1],"
    " int32[:, ::1])"
)
def reduce_row(row, scale, class_start, class_tokens, sums, means, best, best_tokens):
    """Reduce the logits of one slot to scores of classes, each logit times `scale` = 1 / temperature.

    Of each class: the logarithm of the sum of exponentials, the mean of the logits under their softmax
    (for entropies), and the k best tokens with their logits, lower ids first among equals. Returns 0, or
    NO_NUMBER or INFINITE where some logit is NaN or plus infinity.
    """
    ranks = best.shape[1]
    buffer, lanes, folded = np.empty(_LANES), np.empty(_LANES), np.empty(_LANES)
    totals, moments = np.empty(_LANES), np.empty(_LANES)
    bits = np.empty(_LANES, np.int64)
    unknown = infinite = 0
    for v in range(len(row)):
        unknown += 1 if row[v] != row[v] else 0
        infinite += 1 if row[v] == np.float32(math.inf) else 0
    if unknown:
        return NO_NUMBER
    if infinite:
        return INFINITE
    for c in range(len(sums)):
        first, end = class_start[c], class_start[c + 1]
        for k in range(ranks):
            best[c, k] = _NONE
            best_tokens[c, k] = -1
        if end - first == 1:
            best[c, 0] = sums[c] = means[c] = row[class_tokens[first]] * scale
            best_tokens[c, 0] = class_tokens[first]
            continue
        # Sums are relative to the greatest logit so far, and scaled down when a greater one comes.
        top = _NONE
        width = min(_LANES, end - first)
        for j in range(width):
            totals[j] = 0.0
            moments[j] = 0.0
        for begin in range(first, end, _LANES):
            count = min(_LANES, end - begin)
            for j in range(count):
                lanes[j] = row[class_tokens[begin + j]] * scale
            here = _greatest(lanes, count, folded)
            if here == _NONE:
                continue
            if here > best[c, ranks - 1]:
                for j in range(count):
                    if lanes[j] > best[c, ranks - 1]:
                        _rank(best, best_tokens, c, lanes[j], class_tokens[begin + j])
            if here > top:
                if top > _NONE:
                    down = top - here
                    factor = math.exp(down)
                    for j in range(width):
                        moments[j] = (moments[j] + down * totals[j]) * factor
                        totals[j] = totals[j] * factor
                top = here
            for j in range(count):
                lanes[j] = max(lanes[j] - top, -700.0)
                buffer[j] = lanes[j]
            if count < _FEW:
                for j in range(count):
                    buffer[j] = math.exp(buffer[j])
            else:
                _exponentials(buffer, count, bits)
            for j in range(count):
                totals[j] += buffer[j]
                moments[j] += lanes[j] * buffer[j]
        if top == _NONE:
            sums[c] = means[c] = top
            continue
        total = _total(totals, width, folded)
        sums[c] = top + math.log(total)
        means[c] = top + _total(moments, width, folded) / total
    return 0


@jit
def _rank(best, best_tokens, c, x, token):
    """Put a token among the best of its class; the lower id first among equals."""
    k = best.shape[1] - 1
    while k > 0 and best[c, k - 1] < x:
        best[c, k] = best[c, k - 1]
        best_tokens[c, k] = best_tokens[c, k - 1]
        k -= 1
    best[c, k] = x
    best_tokens[c, k] = token


# --- the log-sum semiring -----------------------------------------------------------------------------------


@entry(
    "void(uint8[::1], int8[::1], uint64[:, ::1], uint8[::1], int32[::1], int32[::1], float64[:, ::1],"
    " float64[:, ::1], float64[::1], float64[:, ::1])"
)
def sum_sets(stale, kind, masks, null_allowed, set_start, set_classes, scores, nulls, base, sums):
    """Sum the scores of each class set at the stale slots: `sums` is linear, to be multiplied by e^base.

    `base` is the greatest score of an allowed class, or of a null; sets with classes that are not allowed
    are on no live edge, and their sums mean nothing. No slot is stale any longer.
    """
    classes = scores.shape[1]
    linear = np.empty(classes)
    for i in range(len(kind)):
        if not stale[i] or kind[i] != MASKED:
            continue
        stale[i] = 0
        top = _NONE
        for c in range(classes):
            if _has(masks[i], c) and scores[i, c] > top:
                top = scores[i, c]
        if null_allowed[i]:
            top = max(top, nulls[i, 0], nulls[i, 1])
        if top == _NONE:
            top = 0.0
        base[i] = top
        for c in range(classes):
            linear[c] = math.exp(scores[i, c] - top) if _has(masks[i], c) else 0.0
        for u in range(len(set_start) - 1):
            total = 0.0
            for at in range(set_start[u], set_start[u + 1]):
                total += linear[set_classes[at]]
            sums[i, u] = total


@jit
def _log_sum(i, u, base, sums, set_start, set_classes, scores):
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
def _join(a, b):
    """Return log(e^a + e^b)."""
    if a < b:
        a, b = b, a
    return a if b == _NONE else a + math.log1p(math.exp(b - a))


@entry(
    "void(int64, int8[::1], int32[::1], uint8[::1], uint8[::1], int32[:, ::1], int32[::1], int32[::1],"
    " int32[::1], int32[::1], int32[::1], uint64[:, ::1], uint64[:, ::1], uint64[:, ::1], uint64[:, ::1],"
    " float64[:, ::1], float64[:, ::1], float64[::1], float64[:, ::1], float64[:, ::1], float64[:, ::1])"
)
def sum_forward(
    first,
    kind,
    column,
    nullable,
    closes,
    table,
    edge_start,
    edge_to,
    edge_set,
    set_start,
    set_classes,
    f0,
    f1,
    b0,
    b1,
    scores,
    nulls,
    base,
    sums,
    a0,
    a1,
):
    """Fill the forward sums of the layers behind `first`: the logarithm of the summed weight of all ways from
    the start to a node; of live nodes alone."""
    slots, states = len(kind), len(table)
    listed = np.empty(states + 64, np.int64)
    weight = np.empty(states)
    set_logs = np.empty(sums.shape[1])
    stamp = np.full(sums.shape[1], -1, np.int64)
    tops = np.empty(states)
    for i in range(first, slots):
        to1 = b0[i + 1] if closes[i] else b1[i + 1]
        for s in range(states):
            a0[i + 1, s] = _NONE
            a1[i + 1, s] = _NONE
        count = _members(f0[i], listed)
        if kind[i] == FIXED:
            for k in range(count):
                s = listed[k]
                after = table[s, column[i]]
                if after >= 0 and _has(b0[i], s) and _has(b0[i + 1], after):
                    a0[i + 1, after] = _join(a0[i + 1, after], a0[i, s])
        elif kind[i] == MASKED:
            top = _NONE
            for k in range(count):
                if _has(b0[i], listed[k]):
                    top = max(top, a0[i, listed[k]])
            if top > _NONE:
                for s in range(states):
                    weight[s] = 0.0
                for k in range(count):
                    s = listed[k]
                    if not _has(b0[i], s):
                        continue
                    here = math.exp(a0[i, s] - top)
                    for e in range(edge_start[s], edge_start[s + 1]):
                        if _has(b0[i + 1], edge_to[e]):
                            weight[edge_to[e]] += here * sums[i, edge_set[e]]
                faint = False
                for s in range(states):
                    if weight[s] > _FAINT:
                        a0[i + 1, s] = math.log(weight[s]) + top + base[i]
                    elif _has(f0[i + 1], s) and _has(b0[i + 1], s):
                        faint = True
                if faint:
                    _forward_slowly(
                        i,
                        count,
                        listed,
                        edge_start,
                        edge_to,
                        edge_set,
                        set_start,
                        set_classes,
                        b0,
                        scores,
                        base,
                        sums,
                        a0,
                        set_logs,
                        stamp,
                        tops,
                        weight,
                    )
        if kind[i] == NULL or (kind[i] == MASKED and nullable[i]):
            begun = nulls[i, 0] if kind[i] == MASKED else 0.0
            further = nulls[i, 1] if kind[i] == MASKED else 0.0
            for s in range(states):
                if not _has(to1, s):
                    continue
                if _has(f0[i], s) and _has(b0[i], s):
                    a1[i + 1, s] = a0[i, s] + begun
                if _has(f1[i], s) and _has(b1[i], s):
                    a1[i + 1, s] = _join(a1[i + 1, s], a1[i, s] + further)
        if closes[i]:
            for s in range(states):
                if a1[i + 1, s] > _NONE:
                    a0[i + 1, s] = _join(a0[i + 1, s], a1[i + 1, s])
                    a1[i + 1, s] = _NONE


@jit
def _forward_slowly(
    i,
    count,
    listed,
    edge_start,
    edge_to,
    edge_set,
    set_start,
    set_classes,
    b0,
    scores,
    base,
    sums,
    a0,
    set_logs,
    stamp,
    tops,
    weight,
):
    """Fill the forward sums behind one slot with logarithms: the greatest term of each node first."""
    states = len(tops)
    for s in range(states):
        tops[s] = _NONE
        weight[s] = 0.0
    for turn in range(2):
        for k in range(count):
            s = listed[k]
            if not _has(b0[i], s) or a0[i, s] == _NONE:
                continue
            for e in range(edge_start[s], edge_start[s + 1]):
                after, u = edge_to[e], edge_set[e]
                if not _has(b0[i + 1], after):
                    continue
                if stamp[u] != i:
                    stamp[u] = i
                    set_logs[u] = _log_sum(i, u, base, sums, set_start, set_classes, scores)
                found = a0[i, s] + set_logs[u]
                if turn == 0:
                    tops[after] = max(tops[after], found)
                elif found > _NONE:
                    weight[after] += math.exp(found - tops[after])
    for s in range(states):
        a0[i + 1, s] = tops[s] + math.log(weight[s]) if weight[s] > 0.0 else _NONE


@entry(
    "void(int64, int8[::1], int32[::1], uint8[::1], uint8[::1], int32[:, ::1], int32[::1], int32[::1],"
    " int32[::1], int32[::1], int32[::1], uint64[:, ::1], uint64[:, ::1], uint64[:, ::1], uint64[:, ::1],"
    " float64[:, ::1], float64[:, ::1], float64[::1], float64[:, ::1], float64[:, ::1], float64[:, ::1])"
)
def sum_backward(
    last,
    kind,
    column,
    nullable,
    closes,
    table,
    edge_start,
    edge_to,
    edge_set,
    set_start,
    set_classes,
    f0,
    f1,
    b0,
    b1,
    scores,
    nulls,
    base,
    sums,
    c0,
    c1,
):
    """Fill the backward sums of the layers up to `last`: the logarithm of the summed weight of all ways from
    a node to the end; of live nodes alone."""
    states = len(table)
    listed = np.empty(states + 64, np.int64)
    linear = np.empty(states)
    for i in range(last, -1, -1):
        after1 = c0[i + 1] if closes[i] else c1[i + 1]
        for s in range(states):
            c0[i, s] = _NONE
            c1[i, s] = _NONE
        count = _members(f0[i], listed)
        if kind[i] == FIXED:
            for k in range(count):
                s = listed[k]
                after = table[s, column[i]]
                if after >= 0 and _has(b0[i], s) and _has(b0[i + 1], after):
                    c0[i, s] = c0[i + 1, after]
        elif kind[i] == MASKED:
            top = _NONE
            for s in range(states):
                if _has(f0[i + 1], s) and _has(b0[i + 1], s):
                    top = max(top, c0[i + 1, s])
            if top > _NONE:
                for s in range(states):
                    is_live = _has(f0[i + 1], s) and _has(b0[i + 1], s)
                    linear[s] = math.exp(c0[i + 1, s] - top) if is_live else 0.0
                for k in range(count):
                    s = listed[k]
                    if not _has(b0[i], s):
                        continue
                    total = 0.0
                    for e in range(edge_start[s], edge_start[s + 1]):
                        # linear is 0 where the target is not live
                        total += linear[edge_to[e]] * sums[i, edge_set[e]]
                    if total > _FAINT:
                        c0[i, s] = math.log(total) + top + base[i]
                    else:
                        for e in range(edge_start[s], edge_start[s + 1]):
                            after = edge_to[e]
                            if _has(b0[i + 1], after):
                                found = _log_sum(i, edge_set[e], base, sums, set_start, set_classes, scores)
                                c0[i, s] = _join(c0[i, s], found + c0[i + 1, after])
        if kind[i] == NULL or (kind[i] == MASKED and nullable[i]):
            begun = nulls[i, 0] if kind[i] == MASKED else 0.0
            further = nulls[i, 1] if kind[i] == MASKED else 0.0
            for s in range(states):
                if after1[s] == _NONE:
                    continue
                if _has(f0[i], s) and _has(b0[i], s):
                    c0[i, s] = _join(c0[i, s], after1[s] + begun)
                if _has(f1[i], s) and _has(b1[i], s):
                    c1[i, s] = after1[s] + further


@entry(
    "void(int8[::1], uint8[::1], uint8[::1], uint8[::1], int32[::1], int32[::1], int32[::1], int32[::1],"
    " int32[::1], uint64[:, ::1], uint64[:, ::1], uint64[:, ::1], uint64[:, ::1], float64[:, ::1],"
    " float64[:, ::1], float64[::1], float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1],"
    " float64[:, ::1], float64, float64[:, ::1], float64[::1])"
)
def fill_marginals(
    kind,
    nullable,
    closes,
    wanted,
    edge_start,
    edge_to,
    edge_set,
    set_start,
    set_classes,
    f0,
    f1,
    b0,
    b1,
    scores,
    nulls,
    base,
    sums,
    a0,
    a1,
    c0,
    c1,
    log_z,
    chances,
    null_chances,
):
    """Write the probability of each class, and of a null, at each wanted masked slot, given that the whole
    canvas is valid."""
    slots, states = len(kind), f0.shape[1] * 64
    listed = np.empty(states + 64, np.int64)
    weight = np.empty(sums.shape[1])
    linear = np.empty(c0.shape[1])
    for i in range(slots):
        if not wanted[i] or kind[i] != MASKED:
            continue
        for c in range(chances.shape[1]):
            chances[i, c] = 0.0
        null_chances[i] = 0.0
        count = _members(f0[i], listed)
        top, bottom = _NONE, _NONE
        for k in range(count):
            if _has(b0[i], listed[k]):
                top = max(top, a0[i, listed[k]])
        for s in range(c0.shape[1]):
            is_live = _has(f0[i + 1], s) and _has(b0[i + 1], s)
            linear[s] = c0[i + 1, s] if is_live else _NONE
            bottom = max(bottom, linear[s])
        # Every term is measured against log Z: what is lost by rounding to zero is below 1e-300 of the whole.
        shift = top + bottom + base[i] - log_z
        if top > _NONE and bottom > _NONE and shift < 600.0:
            factor = math.exp(shift)
            for s in range(c0.shape[1]):
                linear[s] = math.exp(linear[s] - bottom)
            for u in range(len(weight)):
                weight[u] = 0.0
            for k in range(count):
                s = listed[k]
                if not _has(b0[i], s):
                    continue
                here = math.exp(a0[i, s] - top)
                for e in range(edge_start[s], edge_start[s + 1]):
                    weight[edge_set[e]] += here * linear[edge_to[e]]
            for u in range(len(weight)):
                if weight[u] > 0.0:
                    for at in range(set_start[u], set_start[u + 1]):
                        c = set_classes[at]
                        chances[i, c] += weight[u] * math.exp(scores[i, c] - base[i]) * factor
        elif top > _NONE and bottom > _NONE:
            for k in range(count):
                s = listed[k]
                if not _has(b0[i], s):
                    continue
                for e in range(edge_start[s], edge_start[s + 1]):
                    after, u = edge_to[e], edge_set[e]
                    if linear[after] == _NONE:
                        continue
                    around = a0[i, s] + linear[after] - log_z
                    for at in range(set_start[u], set_start[u + 1]):
                        c = set_classes[at]
                        chances[i, c] += math.exp(around + scores[i, c])
        if nullable[i]:
            after1 = c0[i + 1] if closes[i] else c1[i + 1]
            for s in range(c0.shape[1]):
                if after1[s] == _NONE:
                    continue
                if _has(f0[i], s) and _has(b0[i], s):
                    null_chances[i] += math.exp(a0[i, s] + nulls[i, 0] + after1[s] - log_z)
                if _has(f1[i], s) and _has(b1[i], s):
                    null_chances[i] += math.exp(a1[i, s] + nulls[i, 1] + after1[s] - log_z)


@entry(
    "void(int64, int8[::1], int32[::1], uint8[::1], uint8[::1], int32[:, ::1], int32[::1], int32[::1],"
    " int32[::1], int32[::1], int32[::1], uint64[:, ::1], uint64[:, ::1], uint64[:, ::1], uint64[:, ::1],"
    " float64[:, ::1], float64[:, ::1], float64[::1], float64[:, ::1], float64[:, ::1], float64[:, ::1],"
    " float64[:, ::1], int32[::1])"
)
def draw_classes(
    start,
    kind,
    column,
    nullable,
    closes,
    table,
    edge_start,
    edge_to,
    edge_set,
    set_start,
    set_classes,
    f0,
    f1,
    b0,
    b1,
    scores,
    nulls,
    base,
    sums,
    c0,
    c1,
    uniforms,
    drawn,
):
    """Draw a class for each slot (NULL_TOKEN: a null) from the joint law of valid canvases. The backward sums
    are there already, so that the draw goes from left to right. `uniforms`: [slots, 2], from 0 to 1."""
    state, flag = start, 0
    weight = np.empty(table.shape[0] + table.shape[1] + 2)
    for i in range(len(kind)):
        after1 = c0[i + 1] if closes[i] else c1[i + 1]
        if kind[i] == FIXED:
            drawn[i] = column[i]
            state = table[state, column[i]]
            continue
        if kind[i] == NULL or flag == 1:
            drawn[i] = NULL_TOKEN
            flag = 0 if closes[i] else 1
            continue
        first, end = edge_start[state], edge_start[state + 1]
        top = _NONE
        for e in range(first, end):
            weight[e - first] = _NONE
            if _has(b0[i + 1], edge_to[e]):
                found = _log_sum(i, edge_set[e], base, sums, set_start, set_classes, scores)
                weight[e - first] = found + c0[i + 1, edge_to[e]]
                top = max(top, weight[e - first])
        null = _NONE
        if nullable[i]:
            null = nulls[i, 0] + after1[state]
            top = max(top, null)
        total = math.exp(null - top)
        for k in range(end - first):
            weight[k] = math.exp(weight[k] - top)
            total += weight[k]
        left = uniforms[i, 0] * total - math.exp(null - top)
        if left < 0.0:
            drawn[i] = NULL_TOKEN
            flag = 0 if closes[i] else 1
            continue
        chosen = -1
        for k in range(end - first):
            if weight[k] > 0.0:
                chosen = k
                left -= weight[k]
                if left < 0.0:
                    break
        if chosen < 0:
            # only rounding comes here: nothing but the null has weight
            drawn[i] = NULL_TOKEN
            flag = 0 if closes[i] else 1
            continue
        u = edge_set[first + chosen]
        whole = _log_sum(i, u, base, sums, set_start, set_classes, scores)
        left = uniforms[i, 1]
        for at in range(set_start[u], set_start[u + 1]):
            share = math.exp(scores[i, set_classes[at]] - whole)
            if share > 0.0:
                drawn[i] = set_classes[at]
                left -= share
                if left < 0.0:
                    break
        state = edge_to[first + chosen]


@entry("int64(float32[::1], float64, float64, int32[::1], int64, int64, float64)")
def draw_token(row, scale, total, class_tokens, first, end, uniform):
    """Draw one of a class's tokens by the softmax of its logits; `total` is the class's score."""
    lanes, shares, folded = np.empty(_LANES), np.empty(_LANES), np.empty(_LANES)
    bits = np.empty(_LANES, np.int64)
    left = uniform
    for begin in range(first, end, _LANES):
        count = min(_LANES, end - begin)
        for j in range(count):
            lanes[j] = row[class_tokens[begin + j]] * scale - total
            shares[j] = min(max(lanes[j], -700.0), 0.0)
        _exponentials(shares, count, bits)
        here = _total(shares, count, folded)
        if left >= here:
            left -= here
            continue
        for j in range(count):
            left -= shares[j]
            if left < 0.0 and lanes[j] > -700.0:
                return class_tokens[begin + j]
    # Only rounding comes here: the number was within 1e-11 of 1.
    for at in range(end - 1, first - 1, -1):
        if row[class_tokens[at]] * scale - total > -700.0:
            return class_tokens[at]
    return -1


# --- the max-plus semiring ----------------------------------------------------------------------------------


@jit
def _insert(values, origin, token, s, value, source, what):
    """Put a way into a node's list of the best, if it is among them; the earlier one first among equals."""
    ranks = values.shape[1]
    if not value > values[s, ranks - 1]:
        return
    k = ranks - 1
    while k > 0 and values[s, k - 1] < value:
        values[s, k] = values[s, k - 1]
        origin[s, k] = origin[s, k - 1]
        token[s, k] = token[s, k - 1]
        k -= 1
    values[s, k] = value
    origin[s, k] = source
    token[s, k] = what


@entry(
    "void(int64, int8[::1], int32[::1], uint8[::1], uint8[::1], int32[:, ::1], int32[::1], int32[::1],"
    " int32[::1], int32[::1], int32[::1], uint64[:, ::1], uint64[:, ::1], uint64[:, ::1], uint64[:, ::1],"
    " float64[:, :, ::1], int32[:, :, ::1], float64[:, ::1], float64[:, :, ::1], float64[:, :, ::1],"
    " int64[:, :, ::1], int64[:, :, ::1], int32[:, :, ::1], int32[:, :, ::1])"
)
def best_forward(
    first,
    kind,
    column,
    nullable,
    closes,
    table,
    edge_start,
    edge_to,
    edge_set,
    set_start,
    set_classes,
    f0,
    f1,
    b0,
    b1,
    tops,
    top_tokens,
    nulls,
    v0,
    v1,
    o0,
    o1,
    t0,
    t1,
):
    """Fill the k best ways to each live node of the layers behind `first`.

    v: their weights; o: where each comes from, (state * 2 + flag) * ranks + rank; t: the token (NULL_TOKEN:
    a null; a class in a fixed slot).
    """
    slots, states = len(kind), len(table)
    sets, ranks = len(set_start) - 1, v0.shape[2]
    listed = np.empty(states + 64, np.int64)
    stamp = np.full(sets, -1, np.int64)
    set_tops = np.empty((sets, ranks))
    set_tokens = np.empty((sets, ranks), np.int32)
    for i in range(first, slots):
        to1 = b0[i + 1] if closes[i] else b1[i + 1]
        for s in range(states):
            for k in range(ranks):
                v0[i + 1, s, k] = _NONE
                v1[i + 1, s, k] = _NONE
        count = _members(f0[i], listed)
        for k in range(count):
            s = listed[k]
            if not _has(b0[i], s):
                continue
            if kind[i] == FIXED:
                after = table[s, column[i]]
                if after >= 0 and _has(b0[i + 1], after):
                    for r in range(ranks):
                        source = 2 * s * ranks + r
                        _insert(v0[i + 1], o0[i + 1], t0[i + 1], after, v0[i, s, r], source, column[i])
            elif kind[i] == MASKED:
                for e in range(edge_start[s], edge_start[s + 1]):
                    after, u = edge_to[e], edge_set[e]
                    if not _has(b0[i + 1], after):
                        continue
                    if stamp[u] != i:
                        stamp[u] = i
                        for r in range(ranks):
                            set_tops[u, r] = _NONE
                        for at in range(set_start[u], set_start[u + 1]):
                            c = set_classes[at]
                            for r in range(ranks):
                                x = tops[i, c, r]
                                if not x > set_tops[u, ranks - 1]:
                                    break
                                j = ranks - 1
                                while j > 0 and set_tops[u, j - 1] < x:
                                    set_tops[u, j] = set_tops[u, j - 1]
                                    set_tokens[u, j] = set_tokens[u, j - 1]
                                    j -= 1
                                set_tops[u, j] = x
                                set_tokens[u, j] = top_tokens[i, c, r]
                    for r in range(ranks):
                        source = 2 * s * ranks + r
                        if not v0[i, s, r] + set_tops[u, 0] > v0[i + 1, after, ranks - 1]:
                            break
                        for j in range(ranks):
                            x = v0[i, s, r] + set_tops[u, j]
                            if not x > v0[i + 1, after, ranks - 1]:
                                break
                            _insert(v0[i + 1], o0[i + 1], t0[i + 1], after, x, source, set_tokens[u, j])
        if kind[i] == NULL or (kind[i] == MASKED and nullable[i]):
            begun = nulls[i, 0] if kind[i] == MASKED else 0.0
            further = nulls[i, 1] if kind[i] == MASKED else 0.0
            for s in range(states):
                if not _has(to1, s):
                    continue
                for r in range(ranks):
                    if _has(f0[i], s) and _has(b0[i], s):
                        x = v0[i, s, r] + begun
                        source = 2 * s * ranks + r
                        if closes[i]:
                            _insert(v0[i + 1], o0[i + 1], t0[i + 1], s, x, source, NULL_TOKEN)
                        else:
                            _insert(v1[i + 1], o1[i + 1], t1[i + 1], s, x, source, NULL_TOKEN)
                    if _has(f1[i], s) and _has(b1[i], s):
                        x = v1[i, s, r] + further
                        source = (2 * s + 1) * ranks + r
                        if closes[i]:
                            _insert(v0[i + 1], o0[i + 1], t0[i + 1], s, x, source, NULL_TOKEN)
                        else:
                            _insert(v1[i + 1], o1[i + 1], t1[i + 1], s, x, source, NULL_TOKEN)
