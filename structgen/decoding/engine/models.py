"""Finds a model: by its name, in a folder, in a GGUF file, or as an object that the caller gives.

A *name* is one that `structgen models` lists, such as `smollm2`. A *GGUF file* is a model of llama.cpp. The
*own pass* is our forward pass of Llama models (`forward_pass.llama`); transformers runs all other models.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from structgen.base.errors import OptionError, StructgenError, TokenizerError
from structgen.base.system.installation import not_installed
from structgen.base.system.waits import announce_wait
from structgen.decoding.engine.forward_pass.gguf_models import gguf_file, gguf_model, gguf_tokenizer
from structgen.decoding.engine.model_protocol import Model
from structgen.decoding.runs.resources import NAMED_MODELS, ON_A_SERVER, is_embedded, model_name, model_path
from structgen.tokens.tokenizer import Tokenizer


def load_model(
    name: str | Path,
    *,
    device: str | None = None,
    dtype: str | None = None,
    tokenizer: Tokenizer | None = None,
) -> tuple[Model, Tokenizer]:
    """Return a model and its tokenizer.

    `name` is one that `structgen models` lists, such as `smollm2` or `structgen/extract` (for short
    `extract`). It may also be a local folder that transformers' AutoModelForCausalLM reads, or a GGUF file.

    `device` is torch's name of a device (default: cuda if there is one, else cpu). `dtype` is float32 or
    bfloat16 (default: float32 on a CPU, bfloat16 elsewhere). `tokenizer` replaces the folder's own, which is
    then not read. Nothing is downloaded. Raises StructgenError if the folder is missing or is not a model, or
    if torch or transformers is not installed. Raises TokenizerError.
    """
    with announce_wait(f"loading the model {name}"):
        try:
            # optional: torch
            import torch
        except ImportError as error:
            raise missing_package_error(name) from error
        torch_device, torch_dtype = device_of(device, dtype, StructgenError)
        # before anything is read: its errors explain a name for which there is no folder
        check_causal(name)
        folder = model_path(model_name(name))
        if (file := gguf_file(name)) is not None:
            own_tokenizer = tokenizer or tokenizer_of(gguf_tokenizer(file))
            return gguf_model(file, torch_device, torch_dtype), own_tokenizer
        # our own pass calculates only in float32 on a CPU; transformers does everything else
        is_for_own_pass = torch_device.type == "cpu" and torch_dtype == torch.float32
        if is_embedded(model_name(name)) and is_for_own_pass:
            # start-up: compiled code of one kind of model
            from structgen.decoding.engine.forward_pass.llama import Llama
            from structgen.decoding.engine.forward_pass.weights import Weights

            weights = Weights.read_folder(folder)
            if Llama.can_run(weights):
                # Our pass takes 0.1 ms, less time than asking drafters. That of transformers takes 3 ms.
                return Llama(weights, drafts_pay=False), tokenizer or Tokenizer.from_huggingface(str(folder))
        # optional: transformers and torch
        from structgen.decoding.engine.huggingface import HuggingFace

        own_tokenizer = tokenizer or _folder_tokenizer(folder)
        return HuggingFace.read_folder(folder, torch_device, torch_dtype), own_tokenizer


def device_of(device: str | None, dtype: str | None, refusal: type[StructgenError]) -> tuple[Any, Any]:
    """Return torch's device and dtype for their names, as `load_model` describes them. Raises `refusal` if
    there is no such device or dtype."""
    # optional: torch
    import torch

    try:
        # CUDA is asked about only where no device is given: the question loads its driver, and a process
        # that forks afterwards cannot use it.
        torch_device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.zeros(1, device=torch_device).item()  # torch's meta device holds no numbers
    except (RuntimeError, AssertionError, TypeError) as error:  # as torch says that there is none
        message = str(error).partition("\n")[0]
        raise refusal(
            f"torch has no device {device!r} here: {message.rstrip('.')}.",
            where="device",
            cure="Use cpu, or remove it.",
        ) from error
    default_dtype = "float32" if torch_device.type == "cpu" else "bfloat16"
    dtype_name = dtype or default_dtype
    if dtype_name not in ("float32", "bfloat16"):
        raise refusal(f"dtype={dtype_name!r}.", where="dtype", cure="Use float32 or bfloat16.")
    return torch_device, getattr(torch, dtype_name)


def missing_package_error(name: str | Path) -> StructgenError:
    """Return the error for a model that cannot run because a package that it needs is not installed."""
    if is_embedded(model_name(name)):
        return not_installed("The engine", "torch", "tokenizers")
    return not_installed("The engine", "transformers" if gguf_file(name) is None else "gguf")


def check_model(name: str | Path) -> None:
    """Raise StructgenError unless a name is one of `NAMED_MODELS`, a local folder with a model, or a GGUF
    file. The error explains what to do about a server, and about a name of the Hugging Face hub. Nothing is
    loaded."""
    resolved_name = model_name(name)
    # The order of these checks matters: a server's name is not a path, and a file needs no config.json.
    if resolved_name.startswith(ON_A_SERVER):
        folder = Path(resolved_name)
    elif gguf_file(name) is not None:
        return
    else:
        folder = model_path(resolved_name)
        if (folder / "config.json").is_file():
            return
    if folder.exists():
        fault, cure = _describe_format(folder)
        raise StructgenError(f"{resolved_name!r} {fault}", where="model", cure=cure)
    if (server := _server_name(resolved_name)) is not None:
        raise StructgenError(
            f"{resolved_name!r} is a server; a model in this process is needed here.",
            where="model",
            cure=f'Use a server with sg.run("{server}", prompt, type), sg.arun and sg.generate; in '
            "a shell with structgen generate and structgen bulk.",
        )
    if _HOSTED.match(resolved_name):
        hosted_name = resolved_name.rpartition("/")[2]
        cure = (
            f"Name the server too: anthropic:{hosted_name}, or openai:URL#{hosted_name}, where URL "
            "is its address in OpenAI's protocol."
        )
        if _OPENAI.match(resolved_name):
            openai_name = resolved_name.removeprefix("openai/")
            cure = (
                f"Name the server too: openai:https://api.openai.com/v1#{openai_name}; "
                "the key is in OPENAI_API_KEY."
            )
        raise StructgenError(
            f"The folder {resolved_name!r} does not exist: a model of this name is on a server.",
            where="model",
            cure=cure,
        )
    cure = f"Check the path. {_NAMES}"
    if _HUB_NAME.fullmatch(resolved_name):
        cure = (
            f"Download the model (hf download {resolved_name} --local-dir FOLDER) and name the folder; "
            f"or pass the objects of transformers, sg.Engine(model, tokenizer). {_NAMES}"
        )
    raise StructgenError(
        f"The folder {resolved_name!r} does not exist, and structgen does not download models.",
        where="model",
        cure=cure,
    )


def check_causal(name: str | Path) -> None:
    """Raise what `check_model` raises. Also raise OptionError for a model that fills holes in a text:
    `structgen/infill`, or a model that was made from it."""
    check_model(name)
    if architecture_of(name) == OWN_MASKED_KIND:
        raise OptionError(
            f"{str(name)!r} fills masks in any order; a model that reads from left to right is needed here.",
            where="model",
            cure="Use it with sg.infill, sg.run, sg.arun and sg.generate; in a shell with "
            "structgen infill, structgen generate and structgen bulk. Or name a causal model. "
            f"{_NAMES}",
        )


OWN_MASKED_KIND = "StructgenInfill"
"""The name of the architecture in the configuration of `structgen/infill`."""


def architecture_of(name: str | Path) -> str:
    """Return the first architecture in the configuration of a model's folder; "": there is none."""
    path = model_path(model_name(name)) / "config.json"
    try:
        architectures = json.loads(path.read_text(encoding="utf-8"))["architectures"]
    except (OSError, ValueError, KeyError, TypeError):  # whoever loads the model reports the error
        return ""
    return str(architectures[0]) if isinstance(architectures, list) and architectures else ""


def _server_name(name: str) -> str | None:
    """Return the name of a model on a server, for an address such as `vllm:URL`. Return None if `name` is not
    an address."""
    if name.startswith(ON_A_SERVER):
        return name
    address = re.fullmatch("(?:[a-z]+:)?(https?://.*)", name, re.DOTALL)
    if address is None:
        return None
    # after "#" comes the model's name on the server
    suffix = "" if "#" in name else "#NAME"
    return f"openai:{address[1]}{suffix}"


def _describe_format(path: Path) -> tuple[str, str]:
    """Return the fault and the cure, for an error about a path that exists but is not a model of
    transformers."""
    if path.is_dir() and (files := sorted(path.glob("*.gguf"))):
        return "is the folder of a model in llama.cpp's format, GGUF.", f"Name the file: {files[0]}."
    if (path / "adapter_config.json").is_file():
        return (
            "contains only an adapter (LoRA), without the model that it changes.",
            "Merge the two with peft: AutoPeftModelForCausalLM.from_pretrained(folder).merge_and_unload() "
            "gives a model; save it with save_pretrained(...), or pass it: sg.Engine(model, tokenizer).",
        )
    return (
        "is not the folder of a model: it has no config.json.",
        "Name the folder that save_pretrained(...) wrote, or structgen/extract.",
    )


_NAMES = f"The named models are {', '.join(NAMED_MODELS)}."
_OPENAI = re.compile(r"(openai/)?(gpt-[345]|chatgpt|o[134](-|$))")
"""The pattern of OpenAI's models that are only on its servers; gpt2 and gpt-oss can be downloaded."""
_HOSTED = re.compile(rf"{_OPENAI.pattern}|(anthropic/)?claude|(google/)?gemini")
"""The pattern of names of models that are only on servers."""
_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
"""The pattern of names on the Hugging Face hub: NAME, or OWNER/NAME."""


def _folder_tokenizer(folder: Path) -> Tokenizer:
    """Return the tokenizer of a model's folder. Raises TokenizerError; it has a cure if the folder has its
    tokenizer in another form (vocab.json and merges.txt, or vocab.txt)."""
    try:
        return Tokenizer.from_huggingface(str(folder))
    except TokenizerError as error:
        raise TokenizerError(
            error.what,
            where=error.where or str(folder),
            cure="Pass the tokenizer: sg.Engine(folder, AutoTokenizer.from_pretrained(folder)); or write a "
            "tokenizer.json once with AutoTokenizer.from_pretrained(folder).save_pretrained(folder).",
        ) from error


def given_model(
    model: Any, tokenizer: Any, *, device: str | None = None, dtype: str | None = None
) -> tuple[Model, Tokenizer]:
    """Return a `Model` for an object that the caller gives, and its tokenizer.

    `model` is a causal model of transformers, or any `Model`. `tokenizer` is anything that `tokenizer_of`
    takes; None for a model that has its own tokenizer. For example `given_model(llama, "structgen/extract")`.

    Raises OptionError if the object is not a causal model, or if there is no tokenizer. Also raises it for a
    `device` or a `dtype`, which are only for a model that is loaded by its name.
    """
    for name, value in (("device", device), ("dtype", dtype)):
        if value is not None:
            raise OptionError(
                f"{name}={value!r} applies only to a model that is loaded by its name.",
                where=name,
                cure=f"Remove it; move the model before you pass it: model.to({value!r}).",
            )
    # Models are recognised by their members, so transformers is not imported for a caller's own model.
    missing_members = [name for name in _MEMBERS if not hasattr(model, name)]
    # A model that has all members is asked for no others: its properties may raise.
    is_of_transformers = (
        bool(missing_members) and hasattr(model, "get_output_embeddings") and hasattr(model, "config")
    )
    if missing_members and not is_of_transformers:
        cure = "Pass a name, a folder, a causal model of transformers, or what has all these."
        if hasattr(model, "model") and hasattr(model, "tokenizer"):
            cure = "Pass the model and the tokenizer of the pipeline: sg.Engine(pipe.model, pipe.tokenizer)."
        raise OptionError(
            f"{type(model).__name__} is not a model: it has no {' and no '.join(missing_members)}.",
            where="model",
            cure=cure,
        )
    if tokenizer is None and not is_of_transformers:
        own_tokenizer = getattr(model, "tokenizer", None)  # a model that combines models has one
        tokenizer = own_tokenizer if isinstance(own_tokenizer, Tokenizer) else None
    if tokenizer is None:
        raise OptionError(
            "A model of your own needs its tokenizer.",
            where="tokenizer",
            cure="Pass AutoTokenizer.from_pretrained(...), or an sg.Tokenizer.",
        )
    if not is_of_transformers:
        own_model: Model = model
        return own_model, tokenizer_of(tokenizer)
    # optional: transformers and torch
    from structgen.decoding.engine.huggingface import HuggingFace

    return HuggingFace(model), tokenizer_of(tokenizer, model)


_MEMBERS = ("vocab_size", "context", "prefill", "decode")
"""The names of the members that every `Model` has."""


def tokenizer_of(tokenizer: Any, model: Any = None) -> Tokenizer:
    """Return our `Tokenizer` for a tokenizer of the caller.

    `tokenizer` is a `Tokenizer`, which is returned unchanged, or anything that `Tokenizer.from_huggingface`
    takes. It may also be the name of a model, or its GGUF file. If `model` is a model of transformers, the
    special tokens in its generation_config are end tokens too: often only this lists a chat model's end of
    turn.
    """
    if isinstance(tokenizer, Tokenizer):
        return tokenizer
    if isinstance(tokenizer, str | Path):
        resolved_name = model_name(tokenizer)
        if (file := gguf_file(resolved_name)) is not None:
            return tokenizer_of(gguf_tokenizer(file))
        if not (path := model_path(resolved_name)).exists():
            raise TokenizerError(
                "the file does not exist, and structgen does not download files.",
                where=resolved_name,
                cure=f"Pass a tokenizer's file, a folder with a tokenizer.json, or a model's name. {_NAMES}",
            )
        return Tokenizer.from_huggingface(path)
    own_tokenizer = Tokenizer.from_huggingface(tokenizer)
    configured_ends = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    if configured_ends is None:
        configured_ends = []
    elif isinstance(configured_ends, int):
        configured_ends = [configured_ends]
    # a token with bytes may be part of a document, so it cannot end one
    ends = {
        end
        for end in configured_ends
        if 0 <= end < own_tokenizer.vocab_size and own_tokenizer.token_bytes[end] is None
    }
    known_ends = set(own_tokenizer.eos_token_ids)
    if ends <= known_ends:
        return own_tokenizer
    return Tokenizer.from_huggingface(tokenizer, eos_token_id=sorted(ends | known_ends))
