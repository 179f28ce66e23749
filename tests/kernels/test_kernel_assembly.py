"""The Triton kernels compiled for an A100 (sm_80) and an H100 (sm_90), which need not be there: logits are
read and written 16 bytes at a time, and nothing spills to local memory.

Each test calls a launcher, so what is compiled is what a launch would compile for these arguments.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch: pip install 'structgen-toolkit[triton]'")
pytest.importorskip("triton", reason="needs triton: pip install 'structgen-toolkit[triton]'")
if os.environ.get("TRITON_INTERPRET") == "1":
    pytest.skip("a process that interprets cannot compile", allow_module_level=True)

from compiled_kernels import Compiled, empty, launched, told_launches  # noqa: E402
from structgen_kernels import (  # noqa: E402
    advance,
    apply_mask_,
    apply_store_mask_,
    masked_sample,
    sample_tree,
    sampling,
)
from structgen_kernels.launching import outline_of  # noqa: E402
from structgen_kernels.reference import TILE  # noqa: E402
from structgen_kernels.triton_masking import TILE as MASKED  # noqa: E402
from structgen_kernels.triton_sampling import COLUMNS, GROUP, SUMS_WARPS  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:TRITON_DEFAULT_FP_FUSION")

ROWS, WIDTH = 256, 128_256
"""A batch, and the vocabulary of Llama 3: its rows of bfloat16 and of mask bytes begin at multiples of 16."""
WHOLE = "v4.b32"
"""An access of 16 bytes."""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile anew: what Triton kept in the user's folder may be of other sources."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "triton"))


def logits_of(dtype: torch.dtype) -> torch.Tensor:
    return empty(ROWS, WIDTH, dtype=dtype)


def words(rows: int = ROWS) -> torch.Tensor:
    return empty(rows, WIDTH // 32, dtype=torch.int32)


def check_memory(made: Compiled, registers: int = 128, stack: int = 0) -> None:
    # registers that spill are counted as stack
    assert made.usage["LOCAL"] == 0 and made.usage["STACK"] <= stack and ".local" not in made.ptx
    # a multiprocessor has 65,536 registers: with 128, four programs of 128 threads have room on it
    assert 0 < made.usage["REG"] <= registers


@pytest.mark.parametrize(
    ("arch", "dtype", "united"),
    [
        (80, torch.bfloat16, 0),
        (90, torch.float16, 0),
        (90, torch.float32, 0),
        (80, torch.float32, 8),
        (90, torch.bfloat16, 8),
    ],
    ids=str,
)
@pytest.mark.parametrize("some_rows", [False, True], ids=["all rows", "some rows"])
def test_masking_reads_and_writes_16_bytes_at_a_time(
    arch: int, dtype: torch.dtype, united: int, some_rows: bool, tmp_path: Path
) -> None:
    rows = torch.arange(ROWS) if some_rows else None
    logits = logits_of(dtype)
    if united:
        indices = torch.zeros(ROWS, united, dtype=torch.int32)
        made = launched(
            arch, tmp_path, lambda: apply_store_mask_(logits, words(5000), indices, words(3), rows)
        )["mask_kernel"]
    else:
        made = launched(arch, tmp_path, lambda: apply_mask_(logits, words(), rows))["mask_kernel"]
    check_memory(made)
    # each of the 128 threads has its share of the tile in accesses of 16 bytes; nothing else is written
    shares = MASKED * dtype.itemsize // 16 // 128
    assert made.accesses("st.global") == [WHOLE] * shares
    assert made.accesses("ld.global").count(WHOLE) == shares
    # the mask is read in words, not bit by bit: one for each thread and row, beside the row's index
    others = [width for width in made.accesses("ld.global") if width != WHOLE]
    assert set(others) <= {"b32", "b64"} and len(others) <= max(1, 2 * united) + some_rows


@pytest.mark.parametrize(
    ("arch", "dtype"), [(80, torch.bfloat16), (90, torch.bfloat16), (90, torch.float32)], ids=str
)
def test_a_draw_reads_each_logit_once_in_16_bytes_and_then_two_tiles(
    arch: int, dtype: torch.dtype, tmp_path: Path
) -> None:
    options = {
        name: torch.ones(ROWS, dtype=kind)
        for name, kind in (
            ("temperature", torch.float64),
            ("seed", torch.int64),
            ("position", torch.int64),
        )
    }
    made = launched(arch, tmp_path, lambda: masked_sample(logits_of(dtype), words(), **options))
    assert list(made) == ["tile_sums", "draw_token"]
    sums, draw = made["tile_sums"], made["draw_token"]
    check_memory(sums, registers=80)  # three programs of 256 threads
    shares = GROUP * TILE * dtype.itemsize // 16 // (32 * SUMS_WARPS)
    assert sums.accesses("ld.global").count(WHOLE) == shares
    assert len(sums.accesses("ld.global")) == shares + 2  # the mask and the temperature, too
    assert len(sums.accesses("st.global")) == COLUMNS
    check_memory(draw)
    # the tile of the likeliest token, and the tile that is drawn
    assert draw.accesses("ld.global").count(WHOLE) == 2 * TILE * dtype.itemsize // 16 // 128
    assert len(draw.accesses("st.global")) == 6


@pytest.mark.parametrize(("arch", "united"), [(80, 2), (90, 8)])
def test_filters_use_no_local_memory(arch: int, united: int, tmp_path: Path) -> None:
    indices = torch.zeros(ROWS, united, dtype=torch.int32)
    made = launched(
        arch,
        tmp_path,
        lambda: masked_sample(
            logits_of(torch.bfloat16), store=words(5000), indices=indices, top_k=50, top_p=0.9, min_p=0.1
        ),
    )
    assert list(made) == ["tile_sums", "find_threshold", "draw_token"]
    check_memory(made["tile_sums"])
    check_memory(made["find_threshold"])
    # for unions of eight rows Triton 3.6 lets two registers spill on sm_90
    check_memory(made["draw_token"], registers=168, stack=united)


def test_min_p_alone_needs_no_threshold_and_so_one_read_less(tmp_path: Path) -> None:
    made = launched(90, tmp_path, lambda: masked_sample(logits_of(torch.float16), min_p=0.1))
    assert list(made) == ["tile_sums", "draw_token"]
    for kernel in made.values():
        check_memory(kernel)


def test_trees_and_automata_use_no_local_memory(tmp_path: Path) -> None:
    nodes = torch.zeros(ROWS, dtype=torch.int32)
    made = launched(
        90, tmp_path, lambda: sample_tree(logits_of(torch.bfloat16), nodes, nodes, [8] * (ROWS // 8), words())
    )
    assert list(made) == ["place_kernel", "tile_sums", "draw_token", "verify_kernel"]
    table, classes = torch.zeros(900, 77, dtype=torch.int32), torch.zeros(2, WIDTH, dtype=torch.int32)
    rows = torch.zeros(900, 2, dtype=torch.int32)
    made |= launched(80, tmp_path, lambda: advance(nodes, nodes, table, classes, nodes, rows))
    for kernel in made.values():
        check_memory(kernel)


def test_kernels_compile_for_a_single_line(tmp_path: Path) -> None:
    """A batch of one, or a vocabulary of one, makes constants of several arguments."""
    one, bit = torch.zeros(1, 1), torch.zeros(1, 1, dtype=torch.int32)
    launched(90, tmp_path, lambda: apply_store_mask_(one, bit, bit, bit, rows=[0]))
    launched(
        90, tmp_path, lambda: masked_sample(one, store=bit, indices=bit, overlays=bit, top_k=1, min_p=1.0)
    )
    launched(90, tmp_path, lambda: sample_tree(one, bit[0], bit[0] - 1, [1]))
    launched(90, tmp_path, lambda: advance(bit[0], bit[0], bit, bit, bit[0], bit))


def of_random_sizes(random: np.random.Generator) -> list[tuple[Any, ...]]:
    """Return arguments of `masked_sample`, by their order in an outline: views of a few sizes."""
    rows, width, skip = (
        int(random.integers(1, 4)),
        int(random.choice([16, 33, 64])),
        int(random.integers(0, 3)),
    )
    words = -(-width // 32)
    options = [torch.ones(6, dtype=torch.float64)[skip : skip + rows] for _ in range(4)]
    numbers = [torch.ones(6, dtype=torch.int64)[skip:][:rows] for _ in range(3)]
    filters = [one if random.random() < 0.5 else None for one in (numbers[0], options[1], options[2])]
    is_stored = bool(random.random() < 0.3)
    mask = torch.zeros(rows, words + 2, dtype=torch.int32)[:, skip : skip + words]
    return [
        torch.zeros(rows, width + 9, dtype=torch.bfloat16)[:, skip : skip + width],
        None,
        None if is_stored else mask,
        mask if is_stored else None,
        torch.zeros(rows, 2, dtype=torch.int32) if is_stored else None,
        None,
        options[0],
        *filters,
        numbers[1],
        numbers[2],
    ]


def test_calls_of_one_outline_launch_the_same_kernels_with_arguments_in_the_same_places() -> None:
    """What Triton specialises a kernel for is a function of the outline, as is what stands in each place."""
    random = np.random.default_rng(0)
    seen: dict[Any, list[Any]] = {}
    again = 0
    with told_launches() as told:
        for step in range(400):
            given = of_random_sizes(np.random.default_rng(random.integers(100)))
            outline = outline_of(*given)
            if step < 200:  # no outline is known: Triton looks at all arguments
                sampling._PLANS = sampling.Plans()
            told.clear()
            masked_sample(
                given[0],
                given[2],
                store=given[3],
                indices=given[4],
                temperature=given[6],
                top_k=given[7],
                top_p=given[8],
                min_p=given[9],
                seed=given[10],
                position=given[11],
            )
            first = seen.setdefault(outline, [None, None])
            for at, found in enumerate(
                ([one[:2] for one in told if one[1] is not None], [(one[0], shapes(one[2])) for one in told])
            ):
                if found:
                    first[at] = first[at] or found
                    assert first[at] == found
            again += any(one[1] is None for one in told)
    assert again > 50 and len(seen) > 50


def shapes(given: Any) -> Any:
    """Return what stands in each place: numbers as they are, tensors by type and shape."""
    if isinstance(given, torch.Tensor):
        return given.dtype, given.shape
    return tuple(map(shapes, given)) if isinstance(given, tuple | list) else given


def test_a_second_call_checks_nothing_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is what costs most where a launch takes microseconds."""
    calls: list[str] = []
    monkeypatch.setattr(sampling, "check_mask", lambda *given: calls.append("mask"))
    monkeypatch.setattr(sampling, "check_logits", lambda *given: calls.append("logits"))
    heat, key = torch.ones(4, dtype=torch.float64), torch.zeros(4, dtype=torch.int64)
    with told_launches() as told:
        for _ in range(3):
            masked_sample(
                empty(4, 64, dtype=torch.float32),
                empty(4, 2, dtype=torch.int32),
                temperature=heat,
                seed=key,
                position=key,
            )
        # options of another type are converted at each call
        for _ in range(2):
            masked_sample(empty(4, 64, dtype=torch.float32), seed=key, position=key)
    assert calls == ["logits", "mask", "logits", "logits"]
    assert [one[0] for one in told] == ["tile_sums", "draw_token"] * 5


def test_a_batch_of_any_size_is_drawn_by_the_same_kernels() -> None:
    """Compiling takes a second, in the midst of serving."""
    with told_launches() as told:
        for lines in (1, 2, 3, 8, 16, 17):
            sent = torch.zeros(3, lines, dtype=torch.int64)
            masked_sample(
                empty(lines, 4096, dtype=torch.bfloat16),
                empty(lines, 128, dtype=torch.int32),
                temperature=sent[0].view(torch.float64),
                seed=sent[1],
                position=sent[2],
            )
    assert len(told) == 12
    assert len({(name, repr(special)) for name, special, _ in told}) == 2
