"""Texts that share slabs or pages come and go, grow and are copied, and none feels another."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from small_models import write_llama  # noqa: E402

from structgen.engine.forward_pass import slab_attention, torch_pass  # noqa: E402
from structgen.engine.forward_pass.compiled_pass import CompiledPass  # noqa: E402
from structgen.engine.forward_pass.key_value_slabs import COLUMNS  # noqa: E402
from structgen.engine.forward_pass.llama import Llama  # noqa: E402
from structgen.engine.forward_pass.torch_pass import TorchPass  # noqa: E402
from structgen.engine.forward_pass.weights import Weights  # noqa: E402

CPU, KIND = torch.device("cpu"), torch.float32


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_llama(tmp_path_factory.mktemp("llama"), width=192, groups=3)


def _alone(folder: Path, text: list[int], start: int) -> torch.Tensor:
    model = Llama.read(folder, CPU, KIND)
    logits, cache = model.prefill(text[:start])
    found = [logits]
    for token in text[start:]:
        found.append(model.decode([token], [cache])[0])
    return torch.stack(found)


@pytest.fixture
def by_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have models run by operations of torch, over slabs."""
    monkeypatch.setattr(CompiledPass, "serves", staticmethod(lambda weights: False))


@pytest.fixture(params=["pages", "slabs", pytest.param("2_threads", marks=pytest.mark.slow)])
def each(request: pytest.FixtureRequest) -> Iterator[None]:
    """For tests of models over slabs, and over pages by one thread and two."""
    if request.param == "slabs":
        request.getfixturevalue("by_torch")
    before = torch.get_num_threads()
    torch.set_num_threads(2 if request.param == "2_threads" else 1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("each")
def test_texts_are_bit_by_bit_the_same_among_others_that_come_go_and_grow(folder: Path) -> None:
    draw = random.Random(1)
    model = Llama.read(folder, CPU, KIND)
    going: list[tuple[list[int], int, object, list[torch.Tensor]]] = []
    done = []
    for _ in range(45):
        while len(going) < draw.randrange(2, 12):
            start = draw.choice([1, 5, COLUMNS - 2, COLUMNS - 1, COLUMNS, COLUMNS + 1])
            text = [draw.randrange(500) for _ in range(start)]
            logits, cache = model.prefill(text)
            going.append((text, start, cache, [logits]))
        if draw.random() < 0.3:
            done.append(going.pop(draw.randrange(len(going))))
        if draw.random() < 0.2 and going:
            text, start, cache, found = draw.choice(going)
            going.append((list(text), start, cache.copy(), list(found)))  # type: ignore[attr-defined]
        # not all of them take part in each step, and in any order
        part = draw.sample(going, draw.randrange(1, len(going) + 1)) if going else []
        if part:
            tokens = [draw.randrange(500) for _ in part]
            logits = model.decode(tokens, [cache for _, _, cache, _ in part])  # type: ignore[misc]
            for (text, _, _, found), token, row in zip(part, tokens, logits, strict=True):
                text.append(token)
                found.append(row)
    texts = done + going
    assert max(len(text) for text, *_ in texts) > COLUMNS + 10
    for text, start, _, found in texts:
        assert torch.equal(torch.stack(found), _alone(folder, text, start))


@pytest.mark.usefixtures("by_torch")
def test_the_memory_of_texts_that_are_gone_is_given_back(folder: Path) -> None:
    model = Llama.read(folder, CPU, KIND)
    caches = [model.prefill([1, 2, 3])[1] for _ in range(40)]
    (slab,) = model._pass.slabs
    most = slab.held.nbytes
    del caches[2:]
    model.decode([1, 2], caches)
    (slab,) = model._pass.slabs
    assert len(slab.owners) == 2 and slab.held.nbytes <= most / 8
    del caches
    model.prefill([1] * (2 * COLUMNS))
    assert [slab.held.shape[4] for slab in model._pass.slabs] == [3 * COLUMNS]


@pytest.mark.usefixtures("by_torch")
def test_what_is_no_number_does_not_outlive_its_text(folder: Path) -> None:
    model = Llama.read(folder, CPU, KIND)
    _, bad = model.prefill([1, 2, 3])
    (slab,) = model._pass.slabs
    with torch.inference_mode():
        slab.held.fill_(float("nan"))
    del bad, slab
    _, cache = model.prefill([4])
    assert torch.isfinite(model.decode([5], [cache])).all()


def test_numbers_of_rows_whose_products_differ_are_not_used(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch_pass, "_agree", lambda weight, rows: rows != 32)
    assert TorchPass(Weights.read(folder, CPU, KIND))._batch_invariant().rows == (4, 8, 16, 64, 256, 1024)


@pytest.mark.parametrize("groups", [1, 3])
def test_both_ways_to_attend_give_the_same(groups: int) -> None:
    random = torch.Generator().manual_seed(1)
    q, k, v = (torch.randn(5, *shape, 64, generator=random) for shape in ((3, 1), (groups, 70), (groups, 70)))
    mask = torch.zeros(5, 1, 1, 70)
    mask[2, :, :, 40:] = -torch.inf
    fused, parts = slab_attention.fused(q, k, v, mask), slab_attention.in_parts(q, k, v, mask)
    assert torch.allclose(fused, parts, atol=1e-6)
    # texts are kept apart to the bit, by any number of threads
    for threads in (1, 2):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            found = slab_attention.in_parts(q, k, v, mask)
            alone = [slab_attention.in_parts(*(one[i : i + 1] for one in (q, k, v, mask))) for i in range(5)]
        finally:
            torch.set_num_threads(before)
        assert torch.equal(torch.cat(alone), found)
