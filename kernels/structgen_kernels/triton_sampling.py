"""The Triton kernels that sample under a mask; `sampling` launches them, `reference` defines the draw.

Without filters there are two: `tile_sums` reads the logits once and leaves five numbers for each tile, and
`draw_token` draws a tile of a row by them and reads that tile again, 1 / 125 of a row. With filters
`find_threshold` stands between them, and `draw_token` reads the tiles that hold tokens above the threshold.

    logits row   | tile 0 | tile 1 | tile 2 | ... | tile T-1 |      TILE = 1024 tokens each
                     |        |        |               |            tile_sums: a program reads GROUP tiles
    sums [5, T]    5 floats  5 ...                              max, sum, allowed max, sum, sum at temperature
                      \\        |       /               /
                  log-sum-exp + Gumbel noise: the greatest          draw_token: a program a row
                               |
                 | token, token, ... | of that tile, + Gumbel noise: the greatest is drawn
"""

from __future__ import annotations

import triton
import triton.language as tl

from structgen_kernels.triton_masking import allowed_bytes

GROUP = 4
"""Tiles that one program of `tile_sums` reads; a choice of speed, which changes no token."""
THRESHOLD_WARPS = 8
"""Warps of a program of `find_threshold`: with four its registers spill on sm_90."""
COLUMNS = 5
"""Numbers of a tile: greatest logit (NaN: the tile is faulty), the sum of e^(logit - greatest), the greatest
allowed logit, the sum over the allowed, and the same at the row's temperature."""

# as in `reference`: lower temperatures count as 0, and higher ones as the highest
_COLDEST = tl.constexpr(1e-30)
_HOTTEST = tl.constexpr(1e30)
_GOLDEN = tl.constexpr(0x9E3779B97F4A7C15)
_FIRST = tl.constexpr(0xBF58476D1CE4E5B9)
_SECOND = tl.constexpr(0x94D049BB133111EB)


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


@triton.jit
def read_tile(
    start,
    tokens,
    line,
    width,
    column_stride,
    store,
    overlays,
    indices,
    store_rows,
    overlay_rows,
    store_stride,
    overlay_stride,
    row_bytes,
    HAS_MASK: tl.constexpr,
    ROWS: tl.constexpr,
):
    """Return the float32 logits of tokens of a row, minus infinity where the mask does not allow them."""
    inside = tokens < width
    logits = tl.load(start + tokens.to(tl.int64) * column_stride, mask=inside, other=float("-inf"))
    logits = logits.to(tl.float32)
    if HAS_MASK:
        bits = allowed_bytes(
            line,
            tokens // 8,
            store,
            overlays,
            indices,
            store_rows,
            overlay_rows,
            store_stride,
            overlay_stride,
            row_bytes,
            ROWS,
        )
        logits = tl.where(((bits >> (tokens % 8)) & 1) != 0, logits, float("-inf"))
    return logits


@triton.jit
def row_start(logits, rows, line, row_stride, logit_rows, HAS_ROWS: tl.constexpr):
    """Return where the row of a line starts. A number that is no row stands for row 0: `draw_token` gives no
    token for it."""
    row = line.to(tl.int64)
    if HAS_ROWS:
        row = tl.load(rows + line).to(tl.int64)
        row = tl.where((row >= 0) & (row < logit_rows), row, 0)
    return logits + row * row_stride


@triton.jit
def inner_max(x):
    """Return the greatest of each tile, of [tiles, bytes, 8]."""
    return tl.max(tl.max(x, 2), 1)


@triton.jit
def inner_sum(x):
    """Return the sum of each tile, of [tiles, bytes, 8]."""
    return tl.sum(tl.sum(x, 2), 1)


@triton.jit
def tile_sums(
    logits,
    rows,
    store,
    overlays,
    indices,
    temperatures,
    sums,
    lines,
    logit_rows,
    width,
    tiles,
    groups,
    row_stride,
    column_stride,
    store_rows,
    overlay_rows,
    store_stride,
    overlay_stride,
    row_bytes,
    HAS_ROWS: tl.constexpr,
    HAS_MASK: tl.constexpr,
    ROWS: tl.constexpr,
    GROUP: tl.constexpr,
    TILE: tl.constexpr,
):
    """Write the five numbers of each tile to `sums` [5, lines, tiles]. One program reads GROUP tiles of a
    row, as [GROUP, TILE / 8, 8] logits beside [GROUP, TILE / 8] bytes of the mask."""
    program = tl.program_id(0)
    line = program // groups
    tile = (program % groups) * GROUP + tl.arange(0, GROUP)
    byte = tile[:, None] * (TILE // 8) + tl.arange(0, TILE // 8)[None, :]
    bit = tl.arange(0, 8)
    token = byte[:, :, None] * 8 + bit[None, None, :]
    start = row_start(logits, rows, line, row_stride, logit_rows, HAS_ROWS)
    raw = tl.load(start + token.to(tl.int64) * column_stride, mask=token < width, other=float("-inf"))
    raw = raw.to(tl.float32)
    is_faulty = (raw != raw) | (raw == float("inf"))
    faults = inner_max(is_faulty.to(tl.int32))
    raw = tl.where(is_faulty, float("-inf"), raw)
    top = inner_max(raw)
    # a tile of minus infinity alone has no greatest number to subtract
    zero = tl.where(top == float("-inf"), 0.0, top)
    exps = tl.exp(raw - zero[:, None, None])
    total = inner_sum(exps)
    allowed_top = top
    allowed_total = total
    masked = raw
    if HAS_MASK:
        bits = allowed_bytes(
            line,
            byte,
            store,
            overlays,
            indices,
            store_rows,
            overlay_rows,
            store_stride,
            overlay_stride,
            row_bytes,
            ROWS,
        )
        is_allowed = ((bits[:, :, None] >> bit[None, None, :]) & 1) != 0
        masked = tl.where(is_allowed, raw, float("-inf"))
        allowed_top = inner_max(masked)
        zero = tl.where(allowed_top == float("-inf"), 0.0, allowed_top)
        allowed_total = inner_sum(tl.exp(masked - zero[:, None, None]))
    temperature = tl.minimum(tl.load(temperatures + line), _HOTTEST).to(tl.float32)
    heated = allowed_total
    if (temperature >= _COLDEST) & (temperature != 1.0):
        heated = inner_sum(tl.exp((masked - zero[:, None, None]) / temperature))
    place = sums + line.to(tl.int64) * tiles + tile
    column = tl.full((), 1, tl.int64) * lines * tiles
    inside = tile < tiles
    tl.store(place, tl.where(faults != 0, float("nan"), top), mask=inside)
    tl.store(place + column, total, mask=inside)
    tl.store(place + 2 * column, allowed_top, mask=inside)
    tl.store(place + 3 * column, allowed_total, mask=inside)
    tl.store(place + 4 * column, heated, mask=inside)


@triton.jit
def ordered(x):
    """Return int32 numbers in the order of float32 ones; neither zero is below the other."""
    bits = tl.where(x == 0.0, 0.0, x).to(tl.int32, bitcast=True)
    return tl.where(bits < 0, bits ^ 0x7FFFFFFF, bits)


@triton.jit
def unordered(order):
    """Return the float32 number of an int32 from `ordered`."""
    return tl.where(order < 0, order ^ 0x7FFFFFFF, order).to(tl.float32, bitcast=True)


@triton.jit
def count_above(candidates, count, order, CHUNK: tl.constexpr):
    """Return how many of a row's candidates are greater than the number of an order."""
    above = tl.zeros((), tl.int32)
    for start in range(0, count, CHUNK):
        place = start + tl.arange(0, CHUNK)
        x = tl.load(candidates + place, mask=place < count, other=float("-inf"))
        above += tl.sum(((ordered(x) > order) & (place < count)).to(tl.int32), 0)
    return above


@triton.jit
def mass_above(candidates, count, order, top, chill, CHUNK: tl.constexpr):
    """Return the mass of the candidates that are greater than the number of an order, in float64;
    `chill` is 1 over the temperature: a division of float64 is a call, beside which registers spill."""
    mass = tl.zeros((), tl.float64)
    for start in range(0, count, CHUNK):
        place = start + tl.arange(0, CHUNK)
        x = tl.load(candidates + place, mask=place < count, other=float("-inf"))
        is_above = (ordered(x) > order) & (place < count)
        mass += tl.sum(tl.where(is_above, tl.exp((x.to(tl.float64) - top) * chill), 0.0), 0)
    return mass


@triton.jit
def find_threshold(
    logits,
    rows,
    store,
    overlays,
    indices,
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
    logit_rows,
    width,
    tiles,
    row_stride,
    column_stride,
    store_rows,
    overlay_rows,
    store_stride,
    overlay_stride,
    row_bytes,
    HAS_ROWS: tl.constexpr,
    HAS_MASK: tl.constexpr,
    ROWS: tl.constexpr,
    TILES: tl.constexpr,
    TILE: tl.constexpr,
):
    """Write the least logit that top-k and top-p keep to `thresholds`, and how many of its equals they keep,
    smallest ids first, to `ties`. One program works on one row, beginning with `first_line`.

    The second read: a bound on the threshold is found from the tiles' numbers, and the logits of at least
    that are gathered in `candidates` [.., tiles * TILE], in order of their ids:

        tiles with a logit >= bound   | tile 3 | tile 8 | ...   (others are not read)
        candidates                    | x x x x x x x x |       (a few hundred, mostly)

    The thresholds are then found by bisection over the candidates: 32 halvings of the range of float32.
    """
    local = tl.program_id(0)
    line = first_line + local
    temperature = tl.minimum(tl.load(temperatures + line), _HOTTEST)
    top_k = tl.load(top_ks + line)
    top_p = tl.load(top_ps + line)
    min_p = tl.load(min_ps + line)
    tile = tl.arange(0, TILES)
    column = tl.full((), 1, tl.int64) * lines * tiles
    place = sums + line.to(tl.int64) * tiles + tile
    tops = tl.load(place + 2 * column, mask=tile < tiles, other=float("-inf"))
    heated = tl.load(place + 4 * column, mask=tile < tiles, other=0.0)
    top32 = tl.max(tops, 0)
    threshold = tl.full((), float("-inf"), tl.float32)
    tied = tl.full((), 2147483647, tl.int32)
    if (temperature >= _COLDEST) & ((top_k > 0) | (top_p < 1.0)) & (top32 > float("-inf")):
        top = top32.to(tl.float64)
        chill = 1.0 / temperature
        zero = tl.where(tops == float("-inf"), top, tops.to(tl.float64))
        whole = tl.sum(heated.to(tl.float64) * tl.exp((zero - top) * chill), 0)
        bound = tl.full((), float("-inf"), tl.float64)
        if min_p > 0.0:
            bound = top + temperature * tl.log(min_p)
        if top_p < 1.0:
            # tokens below an equal share of what top-p leaves out are together less than it leaves out
            bound = tl.maximum(bound, top + temperature * tl.log(whole * (1.0 - top_p) / width))
        bound -= 1e-5 * (tl.abs(top) + temperature + 1.0)
        if (top_k > 0) & (top_k <= tiles):
            # k tiles have a logit of at least the k-th greatest of their maxima
            ranks = ordered(tops).to(tl.int64)
            low = tl.full((), -2147483648, tl.int64)
            high = ordered(top32).to(tl.int64)
            while low < high:
                middle = (low + high + 1) >> 1
                if tl.sum(((ranks >= middle) & (tile < tiles)).to(tl.int32), 0) >= top_k:
                    low = middle
                else:
                    high = middle - 1
            bound = tl.maximum(bound, unordered(low.to(tl.int32)).to(tl.float64))
        start = row_start(logits, rows, line, row_stride, logit_rows, HAS_ROWS)
        mine = candidates + local.to(tl.int64) * tiles * TILE
        count = tl.zeros((), tl.int32)
        for j in range(tiles):
            highest = tl.load(sums + line.to(tl.int64) * tiles + 2 * column + j).to(tl.float64)
            if (highest >= bound) & (highest > float("-inf")):
                x = read_tile(
                    start,
                    j * TILE + tl.arange(0, TILE),
                    line,
                    width,
                    column_stride,
                    store,
                    overlays,
                    indices,
                    store_rows,
                    overlay_rows,
                    store_stride,
                    overlay_stride,
                    row_bytes,
                    HAS_MASK,
                    ROWS,
                )
                is_one = ((x.to(tl.float64) >= bound) & (x > float("-inf"))).to(tl.int32)
                tl.store(mine + count + tl.cumsum(is_one, 0) - is_one, x, mask=is_one != 0)
                count += tl.sum(is_one, 0)
        # other threads read what was written
        tl.debug_barrier()
        lowest = tl.full((), -2139095040, tl.int64)  # the order of the least finite number
        # no candidate's order is below this one: rounding moves the bound by one number at most
        least = tl.maximum(ordered(bound.to(tl.float32)).to(tl.int64) - 2, lowest)
        rank = lowest - 1
        if top_k > 0:
            # the least number above which fewer than k stand
            low = least - 1
            high = ordered(top32).to(tl.int64)
            while low < high:
                middle = (low + high) >> 1
                if count_above(mine, count, middle, TILE) < top_k:
                    high = middle
                else:
                    low = middle + 1
            if low >= least:
                rank = low
                tied = (top_k - count_above(mine, count, low, TILE)).to(tl.int32)
                each = tl.exp((unordered(low.to(tl.int32)).to(tl.float64) - top) * chill)
                whole = mass_above(mine, count, low, top, chill, TILE) + tied.to(tl.float64) * each
        if top_p < 1.0:
            # the least number above which less than the wanted mass stands
            low = tl.maximum(rank, least)
            high = ordered(top32).to(tl.int64)
            while low < high:
                middle = (low + high) >> 1
                if mass_above(mine, count, middle, top, chill, TILE) < top_p * whole:
                    high = middle
                else:
                    low = middle + 1
            mass = mass_above(mine, count, low, top, chill, TILE)
            each = tl.exp((unordered(low.to(tl.int32)).to(tl.float64) - top) * chill)
            # of equals, those before which less than the wanted mass stands
            few = tl.maximum(tl.ceil((top_p * whole - mass) / each), 1.0)
            few = tl.minimum(few, 2147483647.0).to(tl.int32)
            tied = tl.where(low == rank, tl.minimum(tied, few), few)
            rank = low
        threshold = tl.where(rank < lowest, float("-inf"), unordered(tl.maximum(rank, lowest).to(tl.int32)))
    tl.store(thresholds + line, threshold)
    tl.store(ties + line, tied)


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
def draw_token(
    logits,
    rows,
    store,
    overlays,
    indices,
    temperatures,
    min_ps,
    seeds,
    positions,
    sums,
    thresholds,
    ties,
    drawn,
    log_z,
    log_z_allowed,
    lines,
    logit_rows,
    width,
    tiles,
    row_stride,
    column_stride,
    store_rows,
    overlay_rows,
    store_stride,
    overlay_stride,
    row_bytes,
    HAS_ROWS: tl.constexpr,
    HAS_MASK: tl.constexpr,
    ROWS: tl.constexpr,
    IS_FILTERED: tl.constexpr,
    TILES: tl.constexpr,
    TILE: tl.constexpr,
):
    """Write the token of a row, and the logarithms of the sums of its exponentials. One program a row."""
    line = tl.program_id(0)
    temperature = tl.minimum(tl.load(temperatures + line), _HOTTEST)
    key = noise_key(seeds, positions, line)
    tile = tl.arange(0, TILES)
    inside = tile < tiles
    column = tl.full((), 1, tl.int64) * lines * tiles
    place = sums + line.to(tl.int64) * tiles + tile
    tops = tl.load(place, mask=inside, other=float("-inf"))
    totals = tl.load(place + column, mask=inside, other=0.0).to(tl.float64)
    allowed_tops = tl.load(place + 2 * column, mask=inside, other=float("-inf"))
    allowed_totals = tl.load(place + 3 * column, mask=inside, other=0.0).to(tl.float64)
    heated = tl.load(place + 4 * column, mask=inside, other=0.0).to(tl.float64)
    is_faulty = tl.max((tops != tops).to(tl.int32), 0) != 0
    if HAS_ROWS:
        row = tl.load(rows + line)
        is_faulty = is_faulty | (row < 0) | (row >= logit_rows)
    tops = tl.where(tops != tops, float("-inf"), tops)

    # the logarithms of the sums; an empty sum stays minus infinity
    top = tl.max(tops, 0).to(tl.float64)
    zero = tl.where(top == float("-inf"), 0.0, top)
    total = tl.sum(tl.where(tops == float("-inf"), 0.0, totals * tl.exp(tops.to(tl.float64) - zero)), 0)
    whole = tl.where(total > 0.0, zero + tl.log(tl.where(total > 0.0, total, 1.0)), float("-inf"))
    allowed_top = tl.max(allowed_tops, 0).to(tl.float64)
    is_possible = allowed_top > float("-inf")
    zero = tl.where(is_possible, allowed_top, 0.0)
    is_empty = allowed_tops == float("-inf")
    finite_tops = tl.where(is_empty, 0.0, allowed_tops.to(tl.float64))
    total = tl.sum(tl.where(is_empty, 0.0, allowed_totals * tl.exp(finite_tops - zero)), 0)
    left = tl.where(is_possible, zero + tl.log(tl.where(total > 0.0, total, 1.0)), float("-inf"))
    tl.store(log_z + line, tl.where(is_faulty, float("nan"), whole))
    tl.store(log_z_allowed + line, tl.where(is_faulty, float("nan"), left))

    if is_faulty | (allowed_top == float("-inf")):
        tl.store(drawn + line, tl.full((), -1, tl.int64))
    else:
        is_greedy = (temperature >= _COLDEST) == 0
        chill = 1.0 / tl.where(is_greedy, 1.0, temperature)
        start = row_start(logits, rows, line, row_stride, logit_rows, HAS_ROWS)
        within = tl.arange(0, TILE)
        threshold = tl.full((), float("-inf"), tl.float32)
        tied = tl.full((), 2147483647, tl.int32)
        before = tl.zeros((), tl.int32)
        min_p = tl.zeros((), tl.float64)
        if IS_FILTERED:
            threshold = tl.load(thresholds + line)
            tied = tl.load(ties + line)
            min_p = tl.where(is_greedy, 0.0, tl.load(min_ps + line).to(tl.float64))

        # the tile
        noise = gumbel(noise_word(key, -1 - tile.to(tl.int64)))
        levels = finite_tops * chill + tl.log(tl.where(is_empty, 1.0, heated)) + noise
        levels = tl.where(is_greedy, finite_tops, levels)
        best = tl.argmax(tl.where(is_empty, float("-inf"), levels), 0, tie_break_left=True).to(tl.int32)
        if IS_FILTERED:  # noqa: SIM102
            if is_greedy == 0:  # IS_FILTERED is known when compiling, this is not
                # the third read: the sums of the tokens that are kept
                highest = tl.full((), float("-inf"), tl.float64)
                seen = tl.zeros((), tl.int32)
                for j in range(tiles):
                    tile_top = tl.load(sums + line.to(tl.int64) * tiles + 2 * column + j)
                    if (tile_top >= threshold) & (tile_top > float("-inf")):
                        x = read_tile(
                            start,
                            j * TILE + within,
                            line,
                            width,
                            column_stride,
                            store,
                            overlays,
                            indices,
                            store_rows,
                            overlay_rows,
                            store_stride,
                            overlay_stride,
                            row_bytes,
                            HAS_MASK,
                            ROWS,
                        )
                        kept, equals = is_kept(x, threshold, tied, seen, allowed_top, chill, min_p)
                        exps = tl.exp((x - tile_top) * chill.to(tl.float32))
                        total = tl.sum(tl.where(kept != 0, exps, 0.0), 0).to(tl.float64)
                        index = tl.full((), -1, tl.int64) - j
                        level = tile_top.to(tl.float64) * chill + tl.log(tl.where(total > 0.0, total, 1.0))
                        level = level + gumbel(noise_word(key, index))
                        if (total > 0.0) & (level > highest):
                            highest = level
                            best = j
                            before = seen
                        seen += equals

        # the token in it
        token = best * TILE + within
        x = read_tile(
            start,
            token,
            line,
            width,
            column_stride,
            store,
            overlays,
            indices,
            store_rows,
            overlay_rows,
            store_stride,
            overlay_stride,
            row_bytes,
            HAS_MASK,
            ROWS,
        )
        score = x.to(tl.float64) * chill
        noisy = score + gumbel(noise_word(key, token.to(tl.int64) + 1))
        noisy = tl.where(is_greedy, score, noisy)
        is_out = x == float("-inf")
        if IS_FILTERED:
            kept, _ = is_kept(x, threshold, tied, before, allowed_top, chill, min_p)
            is_out = is_out | ((kept == 0) & (is_greedy == 0))
        noisy = tl.where(is_out, float("-inf"), noisy)
        choice = tl.argmax(noisy, 0, tie_break_left=True).to(tl.int64)
        tl.store(drawn + line, best.to(tl.int64) * TILE + choice)
