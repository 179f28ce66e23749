"""The identity of a bulk run: a file beside the results, so that no other run continues them.

The file `OUT.run` is JSON. It holds its format's number, the number of prompts, and a digest of each part
that the documents depend on. It is written atomically, before the first document. Prompts may be appended
later. Options that change no document are not among the parts: the number of rows, the device, the time
limit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from structgen.core.compiled import CompiledGrammar
from structgen.engine import Engine
from structgen.engine.requests import Request, Sampling
from structgen.errors import OptionError, StructgenError
from structgen.system.cache import writing
from structgen.system.resources import model_name, model_path

_FORMAT = 1
_SAMPLE, _SAMPLES = 1 << 16, 64
"""Bytes of a sample, and how many samples are read of a large weights file, evenly spread. With the file's
size they tell two models apart without reading gigabytes."""
_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".gguf")
_PARTS = {
    "version": "version of structgen",
    "model": "model",
    "tokenizer": "tokenizer",
    "grammar": "schema or grammar",
    "sampling": "sampling or seed",
    "options": "max_tokens, or another option",
    "prompts": "file of prompts",
    "texts": "way of putting prompts",
}
"""The parts, in the order of error messages."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One line of a prompts file."""

    line: int
    """From 0."""
    name: Any
    text: Any
    """The prompt: a text, or chat messages."""
    seed: Any

    def request(self, request_of: Callable[[Any], Request]) -> Request:
        """Return the request. Raises StructgenError if it is refused."""
        request = request_of(self.text)
        if self.seed is None:
            return request
        return replace(request, sampling=replace(request.chosen_by, seed=self.seed))


def run_file(results: Path) -> Path:
    """Return the path of the run file of some results."""
    return results.with_name(f"{results.name}.run")


def settle_run(
    results: Path,
    of_engine: Mapping[str, str],
    prompts: Sequence[Prompt],
    request_of: Callable[[Any], Request],
    *,
    is_new: bool,
) -> None:
    """Write what run new results are of; raise OptionError unless existing ones are of this run, and record
    prompts that were appended. `of_engine`: `engine_parts`. Cost: making each request."""
    path = run_file(results)
    if is_new:
        _write(path, len(prompts), _parts(of_engine, prompts, request_of))
        return
    cure = (
        f"Name another file for the results, or start over (--start-over), which deletes those in {results}."
    )
    if not path.is_file():
        raise OptionError(
            f"There are results, and no {path.name} beside them that says what run they are of.",
            where=str(results),
            cure=cure,
        )
    try:
        known = json.loads(path.read_bytes())
        count, parts = known["prompts"], known["parts"]
        if known["format"] != _FORMAT or type(count) is not int or set(parts) != set(_PARTS):
            raise ValueError(path.name)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise OptionError(
            "The file that says what run the results are of cannot be read.", where=str(path), cure=cure
        ) from error
    now = _parts(of_engine, prompts[:count], request_of)
    # with fewer prompts the digest of the requests differs anyway
    of_prompts = ("version", "model", "tokenizer", "prompts")
    other = [name for name in (_PARTS if len(prompts) >= count else of_prompts) if now[name] != parts[name]]
    if "texts" in other and len(other) > 1:
        # the digest of the texts follows from the other parts
        other.remove("texts")
    if other:
        names = [_PARTS[name] for name in other]
        if "version" in other:
            names[0] = f"version of structgen ({parts['version']})"
        told = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
        raise OptionError(
            f"The results are of another run, which had another {told}.", where=str(results), cure=cure
        )
    if len(prompts) > count:
        _write(path, len(prompts), _parts(of_engine, prompts, request_of))


def _write(path: Path, count: int, parts: Mapping[str, str]) -> None:
    said = json.dumps({"format": _FORMAT, "prompts": count, "parts": parts}, indent=1)
    with writing(path, sync=True) as file:
        file.write(said.encode() + b"\n")


def engine_parts(engine: Engine) -> dict[str, str]:
    """Return the parts of a run that an engine says. Cost: reading a few megabytes of the model."""
    # start-up: the version alone, from the package that lists all public names
    import structgen

    return {
        "version": structgen.__version__,
        "model": model_digest(engine),
        "tokenizer": engine.tokenizer.fingerprint,
    }


def _told(how: Sampling) -> tuple[object, ...]:
    others = replace(how, strategy=(), monitors=())
    return *astuple(others), repr(how.strategies), repr(how.watching)


def _parts(
    of_engine: Mapping[str, str], prompts: Sequence[Prompt], request_of: Callable[[Any], Request]
) -> dict[str, str]:
    """Return the digest of each part of the run."""
    sums = {name: blake2b(digest_size=16) for name in ("grammar", "sampling", "options", "prompts", "texts")}
    grammars: dict[int, str] = {}
    held = []
    for prompt in prompts:
        said: dict[str, object] = {"prompts": (prompt.line, prompt.name, prompt.text, prompt.seed)}
        try:
            request = prompt.request(request_of)
        except StructgenError as error:
            said["options"] = str(error)
        else:
            grammar = request.grammar
            if grammar is not None and id(grammar) not in grammars:
                held.append(grammar)  # keeps its id from being reused
                plain = grammar.grammar if isinstance(grammar, CompiledGrammar) else grammar
                grammars[id(grammar)] = plain.fingerprint
            thinking = request.thinking
            said |= {
                "grammar": grammars.get(id(grammar)),
                "sampling": _told(request.chosen_by),
                "options": (
                    request.most_tokens,
                    request.end_margin,
                    request.stops,
                    None if thinking is None else astuple(thinking),
                    request.outline,
                    request.chat,
                    request.canonical,
                    request.special_texts,
                    request.healing,
                    request.choices,
                ),
                "texts": request.prompt,
            }
        for name, value in said.items():
            sums[name].update(json.dumps(value).encode() + b"\n")
    return {**of_engine, **{name: found.hexdigest() for name, found in sums.items()}}


def model_digest(engine: Engine) -> str:
    """Return the digest of a model: of configuration and weights if it has a folder (wherever it lies), else
    of its type and sizes only."""
    if not engine.name:
        kind, model = type(engine.model), engine.model
        told = f"{kind.__module__}.{kind.__qualname__} {model.vocab_size} {model.context}"
        return blake2b(told.encode(), digest_size=16).hexdigest()
    return folder_digest(engine.name)


def folder_digest(name: str) -> str:
    """Return the digest of a model that has a name, or lies in a folder or a GGUF file. Cost: reading a few
    megabytes."""
    found = blake2b(digest_size=16)
    place = model_path(model_name(name))
    for path in [place] if place.is_file() else sorted(place.iterdir()):
        if path.name == "config.json" or path.suffix in _WEIGHTS:
            size = path.stat().st_size
            found.update(f"{path.name} {size}\n".encode())
            with path.open("rb") as file:
                if size <= _SAMPLE * _SAMPLES:
                    found.update(file.read())
                else:
                    for sample in range(_SAMPLES):
                        file.seek((size - _SAMPLE) * sample // (_SAMPLES - 1))
                        found.update(file.read(_SAMPLE))
    return found.hexdigest()
