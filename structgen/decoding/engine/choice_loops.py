"""The compiled loops that choose a token for each text from its logits, in main memory.

- A *tile* is a part of the vocabulary: 1,024 tokens in a row of logits.
- *Scores* are the numbers that a text draws from: its logits, or others that a strategy made of them.
- The *level* of a tile is the logarithm of the sum of e^(score / temperature) over its allowed tokens.
- The *noise* of a token is a Gumbel number that follows from seed, sample, position and token. A *draw* takes
  the tile with the greatest level plus noise, and in it the token with the greatest score plus noise.

`choose_rows` is the function that others call. For each text it reads the logits once, in tiles. It finds the
likeliest token and two sums of exponentials, over all tokens and over the allowed ones. A greedy text whose
likeliest token is allowed is then done; any other text draws.

`structgen_kernels.reference` defines noise and draw for every device (docs/inside/kernels.md, "The draw");
compiled code cannot call its torch. The noise is the same, bit for bit. A tile's sum is in single precision
here, with a relative error of about 2e-6: another tile is drawn only if the two best scores are that close.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from structgen.base.native.array_types import Array
from structgen.base.native.jit import entry, jit
from structgen.decoding.engine.row_loops import (
    Real,
    first_maximum,
    row_maximum,
    sum_range,
    write_exponentials,
)

TILE = 1024
"""The number of tokens in a tile, as in `structgen_kernels.reference`."""
LOGIT_ROW, MASK_ROW, SCORES, FILTER = range(4)
"""The columns of `texts` in `choose_rows`. They are numbers of rows: in the logits, in the masks, in the
scores that replace the logits (-1: none), and in the masks that filters leave (-1: none)."""
TOKEN, ALLOWED, LIKELIEST, FAULTY = range(4)
"""The columns of `numbers` in `choose_rows`: the integers of a `choice.Choice`."""
LOGPROB, CONSTRAINED, REMOVED = range(3)
"""The columns of `figures` in `choose_rows`: the floats of a `choice.Choice`."""

_WORD = np.iinfo(np.int32).bits
"""The number of tokens in a word of a mask."""
_ALL_BITS = np.int32(-1)
_FAINT = 1e-9
"""The share of the allowed tokens in the probability below which they are summed again, relative to their own
maximum. In single precision the logarithms of such small shares are too coarse."""
_SLACK = 1e-9
"""The number that is added to the upper bound of a score plus noise. It is larger than the rounding error."""
_LN2 = math.log(2.0)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@jit
def mix_word(word: Any) -> Any:
    """Return SplitMix64's mix of a 64-bit word (Steele, Lea, Flood: Fast splittable pseudorandom number
    generators, 2014)."""
    word = (word ^ (word >> np.uint64(30))) * _FIRST
    word = (word ^ (word >> np.uint64(27))) * _SECOND
    return word ^ (word >> np.uint64(31))


@jit
def position_key(sample: Any, position: Any) -> Any:
    """Return the key of the noise at one position of a sample whose key is given; all three are uint64."""
    return mix_word(sample + position + _GOLDEN)


@jit
def uniform_of(key: Any, index: int) -> Any:
    """Return the uniform number of an index under a key: 53 bits, strictly between 0 and 1. The index of a
    token is token + 1; the index of a tile is -(tile + 1)."""
    word = mix_word(key + np.uint64(index) * _GOLDEN)
    # the upper 53 bits (64 - 11), as many as a double holds; a half is added, so that 0 does not occur
    upper_bits = np.int64(word >> np.uint64(11))
    return (np.float64(upper_bits) + 0.5) * 2.0**-53


@jit
def gumbel_of(uniform: float) -> Any:
    """Return the Gumbel noise -log(-log(uniform))."""
    return -math.log(-math.log(uniform))


@jit
def bits_of(words: Array, word: int) -> Any:
    """Return a word of a mask, as 32 bits: all ones if there is no mask, 0 beyond the mask's end."""
    if len(words) == 0:
        return _ALL_BITS
    return words[word] if word < len(words) else np.int32(0)


@jit
def allows_token(words: Array, token: int) -> Any:
    """Return whether a mask allows a token."""
    # word token / 32, bit token modulo 32
    return bits_of(words, token >> 5) & np.int32(1 << (token & 31)) != 0


@jit
def memory_of(width: int) -> Any:
    """Return the memory for choices from rows of `width` logits. It has four arrays: a part of a tile in
    single precision, the scores of a tile, two sums for each tile, and a level for each tile."""
    tiles = (width + TILE - 1) // TILE
    part = np.empty(TILE, np.float32)
    out = np.empty(TILE)
    sums = np.empty((2, tiles))
    levels = np.empty(tiles)
    return part, out, sums, levels


@jit
def sum_tiles(raw: Array, words: Array, top: Real, part: Array, sums: Array) -> Any:
    """Write two sums of e^(logit - top) for each tile: over all tokens, and over the allowed ones. Return the
    number of allowed tokens.

    `raw` [V] has the logits, `words` is the mask, `top` is the greatest logit. `part` is memory for a tile.
    The result is in `sums` [2, tiles].
    """
    allowed_count = 0
    for tile in range(sums.shape[1]):
        start = tile * TILE
        length = min(TILE, len(raw) - start)
        write_exponentials(raw, start, length, top, part)
        all_mass = allowed_mass = 0.0
        for first in range(0, length, _WORD):
            width = min(_WORD, length - first)
            mass = sum_range(part, first, width)
            all_mass += mass
            bits = bits_of(words, (start + first) >> 5)
            # most words of a mask are full or empty: they need no second sum
            if bits == _ALL_BITS:
                allowed_mass += mass
                allowed_count += width
            elif bits != 0:
                # without branches: a half-full mask would be mispredicted half of the time
                for i in range(width):
                    bit = (bits >> np.int32(i)) & np.int32(1)
                    part[np.uint64(first + i)] *= np.float32(bit)
                    allowed_count += bit
                allowed_mass += sum_range(part, first, width)
        sums[0, tile] = all_mass
        sums[1, tile] = allowed_mass
    return allowed_count


@jit
def gather_tile(scores: Array, words: Array, start: int, heat: Real, out: Array) -> Any:
    """Write the scores of the tile that begins at token `start` into `out`, divided by the temperature `heat`
    (0: undivided). Tokens that are not allowed get minus infinity. Return the number of scores written."""
    length = min(TILE, len(scores) - start)
    divisor = heat if heat > 0.0 else 1.0
    for first in range(0, length, _WORD):
        bits = bits_of(words, (start + first) >> 5)
        width = min(_WORD, length - first)
        if bits == 0:
            out[first : first + width] = -np.inf
            continue
        for i in range(width):
            score = scores[np.uint64(start + first + i)] / divisor
            is_in = (bits >> np.int32(i)) & np.int32(1) != 0
            out[np.uint64(first + i)] = score if is_in else -np.inf
    return length


@jit
def level_tiles(scores: Array, words: Array, heat: Real, memory: Any) -> None:
    """Write the level of each tile: the logarithm of the sum of e^(score / temperature) over its allowed
    tokens. At temperature 0 it is the greatest score. It is minus infinity if no token is possible.

    `scores` is [V], `words` is the mask, `heat` is the temperature. The levels are in `memory`, which
    `memory_of` made.
    """
    part, out, _, levels = memory
    for tile in range(len(levels)):
        count = gather_tile(scores, words, tile * TILE, heat, out)
        top = row_maximum(out[:count])
        levels[tile] = top
        if heat > 0.0 and top > -np.inf:
            write_exponentials(out, 0, count, top, part)
            levels[tile] += math.log(sum_range(part, 0, count))


@jit
def draw_token(scores: Array, words: Array, heat: Real, key: Any, memory: Any) -> Any:
    """Return the drawn token; -1 if no token is possible.

    The tile has the greatest level plus noise; in it the token has the greatest score plus noise. At
    temperature 0 there is no noise. Of equal ones the first is taken. `scores` is [V], `words` is the mask,
    `heat` is the temperature. `key` is the key of the noise, from `position_key`. `memory` has the levels
    that `level_tiles` or `sums_of` wrote.
    """
    _, out, _, levels = memory
    tile, best = -1, -np.inf
    for at in range(len(levels)):
        noisy = levels[at] + gumbel_of(uniform_of(key, -1 - at)) if heat > 0.0 else levels[at]
        if noisy > best:
            tile, best = at, noisy
    if tile < 0:
        return -1
    start = tile * TILE
    count = gather_tile(scores, words, start, heat, out)
    at = first_maximum(out[:count])
    if heat > 0.0:
        # The likeliest token is tried first: afterwards few other tokens can still win.
        first, best = at, out[at] + gumbel_of(uniform_of(key, start + at + 1))
        for i in range(count):
            uniform = uniform_of(key, start + i + 1)
            # Noise takes two logarithms, so it is made only for tokens that can still win. It is at most
            # -log(1 - uniform). This is at most ln 2 times the number of leading zeros of 1 - uniform. The
            # number of these zeros is 1023 less the exponent of the double, which begins at bit 52.
            zeros = 1023 - (np.float64(1.0 - uniform).view(np.int64) >> 52)
            if i != first and out[i] + np.float64(zeros) * _LN2 + _SLACK >= best:
                noisy = out[i] + gumbel_of(uniform)
                if noisy > best or (noisy == best and i < at):
                    at, best = i, noisy
    return start + at


@jit
def likeliest_of(raw: Array) -> Any:
    """Return the first token with the greatest logit, and that logit. NaN is ignored."""
    likeliest, top = 0, np.float32(-np.inf)
    # first find the tile, by vectorised maxima, then the token in that tile
    for start in range(0, len(raw), TILE):
        here = row_maximum(raw[start : start + TILE])
        if here > top:
            likeliest, top = start, here
    # the bound ends the search in a row of NaN, where no number equals the maximum
    while raw[likeliest] != top and likeliest < len(raw) - 1:
        likeliest += 1
    return likeliest, top


@jit
def sums_of(raw: Array, words: Array, top: Real, memory: Any) -> Any:
    """Return three numbers: the number of allowed tokens, the sum of e^(logit - top) over all tokens, and the
    logarithm of this sum over the allowed tokens.

    The levels in `memory` are then those of the allowed tokens at temperature 1. `raw` [V] has the logits,
    `words` is the mask, `top` is the greatest logit. `memory` was made by `memory_of`.
    """
    part, _, sums, levels = memory
    # if the maximum is infinite, only a NaN of the sums matters
    finite_top = top if math.isfinite(top) else np.float32(0.0)
    allowed_count = sum_tiles(raw, words, finite_top, part, sums)
    all_mass = sums[0].sum()
    allowed_mass = sums[1].sum()
    if allowed_mass > _FAINT * all_mass:
        for tile in range(len(levels)):
            mass = sums[1, tile]
            levels[tile] = math.log(mass) if mass > 0.0 else -np.inf
        return allowed_count, all_mass, math.log(allowed_mass)
    # The allowed tokens are too improbable for single precision: sum them relative to their own maximum.
    level_tiles(raw, words, 1.0, memory)
    top_level, total = row_maximum(levels), 0.0
    # A loop and not an array expression: numba names such expressions by an address, so that two
    # compilations would differ.
    for level in levels:
        total += math.exp(level - top_level)
    return allowed_count, all_mass, top_level - top + math.log(total)


@jit
def write_figures(logit: float, log_all: float, log_allowed: float, figures: Array) -> None:
    """Write the figures of a token: its two log-probabilities, and the mass that the mask removed.

    `log_all` and `log_allowed` are the logarithms of the sums over all and over the allowed tokens. The
    greatest logit is already subtracted from `logit`, `log_all` and `log_allowed`. The result is in `figures`
    [3].
    """
    figures[LOGPROB] = logit - log_all
    figures[CONSTRAINED] = logit - log_allowed
    # rounding may make the sum of the allowed tokens greater than the sum of all
    figures[REMOVED] = 0.0 if log_allowed >= log_all else -math.expm1(log_allowed - log_all)


@entry(
    "void(float32[:, ::1], int32[:, ::1], float64[:, ::1], int32[:, ::1], int64[:, ::1], uint64[:, ::1],"
    " float64[::1], int64[:, ::1], float64[:, ::1])"
)
def choose_rows(
    logits: Array,
    masks: Array,
    scores: Array,
    filter_masks: Array,
    texts: Array,
    noise: Array,
    temperatures: Array,
    numbers: Array,
    figures: Array,
) -> None:
    """Choose a token for each text, and write its `numbers` and `figures`.

    `texts` has the columns LOGIT_ROW, MASK_ROW, SCORES and FILTER. `noise` has the key of each text's sample
    and the position of the next token. `masks` has one row without columns if all tokens are allowed. Cost: 1
    ns for each token of the vocabulary on one core, and 3 us for a draw. A text that draws from other scores,
    under filters, or at a temperature other than 1 costs 1 ns more for each token.
    """
    memory = memory_of(logits.shape[1])
    for text in range(len(texts)):
        raw = logits[texts[text, LOGIT_ROW]]
        words = masks[texts[text, MASK_ROW]]
        score_index = texts[text, SCORES]
        filter_index = texts[text, FILTER]
        heat = temperatures[text]
        likeliest, top = likeliest_of(raw)
        allowed_count, all_mass, log_allowed = sums_of(raw, words, top, memory)
        # A NaN among the logits makes the sums NaN. Without an allowed token the logarithm is minus infinity.
        faulty = not (math.isfinite(top) and math.isfinite(all_mass) and math.isfinite(log_allowed))
        token = likeliest
        # a greedy text whose likeliest token is allowed needs no level of a tile
        if not faulty and not (heat == 0.0 and score_index < 0 and allows_token(words, likeliest)):
            own_words = words if filter_index < 0 else filter_masks[filter_index]
            key = position_key(noise[text, 0], noise[text, 1])
            if score_index >= 0:
                level_tiles(scores[score_index], own_words, heat, memory)
                token = draw_token(scores[score_index], own_words, heat, key, memory)
            else:
                # at temperature 1 and without a filter `sums_of` has already written the levels
                if heat != 1.0 or filter_index >= 0:
                    level_tiles(raw, own_words, heat, memory)
                token = draw_token(raw, own_words, heat, key, memory)
        if faulty or token < 0:
            token, faulty = likeliest, True
            all_mass = log_allowed = np.nan
        numbers[text, TOKEN] = token
        numbers[text, ALLOWED] = allowed_count
        numbers[text, LIKELIEST] = likeliest
        numbers[text, FAULTY] = faulty
        write_figures(raw[token] - np.float64(top), math.log(all_mass), log_allowed, figures[text])
