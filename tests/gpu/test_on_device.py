"""The engine, models of transformers, draft trees, infilling, the logits processor and the kernels give on a
GPU what they give on the CPU.

`pytest -m gpu` runs these on a GPU. Each test runs on the CPU, too, in `make test`: then both sides are the
CPU's, and what is tested is that the test itself works.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
sys.path.append(str(Path(__file__).parents[1] / "decoding" / "engine"))
import structgen_kernels  # noqa: E402
from request_kinds import DATES, PERSON, TOKENIZER, Wide, requests  # noqa: E402
from small_models import write_llama  # noqa: E402
from structgen_kernels import reference  # noqa: E402

import structgen as sg  # noqa: E402

CPU = torch.device("cpu")


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """The models are tiny: a second thread would only wait."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _device(name: str) -> Any:
    if name == "cuda" and not torch.cuda.is_available():
        pytest.skip("torch has no CUDA device here (torch.cuda.is_available() is False)")
    return torch.device(name)


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> Any:
    return _device(request.param)


@pytest.fixture(
    params=[pytest.param("cpu", marks=pytest.mark.slow), pytest.param("cuda", marks=pytest.mark.gpu)]
)
def device_of_slow_test(request: pytest.FixtureRequest) -> Any:
    """A test that reads models by transformers takes seconds: on the CPU it is for `make test-all`."""
    return _device(request.param)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_llama(tmp_path_factory.mktemp("gpu") / "llama", width=128, groups=1)


class Elsewhere(Wide):
    """A function of the text, worked out on the CPU, whose logits lie on a device."""

    def __init__(self, device: Any) -> None:
        super().__init__()
        self._device = device

    def logits(self, tokens: Any) -> Any:
        return super().logits(tokens).to(self._device)


def test_an_engine_writes_what_one_on_the_cpu_writes(device: Any) -> None:
    """Requests of all kinds, thoughts and drafts among them; logits are equal to the bit."""
    there, here = (
        sg.Engine(Elsewhere(where), TOKENIZER, max_rows=5).generate(requests(7)) for where in (device, CPU)
    )
    assert [(one.tokens, one.thoughts) for one in there] == [(one.tokens, one.thoughts) for one in here]


def test_a_model_of_transformers_writes_what_it_writes_on_the_cpu(
    device_of_slow_test: Any, folder: Path
) -> None:
    transformers = pytest.importorskip("transformers")
    wanted = [
        sg.Request("a", PERSON, sg.Sampling(temperature=0.0), max_tokens=40),
        sg.Request(
            "b", None, sg.Sampling(temperature=0.0), max_tokens=12, thinking=sg.Thinking(max_tokens=4)
        ),
        sg.Request("c", DATES, sg.Sampling(temperature=0.0), max_tokens=40),
    ]
    found = []
    for where in (device_of_slow_test, CPU):
        model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).to(where)
        results = sg.Engine(model, TOKENIZER).generate(wanted)
        found.append([(result.thoughts, result.tokens) for result in results])
    assert found[0] == found[1]


def test_the_logits_processor_masks_on_a_device(device: Any) -> None:
    pytest.importorskip("transformers")
    from structgen.doors.integrations.transformers import LogitsProcessor

    prompt = torch.tensor([[1, 2], [3, 4]])
    scores = torch.randn(2, TOKENIZER.vocab_size + 5, generator=torch.Generator().manual_seed(0))
    there, here = (
        LogitsProcessor([DATES, None], TOKENIZER)(prompt.to(where), scores.to(where))
        for where in (device, CPU)
    )
    assert there.device.type == device.type and torch.equal(there.cpu(), here)


def test_generate_of_transformers_writes_texts_of_the_grammar_on_a_device(
    device_of_slow_test: Any, folder: Path
) -> None:
    """Random weights choose; sampled rows, greedy rows and beams, each of them complete within its tokens."""
    transformers = pytest.importorskip("transformers")
    from structgen.doors.integrations.transformers import LogitsProcessor

    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model = model.to(device_of_slow_test)
    ends = list(TOKENIZER.eos_token_ids)
    prompt = torch.tensor([[5, 6], [7, 8]], device=device_of_slow_test)
    for options in ({"do_sample": False}, {"do_sample": True, "temperature": 2.0}, {"num_beams": 2}):
        processor = LogitsProcessor([DATES, PERSON], TOKENIZER, max_new_tokens=60)
        written = model.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=60,
            eos_token_id=ends,
            pad_token_id=ends[0],
            logits_processor=[processor],
            **options,
        )
        dates, person = (
            TOKENIZER.decode([token for token in row if token not in ends]).decode()
            for row in written[:, 2:].tolist()
        )
        assert re.fullmatch(r"(on [0-9]{4}-[0-9]{2}-[0-9]{2}; ){1,3}", dates)
        assert {"name", "age"} <= json.loads(person).keys()


def test_a_template_is_filled_by_a_model_on_a_device(device: Any) -> None:
    transformers = pytest.importorskip("transformers")
    from structgen.decoding.infilling.presets import convention_of, transformers_model

    torch.manual_seed(3)
    config = transformers.BertConfig(
        vocab_size=TOKENIZER.vocab_size + 1,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    model = transformers.BertForMaskedLM(config).eval()
    convention = convention_of({"architectures": ["Own"]}, mask_id=TOKENIZER.vocab_size, shift=False)
    texts = []
    for where in (device, CPU):
        wrapped = transformers_model(model.to(where), convention)
        texts.append(sg.infill(wrapped, "on {day: /[0-9]{2}/, 4}!", tokenizer=TOKENIZER).text)
    assert texts[0] == texts[1] and re.fullmatch(r"on [0-9]{2}!", texts[0])


def test_the_kernels_give_what_their_twins_give(device: Any) -> None:
    random = torch.Generator().manual_seed(5)
    logits = 3 * torch.randn(6, 3000, generator=random)
    store = torch.randint(-(1 << 31), 1 << 31, (5, 94), generator=random).to(torch.int32)
    indices = torch.tensor([[0, -1], [1, 2], [3, 4], [4, -1], [-1, -1], [2, 0]], dtype=torch.int32)
    mask = reference.united(store, indices, None)
    masked = structgen_kernels.apply_mask_(logits.to(device), mask.to(device))
    assert torch.equal(masked.cpu(), reference.apply_mask_(logits.clone(), mask))
    united = structgen_kernels.apply_store_mask_(logits.to(device), store.to(device), indices.to(device))
    assert torch.equal(united.cpu(), masked.cpu())
    for options in ({}, {"top_k": 40, "top_p": 0.9, "min_p": 0.01}):
        there, here = (
            structgen_kernels.masked_sample(
                logits.to(where),
                store=store.to(where),
                indices=indices.to(where),
                seed=torch.arange(6),
                position=9,
                **options,
            )
            for where in (device, CPU)
        )
        assert there.tokens.tolist() == here.tokens.tolist() and there.tokens[4] == -1
        assert torch.allclose(there.log_z.cpu(), here.log_z, atol=1e-4)
        assert torch.allclose(there.log_z_allowed.cpu()[:4], here.log_z_allowed[:4], atol=1e-4)
    tokens, parents = torch.tensor([3, 7, 9, 5, 8]), torch.tensor([-1, 0, 0, 1, 1])
    sampled = torch.tensor([7, 8, 0, 0, 6])
    found = structgen_kernels.verify(sampled.to(device), tokens.to(device), parents.to(device), [5])
    assert found.paths.tolist() == [[0, 1, 4, -1, -1][: found.paths.shape[1]]] and found.tokens.tolist() == [
        6
    ]
    transitions = torch.tensor([[1, -1], [0, 1]], dtype=torch.int32)
    classes = torch.tensor([[0, 1, 1, 0]], dtype=torch.int32)
    moved = structgen_kernels.advance(
        torch.tensor([0, 1], dtype=torch.int32, device=device),
        torch.tensor([[0, 1], [2, 3]], device=device),
        transitions.to(device),
        classes.to(device),
    )
    assert moved.states.tolist() == [[1, 1], [1, 0]]


@pytest.mark.gpu
def test_a_draw_is_captured_in_a_graph() -> None:
    """Nothing that waits for the device can be captured. The graph draws anew from what its tensors hold."""
    device = _device("cuda")
    logits = torch.zeros(4, 3000, device=device)
    mask = torch.zeros(4, 94, dtype=torch.int32, device=device)
    options = {
        "temperature": torch.full((4,), 0.8, dtype=torch.float64, device=device),
        "seed": torch.arange(4, device=device),
        "position": torch.arange(4, device=device),
    }
    structgen_kernels.masked_sample(logits, mask, **options)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        drawn = structgen_kernels.masked_sample(logits, mask, **options)
    random = torch.Generator().manual_seed(3)
    for _ in range(3):
        raw = 3 * torch.randn(4, 3000, generator=random)
        bits = torch.randint(-(1 << 31), 1 << 31, (4, 94), generator=random).to(torch.int32)
        logits.copy_(raw)
        mask.copy_(bits)
        options["position"] += 1
        graph.replay()
        here = structgen_kernels.masked_sample(
            raw, bits, **{name: one.cpu() for name, one in options.items()}
        )
        assert drawn.tokens.tolist() == here.tokens.tolist()
