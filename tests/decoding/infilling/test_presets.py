"""Conventions of masked-diffusion models: the mask, the shift, blocks, what is refused, whose code is run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import structgen as sg
from structgen.decoding.infilling.masked_model import MaskedModel
from structgen.decoding.infilling.presets import (
    FAMILIES,
    FunctionModel,
    convention_of,
    load_masked_model,
    transformers_model,
    visible_blocks,
)
from structgen.decoding.runs import resources
from structgen.errors import OptionError, StructgenError

PUBLISHED = {
    "LLaDAModelLM": (126336, False, None, 126081),
    "LLaDAMoEModelLM": (156895, False, 32, 156892),
    "LLaDA2MoeModelLM": (156895, False, 32, 156892),
    "DreamModel": (151666, True, None, 151643),
    "SDARForCausalLM": (151669, False, 4, 151643),
    "SDARMoeForCausalLM": (151669, False, 4, 151643),
}


@pytest.mark.parametrize("architecture", list(PUBLISHED))
def test_a_family_is_known_by_its_architecture(architecture: str) -> None:
    found = convention_of({"architectures": [architecture]})
    assert (found.mask_id, found.shift, found.block_length, found.pad_id) == PUBLISHED[architecture]


def test_the_caller_comes_before_the_config_and_that_before_the_family() -> None:
    config = {"architectures": ["SDARForCausalLM"], "mask_token_id": 7, "block_size": 16, "pad_token_id": 3}
    found = convention_of(config)
    assert (found.mask_id, found.block_length, found.pad_id, found.shift) == (7, 16, 3, False)
    found = convention_of(config, mask_id=0, block_length=8, shift=True)
    assert (found.mask_id, found.block_length, found.shift) == (0, 8, True)


def test_a_causal_model_is_refused_by_name_with_the_cure() -> None:
    with pytest.raises(OptionError, match=r"LlamaForCausalLM is a causal model.*structgen/infill"):
        convention_of({"architectures": ["LlamaForCausalLM"]})
    with pytest.raises(OptionError, match=r"structgen/extract is a causal model.*Use structgen/infill"):
        load_masked_model("structgen/extract")
    # Not where the caller says that it fills masks.
    found = convention_of({"architectures": ["QwenForCausalLM"]}, mask_id=5, shift=True)
    assert (found.mask_id, found.shift, found.pad_id) == (5, True, None)


def test_models_without_masks_and_unknown_ones_are_refused() -> None:
    with pytest.raises(OptionError, match="uniform noise"):
        convention_of({"architectures": ["DiffusionGemmaForBlockDiffusion"]})
    with pytest.raises(OptionError, match=r"OddModel is not known.*mask_id= and shift="):
        convention_of({"architectures": ["OddModel"]}, mask_id=5)
    with pytest.raises(OptionError, match="'odd' is not known"):
        convention_of({"model_type": "odd"})
    with pytest.raises(OptionError, match="block_length must be 1 or more, got 0"):
        convention_of({"architectures": ["DreamModel"]}, block_length=0)


def test_infill_is_loaded_with_its_convention() -> None:
    pytest.importorskip("safetensors")
    model, tokenizer = load_masked_model("structgen/infill")
    assert isinstance(model, MaskedModel)
    assert (model.mask_id, model.shift, model.block_length, model.context) == (2, True, None, 2048)
    assert model.vocab_size == tokenizer.vocab_size
    assert tokenizer.token_bytes[model.mask_id] is None
    for option in ({"device": "cuda"}, {"mask_id": 5}, {"shift": False}, {"block_length": 8}):
        with pytest.raises(OptionError, match="Remove it"):
            load_masked_model("structgen/infill", **option)


def test_a_folder_is_needed_and_nothing_is_downloaded(tmp_path: Path) -> None:
    with pytest.raises(StructgenError, match="does not download"):
        load_masked_model("GSAI-ML/LLaDA-8B-Instruct")
    (tmp_path / "config.json").write_text("[", encoding="utf-8")
    with pytest.raises(StructgenError, match="cannot be read"):
        load_masked_model(tmp_path)


# --- functions ---


def telling(shift: bool) -> FunctionModel:
    """Return a model that is sure of `10 + i` at position i, in the row that the convention names."""

    def forward(ids: np.ndarray) -> np.ndarray:
        logits = np.zeros((len(ids), 50))
        for row in range(len(ids)):
            logits[row, 10 + row + shift] = 9.0
        return logits

    return FunctionModel(forward, mask_id=3, vocab_size=50, shift=shift)


@pytest.mark.parametrize("shift", [False, True])
def test_a_function_keeps_its_rows_where_the_convention_has_them(shift: bool) -> None:
    model = telling(shift)
    logits = model.forward(np.full(6, 3))
    assert logits.dtype == np.float32
    # The caller undoes the shift, once: position i is predicted by row i - shift.
    assert [int(logits[at - model.shift].argmax()) for at in range(1, 6)] == [11, 12, 13, 14, 15]


@pytest.mark.parametrize(
    ("fact", "told"), [({"mask_id": 9}, "outside a vocabulary of 9"), ({"block_length": 0}, "block_length=0")]
)
def test_facts_about_a_function_are_checked(fact: dict[str, int], told: str) -> None:
    with pytest.raises(OptionError, match=told):
        FunctionModel(lambda ids: ids, **{"mask_id": 3, "vocab_size": 9} | fact)


def test_blocks_are_counted_from_the_first_position() -> None:
    seen = visible_blocks(5, 2)
    assert seen.astype(int).tolist() == [
        [1, 1, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 1, 1, 1],
    ]


# --- models of transformers, in each convention ---

TINY = '''
import torch
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import MaskedLMOutput

class TinyConfig(PretrainedConfig):
    model_type = "tiny_masked"
    def __init__(self, vocab_size=60, width=16, causal=False, reads="none", **more):
        self.vocab_size, self.width, self.causal, self.reads = vocab_size, width, causal, reads
        self.max_position_embeddings = 40
        super().__init__(**more)

class Tiny(PreTrainedModel):
    """One layer of attention, random; its mask is all, Booleans, or numbers to be added."""
    config_class = TinyConfig
    def __init__(self, config):
        super().__init__(config)
        width = config.width
        self.embed = torch.nn.Embedding(config.vocab_size, width)
        self.place = torch.nn.Embedding(config.max_position_embeddings, width)
        self.qkv = torch.nn.Linear(width, 3 * width)
        self.head = torch.nn.Linear(width, config.vocab_size)
        self.post_init()

    def _init_weights(self, module):
        if hasattr(module, "weight"):
            torch.nn.init.normal_(module.weight, std=0.5)

    def forward(self, input_ids, attention_mask=None, **more):
        length = input_ids.shape[1]
        reads = {"none": None, "bool": torch.bool, "added": self.dtype}[self.config.reads]
        given = None if attention_mask is None else attention_mask.dtype
        assert given == reads, (given, reads)
        x = self.embed(input_ids) + self.place(torch.arange(length))
        q, k, v = self.qkv(x).chunk(3, -1)
        scores = q @ k.transpose(-1, -2) / self.config.width**0.5
        if self.config.causal:
            scores = scores + torch.full((length, length), -torch.inf).triu(1)
        if reads == torch.bool:
            scores = scores.masked_fill(~attention_mask[0], -torch.inf)
        elif attention_mask is not None:
            scores = scores + attention_mask[0]
        x = x + torch.softmax(scores, -1) @ v
        return MaskedLMOutput(logits=self.head(x))
'''
READS = {"SDARForCausalLM": "bool", "SDARMoeForCausalLM": "bool", "LLaDA2MoeModelLM": "added"}


@pytest.fixture(scope="module")
def tiny() -> dict[str, Any]:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    namespace: dict[str, Any] = {"__name__": "tiny_masked"}
    exec(TINY, namespace)
    return namespace


def of_family(tiny: dict[str, Any], architecture: str, **more: Any) -> FunctionModel:
    """Return a tiny random model with the convention of a family, its ids made smaller."""
    import torch

    torch.manual_seed(1)
    config = {
        "architectures": [architecture],
        "mask_token_id": 5,
        "block_length": 4 if architecture in READS else None,
    }
    made = tiny["Tiny"](tiny["TinyConfig"](reads=READS.get(architecture, "none"), **more))
    return transformers_model(made.eval(), convention_of(config))


@pytest.mark.parametrize("architecture", list(FAMILIES))
def test_a_model_of_each_family_reads_what_its_convention_says(
    tiny: dict[str, Any], architecture: str
) -> None:
    model = of_family(tiny, architecture)
    assert (model.vocab_size, model.context, model.shift) == (60, 40, architecture == "DreamModel")
    ids = np.arange(10, 20)
    before = model.forward(ids)
    for at in range(10):
        changed = ids.copy()
        changed[at] = 5
        feels = np.abs(model.forward(changed) - before).max(1) > 1e-6
        # In blocks of 4, what is behind a block is not read by it.
        wanted = np.arange(10) // 4 >= at // 4 if architecture in READS else np.ones(10, bool)
        assert feels.tolist() == wanted.tolist(), at


def test_a_model_that_turns_out_causal_is_refused(tiny: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="Tiny is a causal model: its first position"):
        of_family(tiny, "DreamModel", causal=True)


def test_a_mask_outside_the_vocabulary_is_refused(tiny: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="151666 is outside a vocabulary of 60"):
        transformers_model(
            tiny["Tiny"](tiny["TinyConfig"]()), convention_of({"architectures": ["DreamModel"]})
        )


def test_code_in_a_folder_is_run_only_where_the_caller_says_so(
    tiny: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    folder = tmp_path / "dream"
    torch.manual_seed(2)
    made = tiny["Tiny"](tiny["TinyConfig"]()).eval()
    made.save_pretrained(folder)
    ran = tmp_path / "ran"
    code = f"from pathlib import Path\nPath({str(ran)!r}).write_text('')\n{TINY}"
    (folder / "modeling_tiny.py").write_text(code, encoding="utf-8")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config |= {
        "architectures": ["DreamModel"],
        "mask_token_id": 5,
        "auto_map": {"AutoConfig": "modeling_tiny.TinyConfig", "AutoModel": "modeling_tiny.Tiny"},
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    shutil.copy(resources.small_tokenizer(), folder / "tokenizer.json")
    with pytest.raises(OptionError, match="trust_remote_code=True if you trust it"):
        load_masked_model(folder)
    assert not ran.exists()
    model, tokenizer = load_masked_model(folder, trust_remote_code=True, device="cpu")
    assert ran.exists()
    assert isinstance(tokenizer, sg.Tokenizer)
    assert (model.mask_id, model.shift, model.vocab_size) == (5, True, 60)
    ids = np.arange(12)
    with torch.no_grad():
        wanted = made(torch.from_numpy(ids)[None]).logits[0].numpy()
    np.testing.assert_allclose(model.forward(ids), wanted, atol=1e-5)
