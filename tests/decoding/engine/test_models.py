"""Both models give what transformers gives for each text alone, whatever batch the text is in."""

from __future__ import annotations

import inspect
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from small_models import write_llama

import structgen as sg
from structgen.decoding.engine.forward_pass.llama import Llama
from structgen.decoding.engine.huggingface import HuggingFace
from structgen.decoding.engine.models import device_of, load_model
from structgen.errors import StructgenError

CPU, KIND = torch.device("cpu"), torch.float32
TEXTS = [[5, 9, 200, 31], [7], [300, 301, 302, 303, 304, 305, 306], [40, 41, 42]]
NEXT = [[11, 12, 13], [14, 15], [16, 17, 18], [19]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_llama(tmp_path_factory.mktemp("llama"), groups=1)


def _reference(folder: Path) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=KIND, local_files_only=True).eval()


def _by_transformers(folder: Path) -> HuggingFace:
    return HuggingFace.read_folder(folder, CPU, KIND)


@pytest.mark.parametrize("kind", [Llama.read_folder, _by_transformers], ids=["Llama", "HuggingFace"])
def test_logits_are_transformers_while_rows_come_and_go(folder: Path, kind: Any) -> None:
    model, reference = kind(folder), _reference(folder)
    begun = [model.prefill(text) for text in TEXTS]
    caches, written = [cache for _, cache in begun], [list(text) for text in TEXTS]
    found = [[logits] for logits, _ in begun]
    for step in range(3):
        going = [i for i in range(len(TEXTS)) if step < len(NEXT[i])]
        logits = model.decode([NEXT[i][step] for i in going], [caches[i] for i in going])
        for row, i in enumerate(going):
            written[i].append(NEXT[i][step])
            found[i].append(logits[row])
    for i, text in enumerate(written):
        with torch.inference_mode():
            expected = reference(torch.tensor([text])).logits[0, len(TEXTS[i]) - 1 :]
        assert torch.allclose(torch.stack(found[i]), expected, atol=2e-4)


def test_the_cache_goes_by_the_name_that_the_model_knows(folder: Path) -> None:
    """transformers warns of the name before 5.24; code that comes with weights may have no other."""
    reference = _reference(folder)

    class OfItsOwnCode(type(reference)):  # type: ignore[misc]
        def forward(self, input_ids: Any, past_key_values: Any = None, **others: Any) -> Any:
            known = inspect.signature(type(reference).forward).parameters
            name = "cache" if "cache" in known else "past_key_values"
            return super().forward(input_ids, **{name: past_key_values}, **others)

    for kind in (type(reference), OfItsOwnCode):
        model = HuggingFace(kind.from_pretrained(folder, dtype=KIND, local_files_only=True))
        with warnings.catch_warnings(action="error"):
            cache = model.prefill(TEXTS[0])[1]
            found = model.decode([11], [cache])
        expected = reference(torch.tensor([[*TEXTS[0], 11]])).logits[0, -1]
        assert torch.allclose(found[0], expected, atol=2e-4)


def test_after_a_pass_that_failed_new_texts_are_transformers(folder: Path) -> None:
    """What the pass had begun to write is no other text's."""
    model, reference = HuggingFace.read_folder(folder, CPU, KIND), _reference(folder)
    old = [model.prefill(text)[1] for text in TEXTS]
    model.decode([11, 14, 16, 19], old)

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    hook = model._model.register_forward_hook(fail)
    with pytest.raises(KeyboardInterrupt):
        model.decode([12, 15, 17, 20], old)
    hook.remove()
    caches = [model.prefill(text)[1] for text in TEXTS]
    logits = model.decode([21, 22, 23, 24], caches)
    for row, text in enumerate(TEXTS):
        with torch.inference_mode():
            expected = reference(torch.tensor([[*text, 21 + row]])).logits[0, -1]
        assert torch.allclose(logits[row], expected, atol=2e-4)
    assert [cache.nbytes for cache in old] == [0] * 4


def test_prompts_that_transformers_reads_together_are_those_it_reads_alone(folder: Path) -> None:
    texts = [[1 + i % 400 for i in range(size)] for size in (40, 3, 38, 4, 1, 37)]
    model = HuggingFace.read_folder(folder, CPU, KIND)
    alone = [model.prefill(text) for text in texts]
    passes: list[int] = []
    read = model._read_together
    model._read_together = lambda prompts: passes.append(len(prompts)) or read(prompts)
    together = model.prefill_many(texts)
    # those of like length, so that little is filled up
    assert passes == [3, 2, 1]
    for kind in (alone, together):
        kind.append((torch.empty(0), kind[0][1].copy()))
    found = [model.decode([9] * 7, [cache for _, cache in kind]) for kind in (alone, together)]
    assert torch.allclose(*found, atol=1e-4)
    assert all(torch.allclose(a, b, atol=1e-4) for (a, _), (b, _) in zip(alone, together, strict=True))
    assert [cache.nbytes for _, cache in together] == [cache.nbytes for _, cache in alone]


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(StructgenError, match="does not exist"):
        load_model(tmp_path / "nothing")


@pytest.mark.parametrize("device", ["banana", "gpu", "cpu:x", "meta:-3", "cuda:97", 7.5])
def test_a_device_that_is_not_there_is_refused(device: Any) -> None:
    with pytest.raises(StructgenError, match=r"^device: torch has no device .*Use cpu"):
        load_model("structgen/extract", device=device)


def test_a_model_with_all_members_is_asked_for_no_others() -> None:
    class Own:
        vocab_size, context, name = 257, 100, "own"
        tokenizer = sg.Tokenizer.from_bytes(
            [*(bytes((byte,)) for byte in range(256)), None], eos_token_id=256
        )

        def prefill(self, *_: Any) -> Any:
            raise NotImplementedError

        decode = prefill

        @property
        def get_output_embeddings(self) -> Any:
            raise RuntimeError("It has no head yet.")

    assert sg.Engine(Own()).model.name == "own"


def test_a_device_that_is_given_asks_nothing_of_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_available() -> bool:
        raise AssertionError("CUDA was asked")

    monkeypatch.setattr(torch.cuda, "is_available", is_available)
    assert device_of("cpu", None, StructgenError)[0] == torch.device("cpu")
