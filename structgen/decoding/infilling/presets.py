"""Masked-diffusion models by name: their mask tokens, shifts and blocks.

A *convention* is what one must know of a model besides its weights: its *mask* (the token in slots that are
to be filled), its *shift* (whether row i of the logits predicts position i or i + 1), and the length of its
*blocks*, if it fills blocks of slots from left to right. A *family* is a published kind of model, e.g. LLaDA.

`load_masked_model` loads `structgen/infill`, or a local folder of one of the published families. Facts about
a folder come from its config.json, from FAMILIES, or from the caller. The classes of the published models are
Python files in their folders (transformers has none of them); they are run only with
`trust_remote_code=True`. Nothing is downloaded.

`FunctionModel` makes a `MaskedModel` of any function from ids to logits.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from structgen.base.errors import OptionError, StructgenError
from structgen.base.native.array_types import BoolArray, Float32Array, Int64Array
from structgen.base.system.installation import require_extras
from structgen.base.system.waits import announce_wait
from structgen.decoding.engine.forward_pass.gguf_models import gguf_file
from structgen.decoding.engine.forward_pass.quiet_loading import load_pretrained
from structgen.decoding.engine.models import OWN_MASKED_KIND, architecture_of, check_model, device_of
from structgen.decoding.infilling.bidirectional import BidirectionalLlama
from structgen.decoding.infilling.masked_model import MaskedModel
from structgen.decoding.runs.resources import NAMED_MODELS, ON_A_SERVER, model_name, model_path
from structgen.tokens.tokenizer import Tokenizer

if TYPE_CHECKING:
    from torch import Tensor

_OWN = "structgen/infill"


@dataclass(frozen=True, slots=True)
class Convention:
    """Facts about a masked-diffusion model besides its weights."""

    family: str
    """The name under which it was published."""
    mask_id: int
    shift: bool
    """True: row i of its logits predicts position i + 1."""
    block_length: int | None
    """The number of slots of a block, for a model that fills blocks from left to right. None: it fills the
    whole canvas in any order."""
    pad_id: int | None
    """The token in unused slots; None if it is unknown."""
    attention: Literal["full", "blocks", "added blocks"] = "full"
    """Which positions a position attends to. "full": all. "blocks": its own and earlier blocks, counted from
    position 0; the model takes this as a mask of True and False. "added blocks": the same blocks, as a mask
    of 0 and minus infinity that is added to the scores."""


FAMILIES: dict[str, Convention] = {
    "LLaDAModelLM": Convention("LLaDA", 126336, False, None, 126081),
    "LLaDAMoEModelLM": Convention("LLaDA-MoE", 156895, False, 32, 156892),
    "LLaDA2MoeModelLM": Convention("LLaDA 2", 156895, False, 32, 156892, "added blocks"),
    "DreamModel": Convention("Dream and DiffuCoder", 151666, True, None, 151643),
    "SDARForCausalLM": Convention("SDAR", 151669, False, 4, 151643, "blocks"),
    "SDARMoeForCausalLM": Convention("SDAR-MoE", 151669, False, 4, 151643, "blocks"),
}
"""The conventions of the published families, by the architecture in config.json. Entries of config.json take
precedence. Sources: the config.json and generation code of each family, and SGLang's table of diffusion
models."""

_NAMES = ", ".join(convention.family for convention in FAMILIES.values())
_BLOCK_NAMES = ("block_length", "block_size", "bd_size")
_CONTEXT_NAMES = ("max_position_embeddings", "max_sequence_length", "n_positions", "seq_length")


@dataclass(frozen=True)
class FunctionModel:
    """A `MaskedModel` around a function from ids [L] to logits [L, V], which are converted to float32.

    Whether the function reads in both directions is not checked. Raises OptionError for a mask outside the
    vocabulary, and for an empty block or context.
    """

    function: Callable[[Int64Array], npt.ArrayLike]
    _: KW_ONLY
    mask_id: int
    vocab_size: int
    shift: bool = False
    block_length: int | None = None
    context: int = 1 << 30
    null_id: int | None = None
    """The token in unused slots of a hole, after its value; None: it is unknown."""

    def __post_init__(self) -> None:
        if not 0 <= self.mask_id < self.vocab_size:
            raise OptionError(
                f"The mask id {self.mask_id} is outside a vocabulary of {self.vocab_size}.",
                where="mask_id",
                cure="Pass the id of the token in masked slots, and the width of the logits.",
            )
        for name, value in (("block_length", self.block_length), ("context", self.context)):
            if value is not None and value < 1:
                raise OptionError(f"{name}={value}.", where=name, cure="Pass 1 or more, or remove it.")

    def forward(self, ids: Int64Array) -> Float32Array:
        """Return float32 logits [L, V] for int ids [L]; `infill` checks their shape, and refuses NaN."""
        return np.asarray(self.function(np.asarray(ids, np.int64)), np.float32)


def load_masked_model(
    name: str | Path,
    *,
    mask_id: int | None = None,
    shift: bool | None = None,
    block_length: int | None = None,
    trust_remote_code: bool = False,
    device: str | None = None,
    dtype: str | None = None,
) -> tuple[MaskedModel, Tokenizer]:
    """Return a masked-diffusion model and its tokenizer: `structgen/infill` (or `infill`), or a local folder.

    `mask_id`, `shift` and `block_length` override the family's and config.json's values; for an unknown
    architecture `mask_id` and `shift` are required. `device` is as in torch (default: cuda if there is one,
    else cpu), `dtype` float32 or bfloat16 (default: float32 on a CPU, else bfloat16). The embedded model has
    none of these options: it runs in float32 on the CPU, without torch.

    Errors, each a StructgenError: no such folder; a server; a causal model, by its name or its GGUF file;
    untrusted code in the folder; missing torch, transformers or safetensors; a mask outside the vocabulary.
    """
    resolved_name = model_name(name)
    check_model(resolved_name)
    if resolved_name != _OWN and (resolved_name in NAMED_MODELS or gguf_file(resolved_name) is not None):
        raise OptionError(
            f"{resolved_name} is a causal model: it reads from left to right and does not fill masks.",
            where="model",
            cure=f"Use {_OWN}; use this one with sg.Engine or sg.run, in a shell with structgen generate.",
        )
    folder = model_path(resolved_name) if resolved_name == _OWN else Path(resolved_name)
    config = _read_config(folder)
    overrides: dict[str, Any] = {"mask_id": mask_id, "shift": shift, "block_length": block_length}
    if OWN_MASKED_KIND in config.get("architectures", ()):
        # An option is allowed if it gives the value that this model has anyway.
        for option, value in {**overrides, "device": device, "dtype": dtype}.items():
            if value not in (None, "cpu", "float32"):
                raise OptionError(
                    f"{option}={value!r} has no effect: this model sets it itself, and runs in "
                    "float32 on the CPU.",
                    where=option,
                    cure="Remove it.",
                )
        return BidirectionalLlama.read_folder(folder), Tokenizer.from_huggingface(str(folder))
    convention = convention_of(config, str(folder), **overrides)
    # The class of the model is a file in the folder, and loading it runs it.
    if not trust_remote_code and "auto_map" in config:
        raise OptionError(
            f"{config['architectures'][0]} is Python code in the folder, which would be executed.",
            where=str(folder),
            cure="Read it, and pass trust_remote_code=True if you trust it; or wrap your own forward in "
            "FunctionModel.",
        )
    with announce_wait(f"loading the model {name}"):
        model = _transformers_model(folder, config, convention, trust_remote_code, device, dtype)
    return model, Tokenizer.from_huggingface(str(folder))


def fills_masks(name: str | Path) -> bool:
    """Return whether a named model is known to fill masks. It is `structgen/infill`, or a local folder whose
    config.json names a family of FAMILIES. False for a folder without a readable config.json."""
    resolved_name = model_name(name)
    if resolved_name in NAMED_MODELS or resolved_name.startswith(ON_A_SERVER):
        return resolved_name == _OWN
    return architecture_of(resolved_name) in (OWN_MASKED_KIND, *FAMILIES)


def convention_of(
    config: dict[str, Any],
    where: str = "config.json",
    *,
    mask_id: int | None = None,
    shift: bool | None = None,
    block_length: int | None = None,
) -> Convention:
    """Return the convention of a model by its config.json.

    The caller's values take precedence, then the values of the config (`mask_token_id`, `block_length` or
    `block_size`, `pad_token_id`), then FAMILIES. `where`: the place of the config, for messages. For example,
    with the architecture "DreamModel"
    alone the mask is 151666. Raises OptionError for a causal model, for a diffusion model without a mask
    token, and for an unknown architecture if the caller gives no `mask_id` and `shift`.
    """
    architectures = config.get("architectures") or [f"model of type {config.get('model_type')!r}"]
    architecture = str(architectures[0])
    base_convention = FAMILIES.get(architecture)
    if base_convention is None:
        fault = f"{architecture} is not known as a masked-diffusion model."
        cure = f"Pass mask_id= and shift= if it is one; the known ones are {_NAMES}."
        has_no_mask = "diffusiongemma" in architecture.lower()
        if has_no_mask:
            fault = f"{architecture} starts from uniform noise; it has no mask token."
            cure = f"Use a masked-diffusion model: structgen/infill, or one of {_NAMES}."
        elif architecture.endswith(("ForCausalLM", "LMHeadModel")):
            fault = f"{architecture} is a causal model: it reads from left to right and does not fill masks."
            cure = (
                f"Use it with sg.Engine; for infilling load structgen/infill, or one of {_NAMES}. A "
                "masked model with such a name needs mask_id= and shift=."
            )
        if has_no_mask or mask_id is None or shift is None:
            raise OptionError(fault, where=where, cure=cure)
        base_convention = Convention(architecture, mask_id, shift, None, None)
    config_blocks = (config.get(key) for key in _BLOCK_NAMES)
    convention = replace(
        base_convention,
        mask_id=_first_value(mask_id, config.get("mask_token_id"), base_convention.mask_id),
        shift=base_convention.shift if shift is None else shift,
        block_length=_first_value(block_length, *config_blocks, base_convention.block_length),
        pad_id=_first_value(config.get("pad_token_id"), base_convention.pad_id),
    )
    if convention.block_length is not None and convention.block_length < 1:
        raise OptionError(
            f"must be 1 or more, got {convention.block_length}.",
            where="block_length",
            cure="Pass 1 or more.",
        )
    return convention


def visible_blocks(length: int, block_length: int) -> BoolArray:
    """Return bool [L, L]: whether position i attends to position j in a model of blocks. It attends to its
    own block and to earlier blocks. `length`: L, the number of positions."""
    block = np.arange(length) // block_length
    return block[:, None] >= block[None]


def _first_value(*values: int | None) -> Any:
    """Return the first value that is not None."""
    return next((value for value in values if value is not None), None)


def _read_config(folder: Path) -> dict[str, Any]:
    """Return the config.json of a folder. Raises StructgenError."""
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StructgenError(
            f"The file cannot be read: {error}", where=str(path), cure="Copy the model's folder again."
        ) from error
    if not isinstance(config, dict):
        raise StructgenError(
            "The file must contain a JSON object.", where=str(path), cure="Copy the model's folder again."
        )
    return config


def _transformers_model(
    folder: Path,
    config: dict[str, Any],
    convention: Convention,
    trust_remote_code: bool,
    device: str | None,
    dtype: str | None,
) -> FunctionModel:
    """Return the model of a folder, run by transformers with the code in the folder.

    `config`: its config.json; `trust_remote_code`, `device`, `dtype`: those of `load_masked_model`, for
    example "cuda" and "bfloat16". Raises StructgenError where transformers cannot read it.
    """
    with require_extras("A model of a folder", "transformers", where=str(folder)):
        # optional: transformers
        import transformers

        where, kind = device_of(device, dtype, OptionError)
    # Some families register their class under one of these two names, some under both. The first one is
    # preferred, because its class has the output layer (the head).
    classes = config.get("auto_map", {})
    has_head = "AutoModelForCausalLM" in classes or not classes
    auto = "AutoModelForCausalLM" if has_head else "AutoModel"
    try:
        model = load_pretrained(
            getattr(transformers, auto),
            folder,
            dtype=kind,
            trust_remote_code=trust_remote_code,
            local_files_only=True,
        )
    except (OSError, ValueError, KeyError, ImportError, AttributeError) as error:
        raise StructgenError(
            f"transformers cannot read the model: {error}",
            where=str(folder),
            cure="Check the folder, and the release of transformers that the model's code needs.",
        ) from error
    return transformers_model(model.eval().to(where), convention, str(folder))


def transformers_model(model: Any, convention: Convention, where: str = "model") -> FunctionModel:
    """Return a `MaskedModel` around a loaded model of transformers, with a given convention.

    `where`: the model's folder, for messages. Raises OptionError if the convention's mask is outside the
    vocabulary, and if the model is causal: two passes over two ids show whether the first position attends to
    the second.
    """
    # optional: torch, transformers
    import torch

    # A model that also reads images keeps the settings for text in a separate part of its config.
    config = model.config.get_text_config() if hasattr(model.config, "get_text_config") else model.config
    context = _first_value(*(getattr(config, key, None) for key in _CONTEXT_NAMES), 1 << 30)

    def attention_arguments(length: int) -> dict[str, Tensor]:
        """Return the argument for the attention mask; none if each position attends to all."""
        if convention.attention == "full" or convention.block_length is None:
            return {}
        # [None, None]: a batch of one canvas, and one mask for all heads.
        visible_positions = torch.from_numpy(visible_blocks(length, convention.block_length))
        is_visible = visible_positions[None, None].to(model.device)
        if convention.attention == "blocks":
            return {"attention_mask": is_visible}
        score_mask = torch.zeros(is_visible.shape, dtype=model.dtype, device=model.device)
        return {"attention_mask": score_mask.masked_fill(~is_visible, -torch.inf)}

    def run_forward(ids: Int64Array) -> Float32Array:
        """Return float32 logits [L, V] on the CPU for the ids of one canvas."""
        with torch.inference_mode():
            id_tensor = torch.from_numpy(ids)[None].to(model.device)
            logits = model(input_ids=id_tensor, **attention_arguments(len(ids))).logits[0]
        rows: Float32Array = logits.float().cpu().numpy()
        return rows

    # The logits may be wider than the vocabulary in the config, so one pass measures their width.
    width = run_forward(np.full(1, 0, np.int64)).shape[-1]
    function_model = FunctionModel(
        run_forward,
        mask_id=convention.mask_id,
        vocab_size=width,
        shift=convention.shift,
        block_length=convention.block_length,
        context=int(context),
        null_id=convention.pad_id,
    )
    # In blocks of one slot no position attends to later ones, so this test says nothing about the model.
    if convention.block_length != 1:
        before_0 = function_model.forward(np.array([convention.mask_id, 0]))[0]
        before_1 = function_model.forward(np.array([convention.mask_id, 1]))[0]
        if np.array_equal(before_0, before_1):
            raise OptionError(
                f"{type(model).__name__} is a causal model: its first position does not read the second.",
                where=where,
                cure=f"Use a masked-diffusion model: structgen/infill, or one of {_NAMES}.",
            )
    return function_model
