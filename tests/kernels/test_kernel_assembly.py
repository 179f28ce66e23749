"""The Triton kernels compiled for an A100 (sm_80) and an H100 (sm_90), which need not be there: logits are
read and written 16 bytes at a time, and nothing spills to local memory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs torch: pip install 'structgen-toolkit[triton]'")
pytest.importorskip("triton", reason="needs triton: pip install 'structgen-toolkit[triton]'")
if os.environ.get("TRITON_INTERPRET") == "1":
    pytest.skip("a process that interprets cannot compile", allow_module_level=True)

from compiled_kernels import WIDTH, Compiled, compiled, integers_of, layout  # noqa: E402
from structgen_kernels import reference, triton_automata, triton_masking, triton_sampling, triton_trees  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:TRITON_DEFAULT_FP_FUSION")

SAMPLING = {
    "temperatures": "*fp64",
    "sums": "*fp32",
    "lines": 256,
    "tiles": 126,
    "HAS_MASK": True,
    "TILE": reference.TILE,
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile anew: what Triton kept in the user's folder may be of other sources."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "triton"))


def check_memory(made: Compiled) -> None:
    # registers that spill are counted as stack
    assert made.usage["LOCAL"] == made.usage["STACK"] == 0 and ".local" not in made.ptx
    # fewer registers than would leave an SM with under four programs of 128 threads
    assert 0 < made.usage["REG"] <= 128


@pytest.mark.parametrize(
    ("arch", "dtype", "rows"),
    [
        (80, torch.bfloat16, 0),
        (80, torch.float32, 8),
        (90, torch.float16, 0),
        (90, torch.bfloat16, 8),
        (90, torch.float32, 0),
    ],
    ids=str,
)
@pytest.mark.parametrize("has_rows", [False, True])
def test_masking_reads_and_writes_16_bytes_at_a_time(
    arch: int, dtype: torch.dtype, rows: int, has_rows: bool, tmp_path: Path
) -> None:
    pointer, never = integers_of(dtype)
    tile = triton_masking.TILE
    made = compiled(
        triton_masking.mask_kernel,
        arch,
        tmp_path,
        logits=pointer,
        tiles=-(-WIDTH // tile),
        NEVER=never,
        TILE=tile,
        **layout(rows, has_rows),
    )
    check_memory(made)
    # each of the 128 threads has its share of the tile in accesses of 16 bytes; nothing else is written
    shares = tile * dtype.itemsize // 16 // 128
    assert made.accesses("st.global") == ["v4.b32"] * shares
    assert made.accesses("ld.global").count("v4.b32") == shares
    # the mask is read in words, not bit by bit: one a thread and row
    others = [width for width in made.accesses("ld.global") if width != "v4.b32"]
    assert set(others) <= {"b32", "b64"} and len(others) <= max(1, 2 * rows) + 1


@pytest.mark.parametrize(("arch", "pointer", "size"), [(80, "*bf16", 2), (90, "*bf16", 2), (90, "*fp32", 4)])
def test_sums_read_each_logit_once_in_16_bytes(arch: int, pointer: str, size: int, tmp_path: Path) -> None:
    made = compiled(
        triton_sampling.tile_sums,
        arch,
        tmp_path,
        logits=pointer,
        groups=32,
        GROUP=triton_sampling.GROUP,
        **SAMPLING,
        **layout(),
    )
    check_memory(made)
    shares = triton_sampling.GROUP * reference.TILE * size // 16 // 128
    assert made.accesses("ld.global").count("v4.b32") == shares
    assert len(made.accesses("ld.global")) == shares + 2  # and the mask, and the temperature
    assert len(made.accesses("st.global")) == triton_sampling.COLUMNS


@pytest.mark.parametrize(("arch", "is_filtered"), [(80, True), (90, False), (90, True)])
def test_the_draw_uses_no_local_memory(arch: int, is_filtered: bool, tmp_path: Path) -> None:
    made = compiled(
        triton_sampling.draw_token,
        arch,
        tmp_path,
        logits="*bf16",
        min_ps="*fp64",
        seeds="*i64",
        positions="*i64",
        thresholds="*fp32",
        ties="*i32",
        drawn="*i64",
        log_z="*fp64",
        log_z_allowed="*fp64",
        IS_FILTERED=is_filtered,
        TILES=128,
        **SAMPLING,
        **layout(),
    )
    check_memory(made)
    assert made.accesses("ld.global").count("v4.b32") == (2 if is_filtered else 1)


@pytest.mark.parametrize(("arch", "pointer", "rows"), [(80, "*bf16", 2), (90, "*fp32", 8)])
def test_thresholds_use_no_local_memory(arch: int, pointer: str, rows: int, tmp_path: Path) -> None:
    check_memory(
        compiled(
            triton_sampling.find_threshold,
            arch,
            tmp_path,
            triton_sampling.THRESHOLD_WARPS,
            logits=pointer,
            top_ks="*i64",
            top_ps="*fp64",
            min_ps="*fp64",
            thresholds="*fp32",
            ties="*i32",
            candidates="*fp32",
            first_line=0,
            TILES=128,
            **SAMPLING,
            **layout(rows),
        )
    )


def test_verification_and_automata_use_no_local_memory(tmp_path: Path) -> None:
    check_memory(
        compiled(
            triton_trees.verify_kernel,
            90,
            tmp_path,
            sampled="*i64",
            tokens="*i32",
            parents="*i32",
            starts="*i64",
            paths="*i32",
            lengths="*i32",
            last="*i64",
            most=64,
            NODES=64,
        )
    )
    check_memory(
        compiled(
            triton_automata.advance_kernel,
            90,
            tmp_path,
            states="*i32",
            tokens="*i64",
            transitions="*i32",
            token_class="*i32",
            automata="*i64",
            state_rows="*i32",
            after="*i32",
            indices="*i32",
            lines=256,
            length=1,
            state_count=900,
            class_count=77,
            automaton_count=2,
            width=WIDTH,
            row_count=900,
            line_stride=1,
            step_stride=1,
            HAS_AUTOMATA=True,
            ROWS=2,
            BLOCK=128,
        )
    )


def test_kernels_compile_for_a_single_line(tmp_path: Path) -> None:
    """A batch of one makes constants of several arguments, which have other methods than numbers."""
    one = dict(layout(1, True), logit_rows=1, width=1, store_rows=1, overlay_rows=1, row_stride=1)
    sampling = dict(SAMPLING, lines=1, tiles=1)
    compiled(triton_sampling.tile_sums, 90, tmp_path, logits="*fp16", groups=1, GROUP=4, **sampling, **one)
    options = {"min_ps": "*fp64", "thresholds": "*fp32", "ties": "*i32", "TILES": 1}
    compiled(
        triton_sampling.find_threshold,
        90,
        tmp_path,
        logits="*fp16",
        top_ks="*i64",
        top_ps="*fp64",
        candidates="*fp32",
        first_line=1,
        **options,
        **sampling,
        **one,
    )
    compiled(
        triton_sampling.draw_token,
        90,
        tmp_path,
        logits="*fp64",
        seeds="*i64",
        positions="*i64",
        drawn="*i64",
        log_z="*fp64",
        log_z_allowed="*fp64",
        IS_FILTERED=True,
        **options,
        **sampling,
        **one,
    )
