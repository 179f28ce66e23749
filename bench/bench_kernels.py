"""Masking and sampling kernels on one GPU: microseconds beside the memory floor and the peers.

    python bench/bench_kernels.py                      the whole table
    python bench/bench_kernels.py --rows 256 --quick   one batch size, fewer runs

The floor of a case is the time of a copy on the same GPU, in the same run, that moves as many bytes: for
masking the mask, the 32-byte sectors that are written whole, and twice those of which a part stays; for
sampling one read of logits and mask. Peers that are not installed are left out, and said to be. Every run
masks logits that were restored before it; restoring is not timed, and the caches are swept in between.
Prints tables, and writes bench/results/kernels-DATE.csv. Without a GPU it says so and measures nothing.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from structgen_kernels import apply_mask_, apply_store_mask_, masked_sample
from torch import Tensor

WIDTH = 128_256
ALLOWED = 0.001, 0.5, 0.999
SECTOR = 32
DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="*", default=[1, 8, 64, 256, 1024])
    parser.add_argument("--dtypes", nargs="*", choices=[*DTYPES], default=[*DTYPES])
    parser.add_argument("--quick", action="store_true", help="20 runs of each instead of 200")
    options = parser.parse_args(argv)
    if not torch.cuda.is_available():
        print("not measured: torch sees no GPU here")
        return 0
    runs = 20 if options.quick else 200
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, V = {WIDTH:,}, medians of {runs} runs")
    peers = masking_peers()
    found: list[dict[str, object]] = []
    for name in options.dtypes:
        for rows in options.rows:
            logits = 4 * torch.randn(rows, WIDTH, device="cuda", dtype=torch.float32)
            logits = logits.to(DTYPES[name])
            for share in ALLOWED:
                mask = random_mask(rows, share)
                case = {"dtype": name, "rows": rows, "allowed": share}
                found += measure_masking(case, logits, mask, peers, runs)
                found += measure_sampling(case, logits, mask, runs)
            del logits
    write(found)
    return 0


def random_mask(rows: int, share: float) -> Tensor:
    """Return an int32 mask [rows, words] on the GPU of which a random share of the bits is set."""
    random = np.random.default_rng(0)
    bits = random.random((rows, WIDTH), dtype=np.float32) < share
    packed = np.packbits(bits, axis=1, bitorder="little")
    return torch.from_numpy(packed.view(np.int32).copy()).cuda()


def masking_peers() -> dict[str, Callable[[Tensor, Tensor], object]]:
    """Return the peers' functions that mask in place, by name."""
    peers: dict[str, Callable[[Tensor, Tensor], object]] = {"masked_fill_": plain}
    try:
        from xgrammar.kernels.apply_token_bitmask_inplace_triton import apply_token_bitmask_inplace_triton

        peers["xgrammar (Triton)"] = apply_token_bitmask_inplace_triton
    except (ImportError, RuntimeError) as error:
        print(f"left out: xgrammar's kernel ({error})")
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


def median_microseconds(run: Callable[[], object], before: Callable[[], object], runs: int) -> float:
    """Return the median time of `run` on the GPU. `before` runs ahead of each, and 256 MB are swept through
    the cache in between, so that the logits come from memory."""
    sweep = torch.empty(256 << 20, dtype=torch.int8, device="cuda")
    for _ in range(3):
        before()
        run()
    times = []
    for _ in range(runs):
        before()
        sweep.zero_()
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        run()
        end.record()
        end.synchronize()
        times.append(1000 * start.elapsed_time(end))
    return statistics.median(times)


def copied(count: int, runs: int) -> float:
    """Return the microseconds of a copy that moves `count` bytes, half of them read and half written."""
    source = torch.empty(max(1, count // 2), dtype=torch.int8, device="cuda")
    target = torch.empty_like(source)
    return median_microseconds(lambda: target.copy_(source), lambda: None, runs)


def moved(mask: Tensor, size: int) -> int:
    """Return the bytes that masking in place moves for elements of `size` bytes."""
    bits = np.unpackbits(mask.cpu().numpy().view(np.uint8), axis=1, bitorder="little")[:, :WIDTH]
    kept = bits.reshape(len(bits), -1, SECTOR // size).sum(-1)
    whole, part = int((kept == 0).sum()), int(((kept > 0) & (kept < SECTOR // size)).sum())
    return mask.numel() * 4 + SECTOR * (whole + 2 * part)


def measure_masking(
    case: dict[str, object],
    logits: Tensor,
    mask: Tensor,
    peers: dict[str, Callable[[Tensor, Tensor], object]],
    runs: int,
) -> list[dict[str, object]]:
    work = logits.clone()

    def restore() -> object:
        return work.copy_(logits)

    floor = copied(moved(mask, logits.element_size()), runs)
    index = torch.arange(len(mask), dtype=torch.int32, device="cuda")[:, None]
    ways: dict[str, Callable[[], object]] = {
        "apply_mask_": lambda: apply_mask_(work, mask),
        "apply_store_mask_": lambda: apply_store_mask_(work, mask, index),
    }
    for name, peer in peers.items():
        ways[name] = lambda peer=peer: peer(work, mask)
    restore()
    expected = plain(work, mask).clone()
    found = []
    for name, run in ways.items():
        restore()
        run()
        right = torch.equal(work.nan_to_num(), expected.nan_to_num())
        found.append(said(case, "mask", name, median_microseconds(run, restore, runs), floor, right))
    return found


def measure_sampling(
    case: dict[str, object], logits: Tensor, mask: Tensor, runs: int
) -> list[dict[str, object]]:
    floor = copied(logits.numel() * logits.element_size() + 4 * mask.numel(), runs)
    rows = len(logits)
    heat = torch.full((rows,), 0.8, dtype=torch.float64, device="cuda")
    zeros, ones = torch.zeros_like(heat), torch.ones_like(heat)
    whole = torch.zeros(rows, dtype=torch.int64, device="cuda")

    def chain() -> object:
        scores = plain(logits.clone(), mask).float() / 0.8
        return torch.multinomial(torch.softmax(scores, -1), 1)

    def ours() -> object:
        return masked_sample(logits, mask, temperature=heat, seed=whole, position=whole)

    def filtered() -> object:
        return masked_sample(
            logits,
            mask,
            temperature=heat,
            seed=whole,
            position=whole,
            top_k=whole + 50,
            top_p=ones * 0.95,
            min_p=zeros,
        )

    ways = {"masked_sample": ours, "masked_sample, filters": filtered, "mask, softmax, multinomial": chain}
    found = []
    for name, run in ways.items():
        found.append(said(case, "sample", name, median_microseconds(run, lambda: None, runs), floor, True))
    return found


def said(
    case: dict[str, object], what: str, name: str, time: float, floor: float, right: bool
) -> dict[str, object]:
    """Print a line of the table, and return it as a row of the file."""
    print(
        f"{case['dtype']:>9} B={case['rows']:<5} {100 * float(str(case['allowed'])):5.1f} % allowed "
        f" {what:6} "
        f"{name:28} {time:9.1f} us  {time / floor:6.2f}x of {floor:.1f} us{'' if right else '  WRONG'}"
    )
    return {**case, "what": what, "by": name, "us": f"{time:.2f}", "floor_us": f"{floor:.2f}", "right": right}


def write(found: list[dict[str, object]]) -> None:
    path = Path(__file__).parent / "results" / f"kernels-{datetime.date.today()}.csv"
    with path.open("w", newline="") as file:
        rows = [{**row, "device": torch.cuda.get_device_name(), "torch": torch.__version__} for row in found]
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    print(f"written: {path}")


if __name__ == "__main__":
    sys.exit(main())
