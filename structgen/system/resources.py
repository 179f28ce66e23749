"""Finds the data that ships with structgen: installed, beside the code; in a checkout, at its root."""

from __future__ import annotations

from pathlib import Path

from structgen.errors import StructgenError


def schemas() -> Path:
    """Return the folder of sample schemas: MaskBench files with instances, one JSON file each."""
    return _find("schemas", "schemas")


GRAMMARS = tuple("arithmetic csv dates go goals json markers python select smiles sql".split())
"""The grammars that ship, each beside its page (`NAME.md`) and its texts (`NAME.texts.json`)."""


def grammar(name: str) -> Path:
    """Return the Lark file of a grammar that ships, by name.

    Errors: `StructgenError` for another name, or where the installation is not whole.
    """
    if name not in GRAMMARS:
        raise StructgenError(
            f"No grammar named {name!r} ships with structgen.",
            where="name",
            cure=f"Use one of {', '.join(GRAMMARS)}, or the path of a Lark file.",
        )
    return _find(f"grammars/{name}.lark", f"grammars/{name}.lark")


def small_tokenizer() -> Path:
    """Return the tokenizer.json of a small byte-level BPE, for demonstrations and tests."""
    return _find("tokenizers/bpe/tokenizer.json", "tests/data/bpe/tokenizer.json")


MODELS = ("extract", "extract-draft", "infill", "labels")
"""The embedded models: `structgen/extract`, and so on."""


def embedded_model(name: str) -> Path:
    """Return the folder of an embedded model (config.json, model.safetensors, tokenizer.json), by name.

    `name` is `structgen/extract` or `structgen/extract-draft`. Nothing is downloaded.
    Errors: `StructgenError` for another name, or where the installation is not whole.
    """
    last = name.removeprefix("structgen/")
    if last == name or last not in MODELS:
        raise StructgenError(
            f"No model named {name!r} ships with structgen.",
            where="name",
            cure=f"Use one of {', '.join(f'structgen/{known}' for known in MODELS)}.",
        )
    return _find(f"models/{last}/model.safetensors", f"models/{last}/model.safetensors").parent


def _find(installed: str, checkout: str) -> Path:
    package = Path(__file__).parents[1]
    for candidate in (package / installed, package.parent / checkout):
        if candidate.exists():
            return candidate
    raise StructgenError(
        f"{installed!r}, which ships with structgen, is missing.",
        where=str(package),
        cure="Install structgen anew, or work from a complete checkout.",
    )
