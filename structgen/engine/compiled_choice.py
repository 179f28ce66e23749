"""The choice of a token for each row of logits in the memory of the CPU, compiled.

A row is read once, in tiles, for two sums of exponentials (all tokens, and the allowed ones) and the
likeliest token. The draw has two levels: first a tile of 1,024 tokens, then a token of that tile.
`structgen_kernels.reference` defines it for every device (docs/inside/kernels.md, "The draw"). The only
difference: a tile's sum is in single precision here, with a relative error of about 2e-6. So a different
tile is drawn only if the two best scores are that close.

Gumbel noise costs two logarithms. It is computed only for tokens that can still win, by an upper bound from
the leading ones of their uniform number.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from structgen.engine.noise import TILE, gumbel_of, position_key, uniform_of
from structgen.native.jit import entry, jit

Array: TypeAlias = npt.NDArray[Any]
Real: TypeAlias = float | np.floating[Any]

LOGPROB, CONSTRAINED, REMOVED = range(3)
"""Columns of the floats of the output."""
TOKEN, ALLOWED, WANTED, FAULTY, CHOSEN_AT = range(5)
"""Columns of the integers of the output. CHOSEN_AT: the row of the logits."""
PLACE, LINE, WHICH, NODE, FIRST, LAST = range(6)
"""Columns of a text: its rows of the logits, of the masks and of the penalised logits (-1: none); the node of
its draft where it stands (0: the root); and the range of its guesses among all guesses."""
STREAM, POSITION = range(2)
"""Columns of a text's noise: the key of its sample, and the position of the next token."""
GUESS, PARENT, READY = range(3)
"""Columns of a guess: the token, its parent among the text's guesses (-1: the root), whether its mask is
filled."""
TEMPERATURE, TOP_P, MIN_P, TOP_K = range(4)
"""Columns of the options of a row."""
TOP, SUM, ALLOWED_TOP, ALLOWED_SUM = range(4)
"""Rows of a tile's numbers: the maximum logit, the sum of e^(logit - maximum), and both for the allowed
tokens. The maximum is minus infinity if no token is possible."""


class Row(NamedTuple):
    """What a token is chosen from: logits, a mask (empty: all are allowed), the logits after penalties if
    there are any, the key of the noise, and the options."""

    raw: Array
    words: Array
    scores: Array
    has_scores: bool
    key: Any
    how: Array


class DrawScratch(NamedTuple):
    """Memory for one row after another: of a tile, in single precision twice and in double; the numbers of
    all tiles; the mask that filters leave; candidates and their scores."""

    part: Array
    logits: Array
    scores: Array
    tiles: Array
    kept: Array
    ids: Array
    found: Array


_LN2 = math.log(2.0)
_EVERY = np.int32(-1)
_WORD = 32
_STEPS, _STEPS_A_NAT = 256, 8.0
"""Histogram bins for scores below the maximum, and bins for each unit of score. They select the scores that
are sorted."""
_SLACK = 1e-9
"""Larger than the rounding error of a bound."""
_FAINT = 1e-9
"""If the allowed tokens have a smaller share of their tile than this, they are summed again, relative to
their own maximum. In single precision the logarithms of such small shares are too coarse."""


@jit
def exponential(x: Real) -> Any:
    """Return e^x for x <= 0, to seven digits; below e^-87 it is e^-87. A polynomial after a power of two
    (Cephes' expf), so that loops over it vectorise."""
    if x < np.float32(-87.0):
        x = np.float32(-87.0)
    n = np.floor(x * np.float32(1.44269504088896341) + np.float32(0.5))
    r = np.float32(x - n * np.float32(0.693359375))
    r = np.float32(r - n * np.float32(-2.12194440e-4))
    y = np.float32(1.9875691500e-4)
    y = np.float32(y * r + np.float32(1.3981999507e-3))
    y = np.float32(y * r + np.float32(8.3334519073e-3))
    y = np.float32(y * r + np.float32(4.1665795894e-2))
    y = np.float32(y * r + np.float32(1.6666665459e-1))
    y = np.float32(y * r + np.float32(5.0000001201e-1))
    y = np.float32(y * r * r + r + np.float32(1.0))
    bits = np.int32((np.int32(n) + np.int32(127)) << np.int32(23))
    return np.float32(y * bits.view(np.float32))


# A signed index may count from the end. Numba checks that for each element, which prevents vectorised
# loops. So computed indices are made unsigned.


@jit
def exponentials(row: Array, start: int, count: int, top: Real, out: Array) -> None:
    """Write e^(row - top) for `count` numbers from `start` to `out`."""
    for i in range(count):
        out[i] = exponential(np.float32(row[np.uint64(start + i)] - top))


@jit
def cooled_exponentials(row: Array, start: int, count: int, top: Real, chill: Real, out: Array) -> None:
    """Write e^((row - top) * chill) for `count` numbers from `start` to `out`."""
    for i in range(count):
        out[i] = exponential(np.float32(np.float32(row[np.uint64(start + i)] - top) * chill))


@jit
def highest(row: Array) -> Any:
    """Return the maximum of a row, NaN ignored."""
    a = b = c = d = row.dtype.type(-np.inf)
    whole = len(row) & ~3
    for i in range(0, whole, 4):
        a = row[i] if row[i] > a else a
        b = row[i + 1] if row[i + 1] > b else b
        c = row[i + 2] if row[i + 2] > c else c
        d = row[i + 3] if row[i + 3] > d else d
    for i in range(whole, len(row)):
        a = row[i] if row[i] > a else a
    return max(max(a, b), max(c, d))


@jit
def total_from(values: Array, start: int, count: int) -> Any:
    """Return the sum of `count` numbers from `start`."""
    a = b = c = d = 0.0
    whole = start + (count & ~3)
    for i in range(start, whole, 4):
        a += values[np.uint64(i)]
        b += values[np.uint64(i + 1)]
        c += values[np.uint64(i + 2)]
        d += values[np.uint64(i + 3)]
    for i in range(whole, start + count):
        a += values[np.uint64(i)]
    return (a + b) + (c + d)


@jit
def total(values: Array, count: int) -> Any:
    """Return the sum of the first `count` numbers."""
    return total_from(values, 0, count)


@jit
def first_highest(scores: Array, count: int) -> Any:
    """Return the index of the first maximum of `count` scores."""
    at = 0
    for i in range(1, count):
        if scores[i] > scores[at]:
            at = i
    return at


@jit
def drawn_token(key: Any, ids: Array, scores: Array, count: int) -> Any:
    """Return the candidate with the greatest score plus Gumbel noise; of equal ones the smallest."""
    first = first_highest(scores, count)
    token = ids[first]
    best = scores[first] + gumbel_of(uniform_of(key, token + 1))
    for i in range(count):
        uniform = uniform_of(key, ids[i] + 1)
        # noise is at most -log(1 - uniform), so at most ln 2 times the leading zeros of 1 - uniform
        zeros = 1023 - (np.float64(1.0 - uniform).view(np.int64) >> 52)
        if scores[i] + np.float64(zeros) * _LN2 + _SLACK < best:
            continue
        noisy = scores[i] + gumbel_of(uniform)
        if noisy > best or (noisy == best and ids[i] < token):
            best, token = noisy, ids[i]
    return token


@jit
def reach_of(scores: Array, shares: Array, count: int, top: Real, most: Any, mass: Real) -> Any:
    """Return a distance below the maximum score, in bins, within which there are at least `most` scores or
    more than `mass` of the probability, and not many more. Returns infinity if only all scores suffice."""
    sizes, masses = np.zeros(_STEPS, np.int64), np.zeros(_STEPS)
    for i in range(count):
        step = np.int64(min((top - scores[i]) * _STEPS_A_NAT, np.float64(_STEPS - 1)))
        sizes[step] += 1
        if mass < np.inf:
            masses[step] += shares[i]
    found, whole = np.int64(0), 0.0
    for at in range(_STEPS - 1):
        found += sizes[at]
        whole += masses[at]
        if found >= most or whole > mass:
            return at + 1.0
    return np.inf


@jit
def filtered(how: Array, ids: Array, scores: Array, count: int) -> Any:
    """Keep the candidates that pass top-k, top-p and min-p, moved to the front; return their number."""
    top = scores[first_highest(scores, count)]
    most, nucleus, least = np.int64(how[TOP_K]), how[TOP_P], how[MIN_P]
    if nucleus >= 1.0:
        nucleus = np.inf  # top_p = 1 keeps all, however the sum is rounded
    shares = np.zeros(count, np.float32)
    if nucleus < np.inf:
        exponentials(scores, 0, count, top, shares)
    whole = total(shares, count) if most == 0 else 0.0
    if most == 0:
        most = np.int64(count)
    # sort only the likeliest scores: they include all that the filters keep; top-p counts what min-p drops
    reach = 1.0 - _STEPS_A_NAT * math.log(least) if least > 0.0 and nucleus == np.inf else np.inf
    if count > _STEPS:
        mass = nucleus * whole if whole > 0.0 else np.inf
        reach = min(reach, reach_of(scores, shares, count, top, most, mass))
    part, found = np.empty(count, np.int64), 0
    for i in range(count):
        part[found] = i
        found += (top - scores[i]) * _STEPS_A_NAT < reach
    order = part[:found][np.argsort(-scores[part[:found]], kind="mergesort")][:most]
    if whole == 0.0:
        for i in order:
            whole += shares[i]
    kept, mass, enough = 0, 0.0, nucleus * whole if nucleus < np.inf else np.inf
    new_ids, new_scores = ids[order], scores[order]
    for i in range(len(order)):
        # the token that reaches the mass is kept too
        if kept > 0 and (mass >= enough or math.exp(new_scores[i] - top) < least):
            break
        mass += shares[order[i]]
        ids[i], scores[i] = new_ids[i], new_scores[i]
        kept += 1
    return kept


@jit
def bits_of(words: Array, word: int) -> Any:
    """Return a word of a mask: all ones if there is no mask, 0 beyond its end."""
    if len(words) == 0:
        return _EVERY
    return words[word] if word < len(words) else np.int32(0)


@jit
def is_allowed(words: Array, token: int) -> Any:
    """Return whether a mask allows a token."""
    return bits_of(words, token >> 5) & np.int32(1 << (token & 31)) != 0


@jit
def within(bits: Any, length: int) -> Any:
    """Return a word with the bits from `length` on cleared: these tokens do not exist."""
    return bits if length == _WORD else bits & np.int32((1 << length) - 1)


@jit
def ones(bits: Any) -> Any:
    """Return the number of set bits of a word."""
    n = np.int64(bits) & np.int64(0xFFFFFFFF)
    n -= (n >> 1) & np.int64(0x55555555)
    n = (n & np.int64(0x33333333)) + ((n >> 2) & np.int64(0x33333333))
    n = (n + (n >> 4)) & np.int64(0x0F0F0F0F)
    return ((n * np.int64(0x01010101)) >> 24) & np.int64(0xFF)


@jit
def sum_of_allowed(bits: Any, values: Array, start: int, count: int) -> Any:
    """Return the sum of the numbers whose bits are set, of `count` from `start` on; the others become 0.
    Without branches: half-full masks would be mispredicted half the time."""
    for i in range(count):
        values[np.uint64(start + i)] *= np.float32((bits >> np.int32(i)) & np.int32(1))
    return total_from(values, start, count)


@jit
def gathered(scores: Array, words: Array, start: int, length: int, out: Array) -> Any:
    """Write the scores of a tile side by side, minus infinity for those that are not allowed; return how many
    numbers are written. Words of the mask without an allowed token are left out."""
    count = 0
    for first in range(start, start + length, _WORD):
        width = min(_WORD, start + length - first)
        bits = bits_of(words, first >> 5)
        if bits == 0:
            continue
        for i in range(width):
            score = scores[np.uint64(first + i)]
            is_in = (bits >> np.int32(i)) & np.int32(1) != 0
            out[np.uint64(count + i)] = score if is_in else scores.dtype.type(-np.inf)
        count += width
    return count


@jit
def allowed_sum(
    scores: Array, words: Array, start: int, length: int, heat: Real, part: Array, these: Array
) -> tuple[Any, Any]:
    """Return the maximum of score / temperature over a tile's allowed tokens, and the sum of e^(score /
    temperature - maximum); minus infinity and 0 if no token is possible."""
    count = gathered(scores, words, start, length, these)
    top = highest(these[:count])
    if top == -np.inf:
        return -np.inf, 0.0
    cooled_exponentials(these, 0, count, top, np.float32(1.0 / heat), part)
    return np.float64(top) / heat, total(part, count)


@jit
def sum_tiles(row: Row, scratch: DrawScratch) -> Any:
    """Write the numbers of each tile of a row of logits; return the number of allowed tokens."""
    raw, words, part, tiles = row.raw, row.words, scratch.part, scratch.tiles
    size, count = len(raw), 0
    for tile in range(tiles.shape[1]):
        start = tile * TILE
        length = min(TILE, size - start)
        top = highest(raw[start : start + length])
        # if all are minus infinity or NaN, only a NaN of the sum matters
        exponentials(raw, start, length, top if math.isfinite(top) else np.float32(0.0), part)
        every, some, here = 0.0, 0.0, 0
        for first in range(0, length, _WORD):
            width = min(_WORD, length - first)
            block = total_from(part, first, width)
            every += block
            bits = bits_of(words, (start + first) >> 5)
            if bits == _EVERY:
                some += block
                here += width
            elif bits != 0:
                bits = within(bits, width)
                some += sum_of_allowed(bits, part, first, width)
                here += ones(bits)
        count += here
        tiles[TOP, tile], tiles[SUM, tile] = top, every
        tiles[ALLOWED_TOP, tile], tiles[ALLOWED_SUM, tile] = top, some
        if here == 0:
            tiles[ALLOWED_TOP, tile] = -np.inf
        elif some <= _FAINT * every:
            tiles[ALLOWED_TOP, tile], tiles[ALLOWED_SUM, tile] = allowed_sum(
                raw, words, start, length, 1.0, part, scratch.logits
            )
    return count


@jit
def heat_tiles(scores: Array, words: Array, heat: Real, part: Array, these: Array, tiles: Array) -> None:
    """Write the allowed maximum and sum of each tile of a row of scores, divided by a temperature. The tiles
    hold the numbers of the logits; a tile without a possible token is left unchanged."""
    for tile in range(tiles.shape[1]):
        if tiles[ALLOWED_TOP, tile] > -np.inf:
            start = tile * TILE
            length = min(TILE, len(scores) - start)
            tiles[ALLOWED_TOP, tile], tiles[ALLOWED_SUM, tile] = allowed_sum(
                scores, words, start, length, heat, part, these
            )


@jit
def joined(tops: Array, sums: Array) -> Any:
    """Return the logarithm of the sum over all tiles; minus infinity if all maxima are."""
    top = -np.inf
    for tile in range(len(tops)):
        top = max(top, tops[tile])
    found = 0.0
    for tile in range(len(tops)):
        # also if a tile's maximum is minus infinity: its sum may be NaN
        found += sums[tile] * math.exp(tops[tile] - top)
    return top + math.log(found)


@jit
def drawn_tile(key: Any, tops: Array, sums: Array) -> Any:
    """Return the tile with the greatest log-sum plus Gumbel noise; of equal ones the first."""
    at, best = 0, -np.inf
    for tile in range(len(tops)):
        if tops[tile] > -np.inf:
            level = tops[tile] + math.log(sums[tile]) + gumbel_of(uniform_of(key, -1 - tile))
            if level > best:
                at, best = tile, level
    return at


@jit
def candidates(row: Row, first: int, last: int, ids: Array, out: Array) -> Any:
    """List the allowed tokens from `first` (the first of a word) to `last`, and their scores divided by the
    temperature (the raw logits if there are no others); return their number."""
    raw, scores, has_scores, count = row.raw, row.scores, row.has_scores, 0
    for start in range(first, last, _WORD):
        bits = bits_of(row.words, start >> 5)
        if bits == 0:
            continue
        # write each one; the next overwrites it if it is not allowed
        for i in range(min(_WORD, last - start)):
            token = start + i
            ids[count] = token
            out[count] = scores[token] if has_scores else np.float64(raw[token])
            count += (bits >> np.int32(i)) & np.int32(1)
    heat = row.how[TEMPERATURE]
    if heat != 1.0 and heat > 0.0:
        for i in range(count):
            out[i] /= heat
    return count


@jit
def narrow(ids: Array, count: int, words: Array) -> None:
    """Write the mask that allows exactly the first `count` tokens of a list."""
    words[:] = 0
    for i in range(count):
        words[ids[i] >> 5] |= np.int32(np.int64(1) << (ids[i] & 31))


@jit
def drawn_under_mask(row: Row, scratch: DrawScratch, is_new: bool) -> Any:
    """Draw a token of a row without its filters. `is_new`: the tiles hold the numbers of other scores, or of
    another temperature or mask."""
    heat, tiles = row.how[TEMPERATURE], scratch.tiles
    if is_new and row.has_scores:
        heat_tiles(row.scores, row.words, heat, scratch.part, scratch.scores, tiles)
    elif is_new:
        heat_tiles(row.raw, row.words, heat, scratch.part, scratch.logits, tiles)
    start = TILE * drawn_tile(row.key, tiles[ALLOWED_TOP], tiles[ALLOWED_SUM])
    found = candidates(row, start, min(start + TILE, len(row.raw)), scratch.ids, scratch.found)
    return drawn_token(row.key, scratch.ids, scratch.found, found)


@jit
def drawn(row: Row, scratch: DrawScratch) -> Any:
    """Draw a token of a row, for `draw_row`. At least one token is possible, and the tiles hold the numbers
    of the logits."""
    how, ids, scores = row.how, scratch.ids, scratch.found
    if how[TOP_K] > 0.0 or how[TOP_P] < 1.0 or how[MIN_P] > 0.0:
        found = candidates(row, 0, len(row.raw), ids, scores)
        narrow(ids, filtered(how, ids, scores, found), scratch.kept)
        left = Row(row.raw, scratch.kept, row.scores, row.has_scores, row.key, how)
        return drawn_under_mask(left, scratch, True)
    return drawn_under_mask(row, scratch, row.has_scores or how[TEMPERATURE] != 1.0)


@jit
def draw_row(row: Row, scratch: DrawScratch, numbers: Array, figures: Array) -> Any:
    """Choose a token of a row of logits, write its `numbers` and `figures`, and return it."""
    raw, tiles = row.raw, scratch.tiles
    count = sum_tiles(row, scratch)
    wanted = first_highest(tiles[TOP], tiles.shape[1]) * TILE
    top = highest(tiles[TOP])
    while wanted < len(raw) - 1 and raw[wanted] != top:
        wanted += 1
    whole = joined(tiles[TOP], tiles[SUM])
    left = joined(tiles[ALLOWED_TOP], tiles[ALLOWED_SUM])
    faulty = not (math.isfinite(whole) and math.isfinite(left))
    token, removed = wanted, np.nan
    if faulty:
        whole = left = np.nan
    else:
        removed = max(0.0, -math.expm1(left - whole))
        if row.how[TEMPERATURE] > 0.0:
            token = drawn(row, scratch)
        elif row.has_scores or not is_allowed(row.words, wanted):
            found = candidates(row, 0, len(raw), scratch.ids, scratch.found)
            token = scratch.ids[first_highest(scratch.found, found)]
    numbers[TOKEN], numbers[ALLOWED] = token, count
    numbers[WANTED], numbers[FAULTY] = wanted, faulty
    figures[LOGPROB], figures[CONSTRAINED] = raw[token] - whole, raw[token] - left
    figures[REMOVED] = removed
    return token


@jit
def child_of(guesses: Array, first: int, last: int, node: int, token: int) -> Any:
    """Return the number of the child with this token of a node in a text's draft, guesses[first:last]; -1 if
    there is none, or its mask is not filled."""
    for i in range(first, last):
        if guesses[i, PARENT] == node - 1 and guesses[i, GUESS] == token:
            return i - first + 1 if guesses[i, READY] != 0 else -1
    return -1


@entry(
    "void(float32[:, ::1], int32[:, ::1], int64[:, ::1], uint64[:, ::1], float64[:, ::1], float64[:, ::1],"
    " int32[:, ::1], int64[:, ::1], float64[:, ::1], int64[::1])"
)
def draw_along(
    logits: Array,
    masks: Array,
    texts: Array,
    noise: Array,
    options: Array,
    penalised: Array,
    guesses: Array,
    numbers: Array,
    figures: Array,
    ends: Array,
) -> None:
    """Choose a token for each text. If it is a guess of the text's draft with a filled mask, choose the next
    one too, and so on.

    `texts`, `noise`, `options` (one row for each text) and `guesses` have the columns above. `masks` has no
    columns if all tokens are allowed. `penalised` has the logits of texts with penalties; such a text gets
    one token, because penalties depend on its tokens. The answers of a text go to successive rows of
    `numbers` and `figures`; `ends` holds the number of rows up to each text's last one. Cost: 0.8 ns a token
    of the vocabulary on one core, twice that at temperatures other than 1, and 3 us for a draw; with top-k,
    top-p or penalties up to 20 ns for each allowed token.
    """
    size = logits.shape[1]
    scratch = DrawScratch(
        np.empty(TILE, np.float32),
        np.empty(TILE, np.float32),
        np.empty(TILE),
        np.empty((4, (size + TILE - 1) // TILE)),
        np.empty((size + _WORD - 1) // _WORD, np.int32),
        np.empty(size, np.int64),
        np.empty(size),
    )
    at = 0
    for text in range(len(texts)):
        place, line, node = texts[text, PLACE], texts[text, LINE], texts[text, NODE]
        first, last = texts[text, FIRST], texts[text, LAST]
        which = texts[text, WHICH]
        position = noise[text, POSITION]
        while True:
            words = masks[line] if masks.shape[1] > 0 else masks[0]
            key = position_key(noise[text, STREAM], position)
            row = Row(logits[place], words, penalised[max(which, 0)], which >= 0, key, options[text])
            numbers[at, CHOSEN_AT] = place
            token = draw_row(row, scratch, numbers[at], figures[at])
            at += 1
            if which >= 0 or numbers[at - 1, FAULTY] != 0:
                break
            after = child_of(guesses, first, last, node, token)
            if after < 0:
                break
            place, line = place + after - node, line + after - node
            node, position = after, position + np.uint64(1)
        ends[text] = at
