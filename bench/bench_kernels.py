"""Masking and sampling kernels on one GPU: microseconds beside the memory floor and the peers.

    python bench/bench_kernels.py                      the whole table, some five minutes
    python bench/bench_kernels.py --rows 256 --quick   one batch size, fewer runs
    python bench/bench_kernels.py --smoke              each code path once on the CPU, at a tiny size

Two floors stand beside each time. Both are times of a copy on the same GPU, in the same run, that moves as
many bytes. "floor": masking reads the mask and writes all logits; sampling reads logits and mask once.
"moved" (masking): the mask, each sector of 32 bytes that is forbidden whole, and twice each sector of which a
part is forbidden, as that part alone cannot be written. Where half of the tokens are allowed at random that
is twice the floor, where nearly all are it is far less.

"us" is the time of the device: before each run the logits are restored, 256 MB are swept through the cache,
and the device sleeps until all launches of the run are prepared; none of it is timed. (A way that waits for
the device in between, as torch.multinomial may, has its host's time in it, too.) "host_us" is what a call
takes until it returns, the device being idle. Both are medians of many runs. A step takes the greater of the
two at least; a CUDA graph, in the row of that name, leaves little of the host's.

Peers that are not installed are left out, and said to be. What each way to mask and `masked_sample` gave is
compared with plain torch ("right"); where it differs the script ends with 1. Prints a table and what it
amounts to, and writes bench/results/kernels-DATE.csv. Without a GPU it says so and
measures nothing.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from records import arguments
from structgen_kernels import (
    advance,
    apply_mask_,
    apply_store_mask_,
    masked_sample,
    reference,
    sample_tree,
)
from told import tell
from torch import Tensor

ALLOWED = 0.001, 0.5, 0.999
SECTOR = 32
DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}
HEAT = 0.8
ASLEEP = 1_200_000
"""Cycles of a GPU, 0.7 ms: longer than any way prepares its launches."""
COMPARED = 64
"""Rows of which the tokens are compared with the twin's."""


Peers = dict[str, Callable[[Tensor, Tensor], object]]
"""Functions that mask in place, by name."""


@dataclass(frozen=True)
class Place:
    """Where the functions run, and how large and how often."""

    device: torch.device
    width: int
    rows: tuple[int, ...]
    runs: int

    @property
    def name(self) -> str:
        """The name of the device."""
        return torch.cuda.get_device_name() if self.device.type == "cuda" else "CPU (smoke)"


@dataclass(frozen=True)
class Row:
    """A line of the table and of the file; a floor of 0 says that there is none."""

    what: str
    by: str
    dtype: str
    rows: int
    allowed: float
    us: float
    host_us: float
    floor_us: float
    moved_us: float
    right: bool


def main(argv: Sequence[str] | None = None) -> int:
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, nargs="*", default=[1, 4, 16, 64, 256, 1024])
    parser.add_argument("--dtypes", nargs="*", choices=[*DTYPES], default=[*DTYPES])
    parser.add_argument("--quick", action="store_true", help="40 runs of each instead of 200")
    parser.add_argument("--smoke", action="store_true", help="run each code path once on the CPU")
    options = parser.parse_args(argv)
    if not options.smoke and not torch.cuda.is_available():
        print("not measured: no GPU")
        return 0
    place = Place(torch.device("cuda"), 128_256, tuple(options.rows), 40 if options.quick else 200)
    if options.smoke:
        place = Place(torch.device("cpu"), 2050, (1, 8), 1)
    question = "kernels-smoke" if options.smoke else "kernels"
    packages = ["torch", "triton", "xgrammar", "llguidance"]
    peers = masking_peers(place)
    found: list[Row] = []

    def told() -> Iterator[dict[str, Any]]:
        for row in table(place, options.dtypes, peers):
            found.append(row)
            yield asdict(row)

    with torch.compiler.set_stance("force_eager") if options.smoke else nullcontext():
        tell(options, question, told(), packages, device=place.name, cuda=torch.version.cuda)
    print(*amounts(found, peers), sep="\n")
    return 0 if all(row.right for row in found) else 1


def table(place: Place, dtypes: Iterable[str], peers: Peers) -> Iterator[Row]:
    """Measure all cases."""
    for name in dtypes:
        for rows in place.rows:
            logits = 4 * torch.randn(rows, place.width, device=place.device)
            logits = logits.to(DTYPES[name])
            for share in ALLOWED:
                case, mask = (name, rows, share), random_mask(place, rows, share)
                yield from measure_masking(place, case, logits, mask, peers)
                yield from measure_sampling(place, case, logits, mask)
            yield from measure_steps(place, (name, rows, 0.5), logits, random_mask(place, rows, 0.5))


def amounts(found: list[Row], peers: Iterable[str]) -> list[str]:
    """Return the figures that are aimed at, in words."""
    lines = []
    large = [row for row in found if row.what == "mask" and row.by == "apply_mask_" and row.rows >= 256]
    if large:
        worst = max(row.us / row.moved_us for row in large)
        lines.append(f"apply_mask_, B >= 256: at most {worst:.2f}x of what must be moved (aim 1.3)")
    times = {(row.what, row.by, row.dtype, row.rows, row.allowed): row for row in found}

    def ratios(what: str, slow: str, fast: str, column: str = "us") -> list[float]:
        cases = [key[2:] for key in times if key[:2] == (what, fast)]
        return [
            getattr(times[(what, slow, *case)], column) / getattr(times[(what, fast, *case)], column)
            for case in cases
        ]

    for peer in peers:
        faster = ratios("mask", peer, "apply_mask_")
        lines.append(
            f"apply_mask_ is faster than {peer} in {sum(one > 1 for one in faster)} of {len(faster)} cases, "
            f"by {min(faster):.2f} to {max(faster):.1f}x"
        )
    for name, column in (("device", "us"), ("host", "host_us")):
        faster = ratios("sample", "mask, softmax, multinomial", "masked_sample", column)
        lines.append(
            f"masked_sample is {min(faster):.1f} to {max(faster):.1f}x faster than the chain "
            f"on the {name} (aim 5)"
        )
    calls = [row.host_us for row in found if row.by == "masked_sample"]
    lines.append(f"masked_sample takes {min(calls):.0f} to {max(calls):.0f} us of the host (aim 40)")
    reads = [row.us / row.floor_us for row in found if row.by == "masked_sample" and row.rows >= 256]
    if reads:
        lines.append(f"masked_sample, B >= 256: at most {max(reads):.2f}x of one read (aim 1.5)")
    return lines


# --- cases ------------------------------------------------------------------------------------------------


def random_mask(place: Place, rows: int, share: float) -> Tensor:
    """Return an int32 mask [rows, words] on the device, of which a random share of the bits is set."""
    random = np.random.default_rng(0)
    bits = random.random((rows, -(-place.width // 32) * 32), dtype=np.float32) < share
    packed = np.packbits(bits, axis=1, bitorder="little")
    return torch.from_numpy(packed.view(np.int32).copy()).to(place.device)


def masking_peers(place: Place) -> Peers:
    """Return the peers' functions that mask in place, by name."""
    peers: Peers = {"masked_fill_": plain}
    if place.device.type == "cuda":
        try:
            from xgrammar.kernels import apply_token_bitmask_inplace_triton as xgrammar_kernel

            peers["xgrammar (Triton)"] = xgrammar_kernel.apply_token_bitmask_inplace_triton
        except (ImportError, RuntimeError) as error:
            print(f"left out: xgrammar's kernel ({error})")
    else:
        print("left out: xgrammar's kernel, which asks for a GPU")
    try:
        from llguidance.torch import apply_token_bitmask_inplace

        peers["llguidance (torch.compile)"] = apply_token_bitmask_inplace
    except (ImportError, RuntimeError) as error:
        print(f"left out: llguidance's kernel ({error})")
    return peers


def plain(logits: Tensor, mask: Tensor) -> Tensor:
    """Mask with operations of torch: the bits as booleans, then `masked_fill_`."""
    bits = torch.arange(32, device=mask.device, dtype=torch.int32)
    forbidden = ((mask.unsqueeze(-1) >> bits) & 1).eq(0).flatten(1)[:, : logits.shape[1]]
    return logits.masked_fill_(forbidden, float("-inf"))


def measure_masking(
    place: Place,
    case: tuple[str, int, float],
    logits: Tensor,
    mask: Tensor,
    peers: Peers,
) -> list[Row]:
    """Return a row for each way to mask in place."""
    work = logits.clone()

    def restore() -> object:
        return work.copy_(logits)

    floor = copied(place, logits.numel() * logits.element_size() + 4 * mask.numel())
    least = copied(place, moved(place, mask, logits.element_size()))
    index = torch.arange(len(mask), dtype=torch.int32, device=place.device)[:, None]
    ways: dict[str, Callable[[], object]] = {
        "apply_mask_": lambda: apply_mask_(work, mask),
        "apply_store_mask_": lambda: apply_store_mask_(work, mask, index),
    }
    for name, peer in peers.items():
        ways[name] = lambda peer=peer: peer(work, mask)
    expected = plain(restore().clone(), mask)  # type: ignore[attr-defined]
    found = []
    for name, run in ways.items():
        restore()
        run()
        right = torch.equal(work, expected)
        found.append(Row("mask", name, *case, *microseconds(place, run, restore), floor, least, right))
    return found


def measure_sampling(place: Place, case: tuple[str, int, float], logits: Tensor, mask: Tensor) -> list[Row]:
    """Return a row for each way to draw a token under a mask. Options lie on the device, as in an engine."""
    rows = len(logits)
    floor = copied(place, logits.numel() * logits.element_size() + 4 * mask.numel())
    work = logits.clone()
    heat = torch.full((rows,), HEAT, dtype=torch.float64, device=place.device)
    whole = torch.arange(rows, device=place.device)

    def restore() -> object:
        return work.copy_(logits)

    def chain(apply: Callable[[Tensor, Tensor], Tensor]) -> object:
        return torch.multinomial(torch.softmax(apply(work, mask).float() / HEAT, -1), 1)

    def ours(**filters: Tensor) -> reference.Sampled:
        return masked_sample(logits, mask, temperature=heat, seed=whole, position=whole, **filters)

    some = {"top_k": whole * 0 + 50, "top_p": heat * 0 + 0.95}
    least_share = heat * 0 + 0.05
    ways: dict[str, Callable[[], object]] = {
        "masked_sample": ours,
        "masked_sample, min_p": lambda: ours(min_p=least_share),
        "masked_sample, top_k, top_p": lambda: ours(**some),
        "mask, softmax, multinomial": lambda: chain(plain),
        "apply_mask_, softmax, multin.": lambda: chain(apply_mask_),
    }
    part = slice(0, COMPARED)
    none, every = torch.zeros_like(whole[part]), torch.ones_like(heat[part])
    off = none, every, torch.zeros_like(every)
    twin = reference.masked_sample(logits[part], mask[part], None, heat[part], *off, whole[part], whole[part])
    drawn = ours()
    if place.device.type == "cuda":
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                captured = ours()
            graph.replay()
            drawn, ways["masked_sample, CUDA graph"] = captured, graph.replay
        except RuntimeError as error:
            print(f"left out: masked_sample in a CUDA graph ({error})")
    # of equal logits all tokens are the twin's, but for near ties, of which there are fewer than one in 10^5
    right = torch.equal(drawn.tokens[part], twin.tokens)
    right &= torch.allclose(drawn.log_z_allowed[part], twin.log_z_allowed, rtol=0, atol=1e-5)
    found = []
    for name, run in ways.items():
        took = microseconds(place, run, restore)
        found.append(Row("sample", name, *case, *took, floor, 0.0, right or name != "masked_sample"))
    return found


def measure_steps(place: Place, case: tuple[str, int, float], logits: Tensor, mask: Tensor) -> list[Row]:
    """Return rows for draft trees of eight nodes each (where there are as many rows), and for automata."""
    rows, device = len(logits), place.device
    random = np.random.default_rng(0)
    found = []
    whole = torch.arange(rows, device=device)
    states, classes, count = 1000, 200, 1
    transitions = torch.from_numpy(random.integers(0, states, (states, classes)).astype(np.int32)).to(device)
    token_class = torch.from_numpy(random.integers(0, classes, place.width).astype(np.int32)).to(device)
    table = torch.from_numpy(random.integers(0, states, (states, count)).astype(np.int32)).to(device)

    begun = whole % states

    def step() -> object:
        return advance(begun, whole, transitions, token_class, None, table)

    found.append(Row("step", "advance", *case, *microseconds(place, step, lambda: None), 0.0, 0.0, True))
    if rows % 8 == 0:
        parents = torch.tensor([-1, 0, 1, 2, 0, 4, 1, 6], device=device).repeat(rows // 8)
        counts = [8] * (rows // 8)
        floor = copied(place, logits.numel() * logits.element_size() + 4 * mask.numel())

        def tree() -> object:
            return sample_tree(logits, whole, parents, counts, mask)

        took = microseconds(place, tree, lambda: None)
        found.append(Row("tree", "sample_tree", *case, *took, floor, 0.0, True))
    return found


# --- times ------------------------------------------------------------------------------------------------


def microseconds(
    place: Place, run: Callable[[], object], before: Callable[[], object]
) -> tuple[float, float]:
    """Return the median times of `run` on the device and on the host. `before` runs ahead of each, and then
    the caches are swept."""
    is_gpu = place.device.type == "cuda"
    wait: Callable[[], object] = torch.cuda.synchronize if is_gpu else lambda: None
    calls, times = [], []
    for _ in range(3 if is_gpu else 0):
        before()
        run()
    for _ in range(place.runs):
        before()
        wait()
        began = time.perf_counter()
        run()
        calls.append(1e6 * (time.perf_counter() - began))
    if not is_gpu:
        return statistics.median(calls), statistics.median(calls)
    sweep = torch.empty(256 << 20, dtype=torch.int8, device=place.device)
    for _ in range(place.runs):
        before()
        sweep.zero_()
        # so all launches that follow are there before the first of them runs
        torch.cuda._sleep(ASLEEP)
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        run()
        end.record()
        end.synchronize()
        times.append(1000 * start.elapsed_time(end))
    return statistics.median(times), statistics.median(calls)


def copied(place: Place, count: int) -> float:
    """Return the microseconds of a copy that moves `count` bytes, half of them read and half written."""
    source = torch.empty(max(1, count // 2), dtype=torch.int8, device=place.device)
    target = torch.empty_like(source)
    return microseconds(place, lambda: target.copy_(source), lambda: None)[0]


def moved(place: Place, mask: Tensor, size: int) -> int:
    """Return the bytes that masking in place moves for elements of `size` bytes."""
    each = SECTOR // size
    bits = np.unpackbits(mask.cpu().numpy().view(np.uint8), axis=1, bitorder="little")
    bits = bits[:, : place.width // each * each]
    kept = bits.reshape(len(bits), -1, each).sum(-1, dtype=np.uint8)
    whole, part = int((kept == 0).sum()), int(((kept > 0) & (kept < each)).sum())
    return mask.numel() * 4 + SECTOR * (whole + 2 * part)


if __name__ == "__main__":
    sys.exit(main())
