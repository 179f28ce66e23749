"""The draw has two levels, a tile and then a token, and is the same compiled and as the kernels define it.

Only sums of tiles are rounded differently. So another token may come out where the two best tiles lie next to
each other, and nowhere else: `near_tie` works out in double precision, without the code of either side, how
far apart they are.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from defined_draws import by_columns, defined_tokens
from for_each import for_each
from structgen_kernels import reference

from structgen.base.native.jit import entry
from structgen.decoding.engine import choice, choice_loops
from structgen.decoding.engine.choice import ChoiceRow
from structgen.decoding.engine.choice_loops import gumbel_of, position_key, uniform_of
from structgen.decoding.engine.requests import Sampling

pytest.importorskip("numba")

choose, choose_anywhere = by_columns(choice.choose_tokens), by_columns(choice.choose_anywhere)
TILE = reference.TILE
CLOSE = 2e-6
"""More than the sum of a tile can be wrong, relative to itself."""


@entry("void(uint64[::1], uint64[::1], int64[::1], float64[:, ::1], float64[:, ::1])")
def _write(samples: Any, positions: Any, indices: Any, uniforms: Any, noises: Any) -> None:
    for i in range(len(samples)):
        key = position_key(samples[i], positions[i])
        for j in range(len(indices)):
            uniforms[i, j] = uniform_of(key, indices[j])
            noises[i, j] = gumbel_of(uniforms[i, j])


def test_uniform_numbers_are_those_of_the_kernels_bit_for_bit() -> None:
    draw = np.random.default_rng(0)
    samples = np.append(draw.integers(-(2**63), 2**63, 200), [0, -1, 2**63 - 1, -(2**63)])
    positions = np.append(draw.integers(0, 2**40, 200), [0, 1, 2**62, 2**63 - 1])
    indices = np.array([1, 2, 1024, 1025, 128_256, 2**31, -1, -2, -126, -(2**31)])
    uniforms, noises = np.empty((2, len(samples), len(indices)))
    _write(samples.view(np.uint64), positions.view(np.uint64), indices, uniforms, noises)
    keys = reference.position_keys(torch.from_numpy(samples), torch.from_numpy(positions))
    theirs = reference.words(keys[:, None], torch.from_numpy(indices))
    assert np.array_equal(uniforms, ((theirs.numpy().view(np.uint64) >> 11) + 0.5) * 2.0**-53)
    assert noises == pytest.approx(reference.gumbel(theirs).numpy(), rel=1e-13, abs=1e-15)
    assert choice_loops.TILE == TILE


# --- against the definition ---------------------------------------------------------------------------------


def random_mask(draw: np.random.Generator, rows: int, width: int, share: float) -> npt.NDArray[np.int32]:
    bits = np.zeros((rows, -(-width // 32) * 32), np.uint8)
    bits[:, :width] = draw.random((rows, width)) < share
    return np.packbits(bits, axis=1, bitorder="little").view(np.int32)


def near_tie(scores: npt.NDArray[np.float64], key: int) -> float:
    """Return how far apart the levels of the two best tiles are: of scores after temperature and mask."""
    levels = []
    for tile in range(-(-len(scores) // TILE)):
        part = scores[tile * TILE : (tile + 1) * TILE]
        top = float(part.max())
        if top == -math.inf:
            continue
        word = int(reference.words(torch.tensor(key), torch.tensor(-1 - tile))) % 2**64
        uniform = ((word >> 11) + 0.5) * 2.0**-53
        level = top + math.log(math.fsum(np.exp(part - top))) - math.log(-math.log(uniform))
        levels.append(level)
    levels.sort()
    return levels[-1] - levels[-2] if len(levels) > 1 else math.inf


def hold(logits: Any, mask: npt.NDArray[np.int32] | None, heat: float, first: int) -> int:
    """Draw of each row by both ways; return how many tokens differ, each of which must be a near-tie."""
    count, width = logits.shape
    rows = [ChoiceRow(Sampling(temperature=heat, seed=5), i, first + i, (), ()) for i in range(count)]
    ours = torch.tensor(choose(logits, mask, rows).tokens)
    keys = reference.position_keys(
        torch.tensor([row.stream for row in rows]), torch.tensor([row.position for row in rows])
    )
    scores = logits.double()
    if mask is not None:
        scores.masked_fill_(~reference.allowed_of(torch.from_numpy(mask), width), -math.inf)
    theirs = reference.draw(scores, torch.full((count,), heat, dtype=torch.float64), keys)
    differ = (ours != theirs).nonzero().flatten().tolist()
    for i in differ:
        assert near_tie(scores[i].numpy() / heat, int(keys[i])) < CLOSE, (i, int(ours[i]), int(theirs[i]))
    return len(differ)


@for_each("heat", [0.1, 1.0, 5.0])
@for_each("share", [None, 0.01, 0.5, 1.0])
def test_the_compiled_draw_is_the_kernels_draw(heat: float, share: float | None) -> None:
    draw = np.random.default_rng(7)
    count, width = 120, 2 * TILE + 77
    logits = torch.from_numpy(3 * draw.standard_normal((count, width), np.float32))
    # in some rows a tile lies far above the others, in some nothing of a tile is possible
    logits[::7, :TILE] += 40
    logits[3::7, TILE : 2 * TILE] = -math.inf
    mask = None if share is None else random_mask(draw, count, width, share)
    if mask is not None:
        mask[5::7, : TILE // 32] = 0
        mask[:, -1] |= 1
    assert hold(logits, mask, heat, 0) == 0


def test_tokens_that_differ_come_from_tiles_that_lie_next_to_each_other() -> None:
    """The logits of the second tile are moved so that the levels of both tiles are 1e-9 to 1e-3 apart."""
    draw = np.random.default_rng(4)
    count = 600
    logits = torch.from_numpy(draw.standard_normal((count, 2 * TILE), np.float32))
    samples = torch.tensor([reference.sample_key(5, i) for i in range(count)])
    keys = reference.position_keys(samples, torch.arange(count))
    noises = reference.gumbel(reference.words(keys[:, None], torch.tensor([-1, -2])))
    levels = torch.logsumexp(logits.double().unflatten(1, (2, TILE)), -1) + noises
    gaps = torch.from_numpy(10.0 ** draw.uniform(-9, -3, count) * draw.choice([-1, 1], count))
    logits[:, TILE:] += (levels[:, 0] - levels[:, 1] + gaps).float()[:, None]
    # `hold` asserts that each that differs is a near-tie
    assert 0 < hold(logits, None, 1.0, 0) < count / 4


@pytest.mark.slow
def test_of_a_million_draws_at_most_ten_differ_and_those_are_near_ties() -> None:
    draw, differ, done = np.random.default_rng(1), 0, 0
    for turn in range(1000):
        heat = (1.0, 0.7, 2.0, 1.0)[turn % 4]
        logits = torch.from_numpy(2 * draw.standard_normal((1000, TILE + 300), np.float32))
        differ += hold(logits, None if turn % 3 else random_mask(draw, 1000, TILE + 300, 0.7), heat, done)
        done += len(logits)
    for turn in range(12):
        logits = torch.from_numpy(2 * draw.standard_normal((256, 128_256), np.float32))
        differ += hold(logits, None, (1.0, 0.8)[turn % 2], done)
        done += len(logits)
    print(f"{differ} of {done} draws differ")
    assert done >= 10**6 and differ <= done / 10**5


def _rows(how: list[Sampling], count: int) -> list[ChoiceRow]:
    return [ChoiceRow(how[i % len(how)], i, 11 + i, (3, 1500), (7, 7, 2048)) for i in range(count)]


FILTERS = [
    Sampling(top_k=1),
    Sampling(top_k=40, temperature=0.7),
    Sampling(top_k=2000),
    Sampling(top_p=0.3),
    Sampling(top_p=0.95, temperature=2.0),
    Sampling(min_p=0.01),
    Sampling(min_p=1e-4, temperature=3.0),
    Sampling(top_k=300, top_p=0.9, min_p=0.001, temperature=1.5),
    Sampling(repetition_penalty=1.4, presence_penalty=0.3),
    Sampling(frequency_penalty=-2.0, temperature=0.5, top_p=0.8),
    Sampling(temperature=0),
    Sampling(temperature=0, presence_penalty=1.0),
    Sampling(temperature=1e-30),
    Sampling(temperature=1e30),
]


@pytest.mark.parametrize("width", [1, 33, TILE - 1, TILE, TILE + 1, 2 * TILE + 500], ids=str)
def test_both_ways_choose_the_same_with_filters_and_penalties_over_tiles(width: int) -> None:
    draw = np.random.default_rng(width)
    count = 3 * len(FILTERS)
    logits = torch.from_numpy(3 * draw.standard_normal((count, width), np.float32))
    logits[::5] = logits[::5].round()  # ties
    logits[::3, 1::4] = -math.inf  # never taken
    rows = _rows(FILTERS, count)
    for row in rows:
        row.prompt, row.text = [t % width for t in row.prompt], [t % width for t in row.text]
    few, most = random_mask(draw, count, width, 0.02), random_mask(draw, count, width, 0.6)
    masks = [None, few, most, np.full((count, -(-width // 64)), -1, np.int32)]
    for mask in masks:
        if mask is not None:
            mask[:, 0] |= 1
        here, there = choose(logits, mask, rows), choose_anywhere(logits, mask, rows)
        assert here.tokens == there.tokens == defined_tokens(logits, mask, rows)
        assert here.allowed_count == there.allowed_count and here.likeliest_token == there.likeliest_token
        assert here.removed_mass == pytest.approx(there.removed_mass, abs=1e-6)
        assert here.logprob == pytest.approx(there.logprob, abs=1e-5)
        assert here.constrained_logprob == pytest.approx(there.constrained_logprob, abs=1e-5)


def test_rows_of_the_logits_and_of_the_mask_are_named_alike_in_both_ways() -> None:
    draw = np.random.default_rng(5)
    logits = torch.from_numpy(draw.standard_normal((3, TILE + 9), np.float32))
    mask, places, lines, rows = random_mask(draw, 5, TILE + 9, 0.3), [2, 0], [4, 1], _rows(FILTERS[:2], 2)
    plain = choose(logits[places], mask[lines], rows).tokens
    assert choose(logits, mask, rows, places, lines).tokens == plain
    assert choose_anywhere(logits, mask, rows, places, lines).tokens == plain
    assert choose_anywhere(logits, None, [], []).tokens == []


@pytest.mark.parametrize("way", [choose, choose_anywhere], ids=["compiled", "torch"])
def test_rows_without_a_possible_token_are_told(way: Any) -> None:
    never, width = -math.inf, 2 * TILE
    logits = torch.zeros(7, width)
    mask = np.full((7, width // 32), -1, np.int32)
    mask[0] = 0  # nothing is allowed
    logits[1] = never
    logits[2, 5:] = never
    mask[2, 0] = ~31  # what is possible is not allowed
    logits[3, 1400] = math.nan
    logits[4, 3] = math.inf
    logits[5, : width - 1] = never  # one token is possible, in the last tile
    mask[6, : TILE // 32] = 0  # nothing of the first tile is allowed
    for how in (Sampling(), Sampling(temperature=0), Sampling(top_k=3, temperature=0.5), Sampling(top_p=0.5)):
        found = way(logits, mask, [ChoiceRow(how, i, 0, (), ()) for i in range(7)])
        assert [bool(one) for one in found.faulty] == [True] * 5 + [False] * 2
        assert all(0 <= token < width for token in found.tokens)
        assert found.tokens[5] == width - 1 and found.tokens[6] >= TILE
        assert all(map(math.isnan, found.logprob[:5])) and all(map(math.isnan, found.removed_mass[:5]))
        assert found.allowed_count == [0, width, width - 5, width, width, width, TILE]


def test_tokens_far_below_one_that_is_not_allowed_are_drawn_by_their_own_shares() -> None:
    """In single precision, about the greatest logit of the tile, the shares of the allowed would be zeros."""
    count, width = 4000, TILE + 64
    logits = torch.full((count, width), -200.0)
    logits[:, 0] = 100.0
    logits[:, 1], logits[:, TILE] = -150.0, -150.0 + math.log(3)
    mask = np.full((count, width // 32), -1, np.int32)
    mask[:, 0] = ~1
    for heat in (1.0, 0.999999):
        how = Sampling(temperature=heat, seed=2)
        tokens = np.array(choose(logits, mask, [ChoiceRow(how, i, 0, (), ()) for i in range(count)]).tokens)
        assert set(tokens.tolist()) == {1, TILE}
        assert (tokens == TILE).mean() == pytest.approx(0.75, abs=0.03)


# --- the law of the draws -----------------------------------------------------------------------------------

DRAWS = 1_000


@for_each(
    ("width", "how"),
    [
        (TILE, Sampling()),
        (2 * TILE + 452, Sampling()),
        (2 * TILE + 452, Sampling(temperature=0.1)),
        (2 * TILE + 452, Sampling(temperature=5.0)),
        (4 * TILE + 1, Sampling(temperature=0.6)),
        (2 * TILE + 452, Sampling(top_k=600, top_p=0.9, min_p=0.01, temperature=1.3)),
    ],
)
@for_each("is_masked", [False, True])
def test_draws_over_tiles_follow_their_law(width: int, how: Sampling, is_masked: bool) -> None:
    """Chi-square over the likeliest tokens and the rest of each tile, and the total variation of the same."""
    draw = np.random.default_rng(width)
    logits = draw.standard_normal(width).astype(np.float32)
    special = draw.choice(width, 40, replace=False)
    logits[special] += 6
    allowed = np.ones(width, bool)
    mask = None
    if is_masked:
        one = random_mask(draw, 1, width, 0.6)
        if width > 2 * TILE:
            one[:, TILE // 32 : 2 * TILE // 32] = 0  # nothing of the second tile
        mask = one.repeat(DRAWS, 0)
        allowed = np.unpackbits(one[0].view(np.uint8), bitorder="little")[:width].astype(bool)
    shares = np.where(allowed, np.exp((logits.astype(np.float64) - 10) / how.temperature), 0.0)
    shares /= shares.sum()
    order = np.argsort(-shares, kind="stable")
    if how.top_k:
        shares[order[how.top_k :]] = 0
        shares /= shares.sum()
    before = np.cumsum(shares[order]) - shares[order]
    shares[order[(before >= how.top_p) | (shares[order] < how.min_p * shares.max())]] = 0
    shares /= shares.sum()
    rows = [ChoiceRow(how, i, 1, (), ()) for i in range(DRAWS)]
    found = np.bincount(
        choose(torch.from_numpy(logits).expand(DRAWS, width), mask, rows).tokens, minlength=width
    )
    assert not found[shares == 0].any()
    group = np.arange(width) // TILE
    likely = np.flatnonzero(shares > 0.005)
    group[likely] = 1000 + np.arange(len(likely))
    _, place = np.unique(group, return_inverse=True)
    want, have = np.bincount(place, shares) * DRAWS, np.bincount(place, found)
    some = want > 0
    free = max(int(some.sum()) - 1, 1)
    square = float(((have - want)[some] ** 2 / want[some]).sum())
    # a chi-square law of n degrees passes n + 5 sqrt(2 n) once in a hundred thousand
    assert square < free + 5 * math.sqrt(2 * free)
    assert 0.5 * np.abs(have - want).sum() / DRAWS < 0.6 * math.sqrt(len(want) / DRAWS) + 0.002
