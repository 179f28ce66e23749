"""The Triton kernels that sample under a mask; `sampling` launches them, `reference` defines the draw.

Without filters there are two. `tile_sums` reads the logits once and leaves six numbers for each tile;
`draw_token` draws a tile of each row by these numbers, and reads that tile again: 1 / 125 of a row. With
top-k or top-p `find_threshold` stands between them, and with any filter `draw_token` reads the tiles that
hold tokens above the threshold.

    logits row   | tile 0 | tile 1 | tile 2 | ... | tile T-1 |      TILE = 1024 tokens each
                     |        |        |               |            tile_sums: a program reads GROUP tiles
    sums [6, T]    6 floats  6 ...                              of all: greatest, sum; of the allowed:
                      \\        |       /               /          greatest, sum, sum at temperature, count
                  log-sum-exp + Gumbel noise: the greatest          draw_token: a program a row
                               |
                 | token, token, ... | of that tile, + Gumbel noise: the greatest is drawn
"""

from __future__ import annotations

import triton
import triton.language as tl

from structgen_kernels.triton_masking import allowed_bytes, first_of_row, is_set

GROUP = 4
"""Tiles that one program of `tile_sums` reads; a choice of speed, which changes no token."""
SUMS_WARPS = THRESHOLD_WARPS = 8
"""Warps of a program of `tile_sums` and `find_threshold`. With four a thread of the first needs twice the
registers, so that fewer reads are under way at once, and the registers of the second spill on sm_90."""
COLUMNS = 6
"""Numbers of a tile, in this order: the greatest logit (NaN: the tile is faulty) and the sum of
e^(logit - greatest); of the allowed tokens the greatest logit, the same sum, the sum at the temperature of
the line, and how many there are."""

_TOP, _SUM, _ALLOWED_TOP, _ALLOWED_SUM, _HEATED_SUM, _COUNT = (tl.constexpr(i) for i in range(6))
_TOKEN, _LOG_Z, _LOG_Z_ALLOWED, _LOG_PROB, _ALLOWED, _LIKELIEST = (tl.constexpr(i) for i in range(6))
# as in `reference`: lower temperatures count as 0, and higher ones as the highest
_COLDEST = tl.constexpr(1e-30)
_HOTTEST = tl.constexpr(1e30)
# e^-60 and 1024 times it keep all their digits in float32
_FAR = tl.constexpr(60.0)
_GOLDEN = tl.constexpr(0x9E3779B97F4A7C15)
_FIRST = tl.constexpr(0xBF58476D1CE4E5B9)
_SECOND = tl.constexpr(0x94D049BB133111EB)
_EVERY = tl.constexpr(2147483647)
_LOWEST = tl.constexpr(-2139095040)  # `ordered` of the least finite number


# --- noise ------------------------------------------------------------------------------------------------


@triton.jit
def mixed(word):
    """Return SplitMix64's mix of uint64 words."""
    word = (word ^ (word >> 30)) * tl.full((), _FIRST, tl.uint64)
    word = (word ^ (word >> 27)) * tl.full((), _SECOND, tl.uint64)
    return word ^ (word >> 31)


@triton.jit
def noise_key(seeds, positions, line):
    """Return the uint64 key of a line's noise."""
    seed = tl.load(seeds + line).to(tl.uint64, bitcast=True)
    position = tl.load(positions + line).to(tl.uint64, bitcast=True)
    return mixed(seed + position + tl.full((), _GOLDEN, tl.uint64))


@triton.jit
def noise_word(key, index):
    """Return the uint64 words of a key and int64 indices (token + 1, or -(tile + 1))."""
    return mixed(key + index.to(tl.uint64, bitcast=True) * tl.full((), _GOLDEN, tl.uint64))


@triton.jit
def gumbel(word):
    """Return float64 Gumbel noise of uint64 words."""
    uniform = ((word >> 11).to(tl.float64) + 0.5) * 1.1102230246251565e-16
    return -tl.log(-tl.log(uniform))


# --- the numbers of the tiles -----------------------------------------------------------------------------


@triton.jit
def inner_max(x):
    """Return the greatest of each tile, of [tiles, bytes, 8]."""
    return tl.max(tl.max(x, 2), 1)


@triton.jit
def inner_sum(x):
    """Return the sum of each tile, of [tiles, bytes, 8]."""
    return tl.sum(tl.sum(x, 2), 1)


@triton.jit
def or_zero(top):
    """Return what to subtract before exponentials: the greatest number, or 0 where it is minus infinity."""
    return tl.where(top == float("-inf"), 0.0, top)


@triton.jit
def ones(bits):
    """Return how many bits of each byte are set."""
    bits = bits - ((bits >> 1) & 0x55)
    bits = (bits & 0x33) + ((bits >> 2) & 0x33)
    return (bits + (bits >> 4)) & 0x0F


@triton.jit
def line_temperature(temperatures, line):
    """Return the float64 temperature of a line, and whether the line takes the likeliest token."""
    temperature = tl.minimum(tl.load(temperatures + line), _HOTTEST)
    return temperature, (temperature >= _COLDEST) == 0


@triton.jit
def sums_of_line(sums, line, lines, tiles, COLUMN: tl.constexpr):
    """Return where the numbers of a line in a column of `sums` [6, lines, tiles] begin."""
    return sums + (tl.full((), COLUMN, tl.int64) * lines + line) * tiles


@triton.jit(do_not_specialize=["lines"], do_not_specialize_on_alignment=["temperatures"])
def tile_sums(
    logits,
    masks,
    temperatures,
    sums,
    lines,
    tiles,
    groups,
    ROWS: tl.constexpr,
    GROUP: tl.constexpr,
    TILE: tl.constexpr,
):
    """Write the six numbers of each tile to `sums` [6, lines, tiles]. There is one program for each GROUP = 4
    tiles of a line. It holds, of each of its tiles, TILE / 8 bytes of the mask and the eight logits beside
    each byte:

                         mask        logits [GROUP, TILE / 8, 8]
        tile 0  byte   0 11111111    . . . . . . . .     \\
                 ...                                       six numbers
                byte 127 00000101    . x . x x x x x     /
        tile 1  byte   0 00000000    x x x x x x x x
         ...

    Each logit is read once, in accesses of 16 bytes, and has one exponential, which serves the sum of all
    and that of the allowed; at a temperature other than 1 it has another one.
    """
    program = tl.program_id(0)
    line = program // groups
    tile = (program % groups) * GROUP + tl.arange(0, GROUP)
    byte = tile[:, None] * (TILE // 8) + tl.arange(0, TILE // 8)[None, :]
    bit = tl.arange(0, 8)
    token = byte[:, :, None] * 8 + bit[None, None, :]
    width = logits.width
    start, _ = first_of_row(logits, line)
    place = start + token.to(tl.int64) * logits.column_stride
    raw = tl.load(place, mask=token < width, other=float("-inf")).to(tl.float32)
    top = inner_max(raw)
    zero = or_zero(top)
    exps = tl.exp(raw - zero[:, None, None])
    total = inner_sum(exps)
    # a logit that is NaN or plus infinity makes the sum NaN, and nothing else does
    is_faulty = total != total
    if ROWS < 0:
        masked = raw
        allowed_top = top
        allowed_zero = zero
        allowed_total = total
        count = tl.minimum(tl.maximum(width - tile * TILE, 0), TILE)
    else:
        bits = allowed_bytes(masks, line, byte, ROWS)
        is_allowed = is_set(bits[:, :, None], bit[None, None, :])
        allowed_total = inner_sum(tl.where(is_allowed, exps, 0.0))
        masked = tl.where(is_allowed, raw, float("-inf"))
        allowed_top = inner_max(masked)
        allowed_zero = or_zero(allowed_top)
        gap = tl.where(allowed_top == float("-inf"), 0.0, zero - allowed_zero)
        allowed_total *= tl.exp(tl.minimum(gap, _FAR))
        if tl.max(gap, 0) > _FAR:
            # beside the greatest logit of all the allowed ones have vanished
            allowed_total = inner_sum(tl.exp(masked - allowed_zero[:, None, None]))
        inside = tl.minimum(tl.maximum(width - byte * 8, 0), 8)
        count = tl.sum(ones(bits & ((1 << inside) - 1)), 1)
    temperature, is_greedy = line_temperature(temperatures, line)
    heated = allowed_total
    if (is_greedy == 0) & (temperature != 1.0):
        # e^x is 2^(x / log 2)
        chill = (1.4426950408889634 / temperature).to(tl.float32)
        heated = inner_sum(tl.exp2((masked - allowed_zero[:, None, None]) * chill))
    inside = tile < tiles
    tl.store(
        sums_of_line(sums, line, lines, tiles, _TOP) + tile, tl.where(is_faulty, float("nan"), top), inside
    )
    tl.store(sums_of_line(sums, line, lines, tiles, _SUM) + tile, total, inside)
    allowed_top = tl.where(is_faulty, float("-inf"), allowed_top)
    tl.store(sums_of_line(sums, line, lines, tiles, _ALLOWED_TOP) + tile, allowed_top, inside)
    tl.store(sums_of_line(sums, line, lines, tiles, _ALLOWED_SUM) + tile, allowed_total, inside)
    tl.store(sums_of_line(sums, line, lines, tiles, _HEATED_SUM) + tile, heated, inside)
    tl.store(sums_of_line(sums, line, lines, tiles, _COUNT) + tile, count.to(tl.float32), inside)


# --- thresholds of top-k and top-p ------------------------------------------------------------------------


@triton.jit
def read_tile(logits, start, token, masks, line, ROWS: tl.constexpr):
    """Return the float32 logits of tokens of the row at address `start`. Tokens past the row's end, and
    tokens that the mask does not allow, get minus infinity. With ROWS = -1 there is no mask."""
    place = start + token.to(tl.int64) * logits.column_stride
    x = tl.load(place, mask=token < logits.width, other=float("-inf")).to(tl.float32)
    if ROWS >= 0:
        bits = allowed_bytes(masks, line, token // 8, ROWS)
        x = tl.where(is_set(bits, token % 8), x, float("-inf"))
    return x


@triton.jit
def ordered(x):
    """Map float32 numbers to int32 numbers that compare alike; 0.0 and -0.0 map to the same number."""
    bits = tl.where(x == 0.0, 0.0, x).to(tl.int32, bitcast=True)
    return tl.where(bits < 0, bits ^ 0x7FFFFFFF, bits)


@triton.jit
def unordered(order):
    """Return the float32 number of an order, from `ordered`."""
    order = order.to(tl.int32)
    return tl.where(order < 0, order ^ 0x7FFFFFFF, order).to(tl.float32, bitcast=True)


@triton.jit
def weight_above(numbers, count, order, top, chill, IS_MASS: tl.constexpr, CHUNK: tl.constexpr):
    """Return how many of `count` float32 numbers have a greater order than the given one, or with IS_MASS
    their mass: the sum of e^((number - top) chill). Both are float64. `chill` is 1 over the temperature: a
    division in float64 is a call, beside which registers spill."""
    weight = tl.zeros((), tl.float64)
    for start in range(0, count, CHUNK):
        place = start + tl.arange(0, CHUNK)
        x = tl.load(numbers + place, mask=place < count, other=float("-inf"))
        is_above = (ordered(x) > order) & (place < count)
        if IS_MASS:
            weight += tl.sum(tl.where(is_above, tl.exp((x.to(tl.float64) - top) * chill), 0.0), 0)
        else:
            weight += tl.sum(is_above.to(tl.int32), 0).to(tl.float64)
    return weight


@triton.jit
def least_order(numbers, count, low, high, goal, top, chill, IS_MASS: tl.constexpr, CHUNK: tl.constexpr):
    """Return the least order from `low` to `high` above which less than `goal` stands, by bisection: at most
    32 passes over the numbers. `weight_above` says what is counted; above `high` nothing stands."""
    while low < high:
        middle = (low + high) >> 1
        if weight_above(numbers, count, middle, top, chill, IS_MASS, CHUNK) < goal:
            high = middle
        else:
            low = middle + 1
    return low


@triton.jit
def lowered(bound, top, temperature):
    """Return a bound on logits that no error of rounding makes too high."""
    return bound - 1e-5 * (tl.abs(top) + temperature + 1.0)


@triton.jit(
    do_not_specialize=["first_line", "lines"],
    do_not_specialize_on_alignment=["temperatures", "top_ks", "top_ps", "min_ps"],
)
def find_threshold(
    logits,
    masks,
    temperatures,
    top_ks,
    top_ps,
    min_ps,
    sums,
    candidates,
    thresholds,
    ties,
    first_line,
    lines,
    tiles,
    ROWS: tl.constexpr,
    TILES: tl.constexpr,
    TILE: tl.constexpr,
):
    """Write the least logit that top-k and top-p keep to `thresholds`, and how many of its equals they keep,
    smallest ids first, to `ties`. There is one program for each line, beginning with `first_line`.

    This is the second read. The numbers of the tiles give a bound that the threshold is not below, and the
    logits of at least that are gathered in `candidates` [.., tiles * TILE], in the order of their ids:

        tiles                         | tile 0 | tile 1 | tile 2 | tile 3 | ... | tile 8 | ...
        greatest logit >= bound?         no       no       no      yes            yes
        candidates                    | x x x x x x x x |       (mostly a few hundred)

    Tiles below the bound are not read. The threshold is then found by bisection over the candidates.
    """
    local = tl.program_id(0)
    line = first_line + local
    temperature, is_greedy = line_temperature(temperatures, line)
    top_k = tl.full((), 0, tl.int64)
    if top_ks is not None:
        top_k = tl.load(top_ks + line)
    top_p = tl.full((), 1.0, tl.float64)
    if top_ps is not None:
        top_p = tl.load(top_ps + line)
    min_p = tl.full((), 0.0, tl.float64)
    if min_ps is not None:
        min_p = tl.load(min_ps + line)
    tile = tl.arange(0, TILES)
    allowed_tops = sums_of_line(sums, line, lines, tiles, _ALLOWED_TOP)
    tops = tl.load(allowed_tops + tile, mask=tile < tiles, other=float("-inf"))
    heated = tl.load(sums_of_line(sums, line, lines, tiles, _HEATED_SUM) + tile, mask=tile < tiles, other=0.0)
    top32 = tl.max(tops, 0)
    threshold = tl.full((), float("-inf"), tl.float32)
    tied = tl.full((), _EVERY, tl.int32)
    if (is_greedy == 0) & ((top_k > 0) | (top_p < 1.0)) & (top32 > float("-inf")):
        top = top32.to(tl.float64)
        highest = ordered(top32).to(tl.int64)
        chill = 1.0 / temperature
        most = top_k.to(tl.float64)
        is_empty = tops == float("-inf")
        shares = tl.exp((tl.where(is_empty, top32, tops).to(tl.float64) - top) * chill)
        whole = tl.sum(tl.where(is_empty, 0.0, heated.to(tl.float64) * shares), 0)
        bound = tl.full((), float("-inf"), tl.float64)
        if min_p > 0.0:
            bound = top + temperature * tl.log(min_p)
        if top_p < 1.0:
            # tokens below an equal share of what top-p leaves out are together less than it leaves out
            bound = tl.maximum(bound, top + temperature * tl.log(whole * (1.0 - top_p) / logits.width))
        bound = lowered(bound, top, temperature)
        if (top_k > 0) & (top_k <= tiles):
            # k tiles have a logit of at least the k-th greatest of their greatest logits
            low = tl.full((), _LOWEST, tl.int64) - 1
            low = least_order(allowed_tops, tiles, low, highest, most, top, chill, False, TILES)
            if low >= _LOWEST:
                bound = tl.maximum(bound, unordered(low).to(tl.float64))
        start, _ = first_of_row(logits, line)
        mine = candidates + local.to(tl.int64) * tiles * TILE
        count = tl.zeros((), tl.int32)
        for j in range(tiles):
            tile_top = tl.load(allowed_tops + j)
            if (tile_top.to(tl.float64) >= bound) & (tile_top > float("-inf")):
                x = read_tile(logits, start, j * TILE + tl.arange(0, TILE), masks, line, ROWS)
                is_one = ((x.to(tl.float64) >= bound) & (x > float("-inf"))).to(tl.int32)
                tl.store(mine + count + tl.cumsum(is_one, 0) - is_one, x, mask=is_one != 0)
                count += tl.sum(is_one, 0)
        # other threads read what was written
        tl.debug_barrier()
        # no candidate's order is below this one: rounding moves the bound by one number at most
        least = tl.maximum(ordered(bound.to(tl.float32)).to(tl.int64) - 2, _LOWEST)
        rank = tl.full((), _LOWEST, tl.int64) - 1
        if top_k > 0:
            low = least_order(mine, count, least - 1, highest, most, top, chill, False, TILE)
            if low >= least:
                rank = low
                above = weight_above(mine, count, low, top, chill, False, TILE)
                tied = (most - above).to(tl.int32)
                each = tl.exp((unordered(low).to(tl.float64) - top) * chill)
                above = weight_above(mine, count, low, top, chill, True, TILE)
                whole = above + tied.to(tl.float64) * each
        if top_p < 1.0:
            low = tl.maximum(rank, least)
            low = least_order(mine, count, low, highest, top_p * whole, top, chill, True, TILE)
            above = weight_above(mine, count, low, top, chill, True, TILE)
            each = tl.exp((unordered(low).to(tl.float64) - top) * chill)
            # of equals, those before which less than the wanted mass stands
            few = tl.maximum(tl.ceil((top_p * whole - above) / each), 1.0)
            few = tl.minimum(few, 2147483647.0).to(tl.int32)
            tied = tl.where(low == rank, tl.minimum(tied, few), few)
            rank = low
        threshold = tl.where(rank < _LOWEST, float("-inf"), unordered(tl.maximum(rank, _LOWEST)))
    tl.store(thresholds + line, threshold)
    tl.store(ties + line, tied)


# --- the draw ---------------------------------------------------------------------------------------------


@triton.jit
def joined(tops, totals):
    """Return the greatest of the numbers of a line's tiles and the logarithm of its sum of exponentials, in
    float64; both are minus infinity where there is nothing to add."""
    top = tl.max(tops, 0).to(tl.float64)
    zero = or_zero(top)
    is_empty = tops == float("-inf")
    shares = tl.exp(or_zero(tops).to(tl.float64) - zero)
    total = tl.sum(tl.where(is_empty, 0.0, totals.to(tl.float64) * shares), 0)
    return top, tl.where(total > 0.0, zero + tl.log(tl.where(total > 0.0, total, 1.0)), float("-inf"))


@triton.jit
def is_kept(x, threshold, tied, before, top, chill, min_p):
    """Return which of a tile's logits the filters keep, as int32: those above the threshold, and as many of
    its equals as `tied` says, of which `before` stand in earlier tiles; and how many equals the tile has."""
    is_equal = (x == threshold).to(tl.int32)
    rank = before + tl.cumsum(is_equal, 0) - is_equal
    kept = (x > threshold) | ((is_equal != 0) & (rank < tied))
    # the likeliest is kept whatever min_p is
    share = tl.exp((x.to(tl.float64) - top) * chill)
    kept = kept & (share >= tl.minimum(min_p, 1.0)) & (x > float("-inf"))
    return kept.to(tl.int32), tl.sum(is_equal, 0)


@triton.jit
def write_float(figures, line, lines, FIGURE: tl.constexpr, number):
    """Write the bits of a float64 number to a line's place in a row of `figures` [6, lines]."""
    tl.store(figures + FIGURE * lines + line, number.to(tl.int64, bitcast=True))


@triton.jit(
    do_not_specialize=["lines"],
    do_not_specialize_on_alignment=["temperatures", "min_ps", "seeds", "positions"],
)
def draw_token(
    logits,
    masks,
    temperatures,
    min_ps,
    seeds,
    positions,
    sums,
    thresholds,
    ties,
    figures,
    lines,
    tiles,
    ROWS: tl.constexpr,
    TILES: tl.constexpr,
    TILE: tl.constexpr,
):
    """Write the token of each line, and the other `figures` [6, lines] of `reference.Sampled`. There is one
    program for each line. It holds the six numbers of the line's TILES tiles (a power of two, of which
    `tiles` are there), draws a tile by them, and then reads that one:

        numbers   | tile 0 | tile 1 | ... | tile T-1 |        + Gumbel noise of -(tile + 1)
                                |  the greatest
        logits             | 1024 tokens |                    + Gumbel noise of token + 1
                                |  the greatest
                              token

    `thresholds` and `ties` may be None (no top-k, no top-p), and `min_ps` (no min-p). A filter that is None
    is one at compile time, so what filters need is left out where there are none.
    """
    line = tl.program_id(0)
    temperature, is_greedy = line_temperature(temperatures, line)
    key = noise_key(seeds, positions, line)
    tile = tl.arange(0, TILES)
    within = tl.arange(0, TILE)
    inside = tile < tiles
    tops = tl.load(sums_of_line(sums, line, lines, tiles, _TOP) + tile, inside, float("-inf"))
    totals = tl.load(sums_of_line(sums, line, lines, tiles, _SUM) + tile, inside, 0.0)
    start_of_allowed = sums_of_line(sums, line, lines, tiles, _ALLOWED_TOP)
    allowed_tops = tl.load(start_of_allowed + tile, inside, float("-inf"))
    allowed_totals = tl.load(sums_of_line(sums, line, lines, tiles, _ALLOWED_SUM) + tile, inside, 0.0)
    heated = tl.load(sums_of_line(sums, line, lines, tiles, _HEATED_SUM) + tile, inside, 0.0)
    count = tl.load(sums_of_line(sums, line, lines, tiles, _COUNT) + tile, inside, 0.0)
    start, is_row = first_of_row(logits, line)
    is_faulty = (tl.max((tops != tops).to(tl.int32), 0) != 0) | (is_row == 0)
    tops = tl.where(tops != tops, float("-inf"), tops)
    top, whole = joined(tops, totals)
    allowed_top, left = joined(allowed_tops, allowed_totals)
    write_float(figures, line, lines, _LOG_Z, tl.where(is_faulty, float("nan"), whole))
    write_float(figures, line, lines, _LOG_Z_ALLOWED, tl.where(is_faulty, float("nan"), left))
    tl.store(figures + _ALLOWED * lines + line, tl.sum(count.to(tl.int32), 0).to(tl.int64))

    # the likeliest of all tokens, from the first tile that has it
    best = tl.argmax(tops, 0, tie_break_left=True).to(tl.int32)
    x = read_tile(logits, start, best * TILE + within, masks, line, -1)
    first = best.to(tl.int64) * TILE + tl.argmax(x, 0, tie_break_left=True).to(tl.int64)
    tl.store(figures + _LIKELIEST * lines + line, tl.where(is_faulty | (top == float("-inf")), -1, first))

    token = tl.full((), -1, tl.int64)
    log_prob = tl.where(is_faulty, float("nan"), tl.full((), float("-inf"), tl.float64))
    if (is_faulty == 0) & (allowed_top > float("-inf")):
        chill = 1.0 / tl.where(is_greedy, 1.0, temperature)
        # the tile
        is_empty = allowed_tops == float("-inf")
        finite_tops = or_zero(allowed_tops).to(tl.float64)
        levels = finite_tops * chill + tl.log(tl.where(is_empty, 1.0, heated.to(tl.float64)))
        levels = levels + gumbel(noise_word(key, -1 - tile.to(tl.int64)))
        levels = tl.where(is_greedy, finite_tops, levels)
        best = tl.argmax(tl.where(is_empty, float("-inf"), levels), 0, tie_break_left=True).to(tl.int32)
        if (min_ps is not None) or (thresholds is not None):
            min_p = tl.full((), 0.0, tl.float64)
            if min_ps is not None:
                min_p = tl.where(is_greedy, 0.0, tl.load(min_ps + line))
            threshold = tl.full((), float("-inf"), tl.float32)
            tied = tl.full((), _EVERY, tl.int32)
            if thresholds is not None:
                threshold = tl.load(thresholds + line)
                tied = tl.load(ties + line)
            reach = threshold.to(tl.float64)
            if min_p > 0.0:
                bound = lowered(allowed_top + temperature * tl.log(min_p), allowed_top, temperature)
                reach = tl.maximum(reach, bound)
            before = tl.zeros((), tl.int32)
            if is_greedy == 0:
                # one more read: the sums of the tokens that are kept, of tiles that reach the threshold
                highest = tl.full((), float("-inf"), tl.float64)
                seen = tl.zeros((), tl.int32)
                for j in range(tiles):
                    tile_top = tl.load(start_of_allowed + j)
                    if (tile_top.to(tl.float64) >= reach) & (tile_top > float("-inf")):
                        x = read_tile(logits, start, j * TILE + within, masks, line, ROWS)
                        kept, equals = is_kept(x, threshold, tied, seen, allowed_top, chill, min_p)
                        exps = tl.exp((x - tile_top) * chill.to(tl.float32))
                        total = tl.sum(tl.where(kept != 0, exps, 0.0), 0).to(tl.float64)
                        level = tile_top.to(tl.float64) * chill + tl.log(tl.where(total > 0.0, total, 1.0))
                        level = level + gumbel(noise_word(key, tl.full((), -1, tl.int64) - j))
                        if (total > 0.0) & (level > highest):
                            highest = level
                            best = j
                            before = seen
                        seen += equals
        # the token in it
        at = best * TILE + within
        x = read_tile(logits, start, at, masks, line, ROWS)
        score = x.to(tl.float64) * chill
        noisy = score + gumbel(noise_word(key, at.to(tl.int64) + 1))
        noisy = tl.where(is_greedy, score, noisy)
        is_out = x == float("-inf")
        if (min_ps is not None) or (thresholds is not None):
            kept, _ = is_kept(x, threshold, tied, before, allowed_top, chill, min_p)
            is_out = is_out | ((kept == 0) & (is_greedy == 0))
        choice = tl.argmax(tl.where(is_out, float("-inf"), noisy), 0, tie_break_left=True).to(tl.int32)
        token = best.to(tl.int64) * TILE + choice
        log_prob = tl.sum(tl.where(within == choice, x, 0.0), 0).to(tl.float64) - whole
    tl.store(figures + _TOKEN * lines + line, token)
    write_float(figures, line, lines, _LOG_PROB, log_prob)
