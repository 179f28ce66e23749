"""Sampling, kernel against twin. Run by test_kernels.py with TRITON_INTERPRET=1, in a process of its own."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import triton
import triton.language as tl
from interpreting import masks
from structgen_kernels import KernelError, launching, masked_sample, reference, sampling
from structgen_kernels.reference import TILE, Sampled
from structgen_kernels.sampling import numbers
from structgen_kernels.triton_sampling import noise_key, noise_word
from torch import Tensor

PLAIN = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "seed": 0, "position": 0}
KINDS = {"top_k": torch.int64, "seed": torch.int64, "position": torch.int64}


def twin(logits: Tensor, mask: Tensor | None, rows: Tensor | None = None, **options: object) -> Sampled:
    count = len(rows) if rows is not None else len(logits)
    given = [
        numbers(value, count, logits.device, name, KINDS.get(name, torch.float64), -math.inf, math.inf, "")  # type: ignore[arg-type]
        for name, value in (PLAIN | options).items()
    ]
    return reference.masked_sample(logits, mask, rows, *given)


def check_equal(ours: Sampled, theirs: Sampled) -> None:
    for name in ("tokens", "allowed", "likeliest"):
        assert torch.equal(getattr(ours, name), getattr(theirs, name)), name
    for name in ("log_z", "log_z_allowed", "log_probs", "log_probs_allowed"):
        mine, other = getattr(ours, name), getattr(theirs, name)
        torch.testing.assert_close(mine, other, rtol=0, atol=2e-6, equal_nan=True)


@pytest.mark.parametrize(
    ("dtype", "width"),
    [
        (torch.float32, 1),
        (torch.float16, 33),
        (torch.float32, TILE),
        (torch.float64, TILE + 1),
        (torch.bfloat16, 3999),
    ],
    ids=str,
)
def test_kernel_and_twin_draw_the_same_over_types_widths_and_masks(dtype: torch.dtype, width: int) -> None:
    torch.manual_seed(width)
    logits = (3 * torch.randn(3, width)).to(dtype)
    heats = torch.tensor([1.0, 0.7, 0.0], dtype=torch.float64)
    for at, share in enumerate((None, 0.02, 0.5, 1.0)):
        mask = None if share is None else masks(3, width, share)
        options = {"temperature": heats.roll(at), "seed": reference.sample_key(at), "position": at}
        check_equal(masked_sample(logits, mask, **options), twin(logits, mask, **options))


def test_temperatures_from_hardly_any_to_great_ones() -> None:
    torch.manual_seed(0)
    logits, mask = 5 * torch.randn(6, 1100), masks(6, 1100, 0.9)
    heats = torch.tensor([1e-320, 1e-31, 1e-29, 1e-3, 50.0, 1e30], dtype=torch.float64)
    for filters in ({}, {"top_k": 20, "min_p": 0.01}):
        ours = masked_sample(logits, mask, temperature=heats, **filters)
        check_equal(ours, twin(logits, mask, temperature=heats, **filters))
        assert torch.equal(ours.tokens[:4], reference.apply_mask_(logits.clone(), mask)[:4].argmax(-1))


def test_each_row_has_its_own_options_and_a_draw_does_not_depend_on_the_batch() -> None:
    torch.manual_seed(1)
    logits, mask = 2 * torch.randn(6, 1500), masks(6, 1500, 0.5)
    options = {
        "temperature": torch.tensor([0.0, 1.0, 0.5, 1.0, 3.0, 1.0]),
        "top_k": [0, 0, 40, 0, 7, 1],
        "top_p": [1.0, 1.0, 1.0, 0.8, 0.5, 1.0],
        "min_p": [0.0, 0.1, 0.0, 0.0, 0.02, 0.0],
        "seed": torch.arange(6),
        "position": torch.arange(6) + 10,
    }
    ours = masked_sample(logits, mask, **options)
    options = {name: torch.as_tensor(value) for name, value in options.items()}
    check_equal(ours, twin(logits, mask, **options))
    for row in range(6):
        alone = {name: value[row : row + 1] for name, value in options.items()}
        one = masked_sample(logits, mask[row : row + 1], rows=[row], **alone)
        assert one.tokens.tolist() == [ours.tokens[row].item()]


@pytest.mark.parametrize("heat", [0.5, 2.0])
def test_a_tile_is_drawn_by_its_sum_at_the_temperature(heat: float) -> None:
    """One tile has one likely token, the other a less likely one and many that add up."""
    lines = 10
    logits = torch.full((lines, 2 * TILE), float("-inf"))
    logits[:, 5], logits[:, TILE], logits[:, TILE + 1 :] = 4.0, 3.0, 0.0
    options = {"temperature": heat, "seed": torch.arange(lines)}
    check_equal(masked_sample(logits, **options), twin(logits, None, **options))


def test_of_equal_tokens_top_k_keeps_the_smallest_ids() -> None:
    lines = 12
    logits, mask = torch.zeros(lines, 40), masks(1, 40, 1.0).repeat(lines, 1)
    mask[:, 0] = ~(1 << 1)
    drawn = masked_sample(logits, mask, top_k=2, seed=torch.arange(lines)).tokens
    assert set(drawn.tolist()) == {0, 2}


@pytest.mark.parametrize("kind", ["normal", "ties", "flat", "peaked", "bfloat16"])
def test_filters_keep_what_the_twin_keeps(kind: str) -> None:
    torch.manual_seed(5)
    filters = [
        {"top_k": 1},
        {"top_k": 5},
        {"top_k": 700},
        {"top_k": 10**12},
        {"top_p": 0.0},
        {"top_p": 0.3},
        {"top_p": 0.95},
        {"min_p": 0.2},
        {"top_k": 60, "top_p": 0.7, "min_p": 0.01},
    ]
    width, rows = 1300, len(filters)
    logits = torch.randn(rows, width)
    if kind == "ties":
        logits = logits.round()
    elif kind == "flat":
        logits = torch.zeros(rows, width)
    elif kind == "peaked":
        logits = 20 * logits
    elif kind == "bfloat16":
        logits = (2 * logits).bfloat16()
    options = {
        name: torch.tensor([one.get(name, off) for one in filters])
        for name, off in (("top_k", 0), ("top_p", 1.0), ("min_p", 0.0))
    }
    options |= {"temperature": 0.8, "seed": torch.arange(rows) * 7, "position": 3}
    mask = masks(rows, width, 0.7)
    check_equal(masked_sample(logits, mask, **options), twin(logits, mask, **options))


def test_the_twin_filters_as_a_loop_over_sorted_tokens_does() -> None:
    random = np.random.default_rng(0)
    for _ in range(60):
        width = int(random.integers(1, 40))
        scores = np.round(random.normal(size=width), 1)
        scores[random.random(width) < 0.2] = -np.inf
        k, p, m, heat = (
            int(random.integers(0, 9)),
            random.choice([0.5, 0.9, 1.0]),
            random.choice([0, 0.1]),
            0.7,
        )
        order = sorted(range(width), key=lambda i: (-scores[i], i))
        order = [i for i in order if scores[i] > -np.inf][: k or None]
        shares = [math.exp((scores[i] - scores[order[0]]) / heat) for i in order]
        kept, before = set(), 0.0
        for i, share in zip(order, shares, strict=True):
            if not kept or ((p == 1.0 or before < p * sum(shares)) and share >= m):
                kept.add(i)
            before += share
        given = [torch.tensor([v]) for v in (heat, k, p, m)]
        left = reference.filtered(torch.from_numpy(scores)[None], *given)[0]
        assert {i for i in range(width) if left[i] > -np.inf} == kept


@pytest.mark.filterwarnings("ignore:invalid value encountered in subtract")
def test_a_row_with_nothing_possible_gets_no_token() -> None:
    never = float("-inf")
    logits = torch.zeros(7, 1500)
    mask = torch.full((7, 47), -1, dtype=torch.int32)
    mask[0] = 0  # nothing allowed
    logits[1] = never  # all minus infinity
    logits[2] = never
    logits[2, 5] = 0.0  # one possible, not allowed
    mask[2, 0] = ~(1 << 5)
    logits[3, 1400] = float("nan")
    logits[4, 3] = float("inf")
    logits[5] = never
    logits[5, 1499] = -3.0  # one possible
    for options in ({"temperature": 0.0}, {}, {"top_k": 3, "top_p": 0.5}):
        ours = masked_sample(logits, mask, **options)
        check_equal(ours, twin(logits, mask, **options))
        assert ours.tokens[:6].tolist() == [-1, -1, -1, -1, -1, 1499] and ours.tokens[6] >= 0
        assert ours.log_z_allowed[:3].tolist() == [never] * 3 and ours.log_z[1] == never
        assert ours.log_z[3:5].isnan().all() and ours.log_z_allowed[3:5].isnan().all()
        assert ours.log_z_allowed[5] == -3.0


def test_figures_of_a_draw_are_those_of_numpy() -> None:
    torch.manual_seed(2)
    width = 1100
    logits, mask = 3 * torch.randn(3, width), masks(3, width + 40, 0.4)
    logits[1, [7, 900]] = 50.0  # two likeliest
    logits[2] = float("-inf")
    logits[2, 5:9] = torch.tensor([1.0, 2.0, 2.0, 0.0])
    mask[2, 0] = -1
    for by in (masked_sample, twin):
        found = by(logits, mask)
        for row in range(3):
            raw = logits[row].double().numpy()
            bits = np.unpackbits(mask[row].numpy().view(np.uint8), bitorder="little")[:width].astype(bool)
            token = int(found.tokens[row])
            assert bits[token] and found.allowed[row] == bits.sum()
            assert found.likeliest[row] == raw.argmax() == (raw.argmax(), 7, 6)[row]
            share = np.exp(raw - raw.max())
            log_prob = math.log(share[token] / share.sum())
            assert found.log_probs[row].item() == pytest.approx(log_prob, abs=2e-6)
            among = math.log(share[token] / share[bits].sum())
            assert found.log_probs_allowed[row].item() == pytest.approx(among, abs=2e-6)


@pytest.mark.parametrize("words", [0, 1, 3, 9])
def test_masks_may_be_narrower_and_wider_than_the_logits(words: int) -> None:
    torch.manual_seed(words)
    logits, mask = torch.randn(2, 70), torch.full((2, words), -1, dtype=torch.int32)
    ours = masked_sample(logits, mask)
    check_equal(ours, twin(logits, mask))
    assert ours.allowed.tolist() == [min(32 * words, 70)] * 2
    assert (ours.tokens < min(32 * words, 70)).all() and (ours.tokens.max() >= 0) == (words > 0)


def test_allowed_logits_far_below_the_others_keep_the_digits_of_their_sum() -> None:
    gaps = [0.0, 30.0, 59.0, 61.0, 87.0, 110.0, 4000.0]
    torch.manual_seed(0)
    logits = torch.randn(len(gaps), 1056)
    logits[:, 0] = 4.0 + torch.tensor(gaps)
    mask = torch.full((len(gaps), 33), -1, dtype=torch.int32)
    mask[:, 0] = ~1
    ours = masked_sample(logits, mask, temperature=0.9)
    check_equal(ours, twin(logits, mask, temperature=0.9))
    rest = torch.logsumexp(logits[:, 1:].double(), -1)
    torch.testing.assert_close(ours.log_z_allowed, rest, rtol=0, atol=2e-6)


@pytest.mark.parametrize(
    "view",
    [lambda t: t[:, 1:], lambda t: t[::2, ::3], lambda t: t.t()],
    ids=["misaligned", "every second row, every third column", "transposed"],
)
def test_views_of_any_strides(view) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    logits = view(torch.randn(6, 4))
    mask = masks(len(logits), logits.shape[1], 0.5)
    for options in ({}, {"top_k": 2}):
        check_equal(masked_sample(logits, mask, **options), twin(logits, mask, **options))


def test_logits_that_require_gradients_or_are_expanded_are_read() -> None:
    logits = torch.randn(1, 40, requires_grad=True).expand(2, 40)
    drawn = masked_sample(logits, seed=torch.arange(2))
    assert not drawn.log_z.requires_grad
    check_equal(drawn, twin(logits.detach(), None, seed=torch.arange(2)))


def test_min_p_alone_skips_the_tiles_that_it_leaves_out() -> None:
    torch.manual_seed(3)
    logits = torch.randn(4, 2 * TILE)
    logits[0, :TILE] -= 20  # a tile that is skipped
    logits[1, TILE:] -= 2  # a tile of which some are kept
    logits[2] = 0.0  # all are equal
    logits[3] = torch.linspace(-3, 0, 2 * TILE).bfloat16()
    options = {"min_p": [0.3, 0.05, 1.0, 0.5], "seed": torch.arange(4)}
    drawn = twin(logits, None, **options | {"min_p": torch.tensor(options["min_p"])})
    check_equal(masked_sample(logits, **options), drawn)


@pytest.mark.parametrize("count", [0, 1, 9, pytest.param(257, marks=pytest.mark.slow)])
def test_batches_of_any_size(count: int) -> None:
    torch.manual_seed(0)
    logits, mask = torch.randn(count, 40), masks(count, 40, 0.5)
    options = {"seed": torch.arange(count)}
    check_equal(masked_sample(logits, mask, **options), twin(logits, mask, **options))


@pytest.mark.parametrize("count", [0, 3])
def test_thresholds_are_found_a_few_rows_at_a_time(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "_TOGETHER", 2)
    torch.manual_seed(0)
    logits, mask = torch.randn(count, 40), masks(count, 40, 0.5)
    options = {"seed": torch.arange(count), "top_k": 4}
    check_equal(masked_sample(logits, mask, **options), twin(logits, mask, **options))


def test_masks_of_a_store_serve_as_masks_do() -> None:
    torch.manual_seed(0)
    store, overlays, logits = masks(5, 1500, 0.3, 1), masks(2, 1500, 0.3, 2), torch.randn(4, 1500)
    indices = torch.tensor([[0, 6], [4, -1], [-1, -1], [5, 1]], dtype=torch.int32)
    mask = reference.united(store, indices, overlays)
    for options in ({}, {"top_p": 0.6}):
        ours = masked_sample(logits, store=store, indices=indices, overlays=overlays, **options)
        check_equal(ours, twin(logits, mask, **options))
    # lines may be for some rows, and several for one row
    ours = masked_sample(logits, store=store, indices=indices[:2, 0], rows=[3, 3])
    check_equal(ours, twin(logits, store[[0, 4]], torch.tensor([3, 3])))


def test_rows_that_lie_past_two_to_the_31st_element_are_read() -> None:
    stride = 2**30 + 5
    logits = torch.empty(2 * stride + 70, dtype=torch.float16).as_strided((3, 70), (stride, 1))
    logits.copy_(torch.randn(3, 70))
    for options in ({}, {"top_k": 3}):
        check_equal(masked_sample(logits, **options), twin(logits.clone(), None, **options))
    columns = torch.empty(3 * stride, dtype=torch.float16).as_strided((2, 3), (1, stride))
    columns.copy_(torch.randn(2, 3))
    check_equal(masked_sample(columns), twin(columns.clone(), None))


def test_a_call_whose_outline_is_known_draws_what_the_twin_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launching, "is_planned", lambda first: True)
    monkeypatch.setattr(sampling, "_PLANS", launching.Plans())
    torch.manual_seed(0)
    for step in range(3):
        logits, mask = 3 * torch.randn(2, 1100), masks(2, 1100, 0.5, step)
        options = {"temperature": torch.rand(2).double(), "top_p": torch.rand(2).double()}
        options |= {"seed": torch.arange(2), "position": torch.arange(2) + step}
        check_equal(masked_sample(logits, mask, **options), twin(logits, mask, **options))
        monkeypatch.setattr(sampling, "check_logits", None)  # would fail if it were called again


@triton.jit
def write_words(seeds, positions, indices, out, SIZE: tl.constexpr):  # type: ignore[no-untyped-def]
    at = tl.arange(0, SIZE)
    line = tl.program_id(0)
    key = noise_key(seeds, positions, line)
    word = noise_word(key, tl.load(indices + at))
    tl.store(out + line * SIZE + at, word.to(tl.int64, bitcast=True))


def test_the_words_of_the_noise_are_those_of_splitmix64_bit_for_bit() -> None:
    def mixed(word: int) -> int:
        word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
        word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) % 2**64
        return word ^ (word >> 31)

    seeds, positions = [0, -1, 2**63 - 1, reference.sample_key(7, 3)], [0, 5, 2**40, 123]
    indices = [1, 128256, -1, -126, 2**31 + 1, 0, 17, -(2**20)]
    out = torch.empty(4, 8, dtype=torch.int64)
    write_words[(4,)](torch.tensor(seeds), torch.tensor(positions), torch.tensor(indices), out, SIZE=8)
    golden = 0x9E3779B97F4A7C15
    for row in range(4):
        key = mixed((seeds[row] + positions[row] + golden) % 2**64)
        want = [mixed((key + index * golden) % 2**64) for index in indices]
        assert [word % 2**64 for word in out[row].tolist()] == want
    keys = reference.position_keys(torch.tensor(seeds), torch.tensor(positions))
    assert torch.equal(out, reference.words(keys[:, None], torch.tensor(indices)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"temperature": 1e31}, "temperature: It is 1e\\+31"),
        ({"temperature": -1.0}, "temperature: It is -1.0"),
        ({"temperature": float("nan")}, "temperature: It is nan"),
        ({"temperature": [1.0, float("inf")]}, "temperature: It holds inf"),
        ({"temperature": torch.ones(3)}, r"temperature.*float32 \[3\]"),
        ({"top_k": -1}, "top_k: It is -1"),
        ({"top_p": 1.5}, "top_p: It is 1.5"),
        ({"min_p": [0.5, -0.5]}, "min_p: It holds -0.5"),
        ({"position": -1}, "position: It is -1"),
        ({"seed": 2**64}, "seed: It is 18446744073709551616"),
        ({"seed": 0.5}, "seed: It is 0.5; the values are whole numbers"),
        ({"seed": torch.tensor([0.0, 1.0])}, "seed.*float32"),
        ({"seed": [2**64, 0]}, "seed: It holds no numbers"),
        ({"top_k": [1.0, 2.0]}, "top_k.*float32"),
        ({"temperature": ["hot", "cold"]}, "temperature: It holds no numbers"),
        ({"temperature": None}, "temperature: It holds no numbers"),
        ({"temperature": torch.ones(2, dtype=torch.float64, device="meta")}, "temperature: It is on meta"),
        ({"rows": 3}, "rows: It is a int without a length"),
        ({"rows": [0, 5]}, "rows: It holds 5"),
        (
            {"mask": torch.zeros(2, 2, dtype=torch.int32), "store": torch.zeros(2, 2, dtype=torch.int32)},
            "Give one",
        ),
        ({"indices": torch.zeros(2, 1, dtype=torch.int32)}, "Give one"),
        ({"mask": torch.zeros(3, 2, dtype=torch.int32)}, "3 rows, and the logits have 2"),
        ({"logits": torch.zeros(2, 64, dtype=torch.int64)}, "logits.*int64"),
    ],
)
def test_bad_options_are_named_and_mended(change: dict[str, object], words: str) -> None:
    good: dict[str, object] = {"logits": torch.zeros(2, 64)}
    with pytest.raises(KernelError, match=words) as raised:
        masked_sample(**(good | change))  # type: ignore[arg-type]
    assert str(raised.value).endswith(raised.value.cure) and raised.value.cure.endswith(".")
