"""The identity of a bulk run: a file beside the results, so that no other run continues them.

The file `OUT.run` is JSON. It holds its format's number, the number of prompts, and a digest of each part
that the documents depend on. It is written atomically, before the first document. Prompts may be appended
later. Options that change no document are not among the parts: the number of rows, the device, the time
limit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from structgen.core.compiled import CompiledGrammar
from structgen.engine.requests import Request
from structgen.errors import OptionError, StructgenError
from structgen.system.cache import writing
from structgen.system.resources import model_name, model_path

_FORMAT = 2
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
_OPTIONS = (
    *("most_tokens", "end_margin", "stops", "thinking", "outline", "chat", "canonical", "special_texts"),
    *("healing", "choices"),
)
"""The options of a request that are the part `options`."""


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

    def answered(self, said: Mapping[str, Any] | StructgenError) -> dict[str, Any]:
        """Return the line of results: what is said of the result, or the error."""
        said = {"error": str(said)} if isinstance(said, StructgenError) else said
        return {"line": self.line, "id": self.name, **said}


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
    if not is_new:
        count, parts = _known_run(results)
        now = _parts(of_engine, prompts[:count], request_of)
        other = [name for name in _PARTS if now[name] != parts[name]]
        if len(prompts) < count:  # the digests of the requests differ anyway
            other = [name for name in other if name in of_engine or name == "prompts"]
        elif "texts" in other and len(other) > 1:
            other.remove("texts")  # it follows from the other parts
        if other:
            names = [_PARTS[name] for name in other]
            if "version" in other:
                names[0] = f"version of structgen ({parts['version']})"
            what = f"The results are of another run, which had another {' and '.join(names)}."
            raise _refused(results, what)
        if len(prompts) == count:
            return
    said = {
        "format": _FORMAT,
        "prompts": len(prompts),
        "parts": _parts(of_engine, prompts, request_of),
    }
    with writing(path, sync=True) as file:
        file.write(json.dumps(said, indent=1).encode() + b"\n")


def _refused(results: Path, what: str) -> OptionError:
    cure = f"Name another file for the results, or start over (--start-over), which deletes {results}."
    return OptionError(what, where=str(results), cure=cure)


def _known_run(results: Path) -> tuple[int, Mapping[str, str]]:
    """Return the number of prompts and the parts of the run that results are of."""
    path = run_file(results)
    try:
        known = json.loads(path.read_bytes())
        count, parts = known["prompts"], known["parts"]
        if known["format"] != _FORMAT or type(count) is not int or set(parts) != set(_PARTS):
            raise ValueError(path.name)
        return count, parts
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        what = f"Beside the results is no {path.name} of this version that says what run they are of."
        raise _refused(results, what) from error


def engine_parts(model: str, tokenizer: str, other: str = "") -> dict[str, str]:
    """Return the parts of a run that an engine says: the digest of its model, the fingerprint of its
    tokenizer, and the version, with that of `other`."""
    # start-up: the version alone, from the package that lists all public names
    import structgen

    version = f"{structgen.__version__} with {other}" if other else structgen.__version__
    return {"version": version, "model": model, "tokenizer": tokenizer}


def _parts(
    of_engine: Mapping[str, str], prompts: Sequence[Prompt], request_of: Callable[[Any], Request]
) -> dict[str, str]:
    """Return the digest of each part of the run."""
    sums = {name: blake2b(digest_size=16) for name in _PARTS if name not in of_engine}
    grammars: dict[int, tuple[Any, str | None]] = {id(None): (None, None)}  # who is kept, keeps its id
    for prompt in prompts:
        said: dict[str, object] = {"prompts": (prompt.line, prompt.name, prompt.text, prompt.seed)}
        try:
            request = prompt.request(request_of)
        except StructgenError as error:
            said["options"] = str(error)
        else:
            grammar = request.grammar
            if id(grammar) not in grammars:
                plain: Any = grammar.grammar if isinstance(grammar, CompiledGrammar) else grammar
                grammars[id(grammar)] = grammar, plain.fingerprint
            said |= {
                "grammar": grammars[id(grammar)][1],
                "sampling": repr(request.chosen_by),
                "options": repr([getattr(request, name) for name in _OPTIONS]),
                "texts": request.prompt,
            }
        for name, value in said.items():
            sums[name].update(json.dumps(value).encode() + b"\n")
    return {**of_engine, **{name: found.hexdigest() for name, found in sums.items()}}


def model_digest(name: str) -> str:
    """Return the digest of a model that has a name, or lies in a folder or a GGUF file, wherever that is: of
    configuration and weights. Cost: reading a few megabytes."""
    found = blake2b(digest_size=16)
    place = model_path(model_name(name))
    for path in [place] if place.is_file() else sorted(place.iterdir()):
        if path.name == "config.json" or path.suffix in _WEIGHTS:
            size = path.stat().st_size
            found.update(f"{path.name} {size}\n".encode())
            with path.open("rb") as file:
                for start in range(0, size, max(size // _SAMPLES, _SAMPLE)):
                    file.seek(start)
                    found.update(file.read(_SAMPLE))
    return found.hexdigest()
