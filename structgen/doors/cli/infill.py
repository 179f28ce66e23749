"""`structgen infill`: a masked-diffusion model fills the holes of a template."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from structgen.base.errors import OptionError
from structgen.base.system.resources import model_name, model_path
from structgen.doors.cli.flags import OF_LARK
from structgen.doors.cli.named_options import Given, reads
from structgen.doors.cli.output import echo, echo_json, payload, read_input
from structgen.doors.cli.wanted_language import WantedLanguage, bound, json_of, listed, named, schema_of

if TYPE_CHECKING:
    from structgen.decoding.infilling.canvas import Canvas
    from structgen.decoding.infilling.denoising import DenoisingStep
    from structgen.decoding.infilling.results import Infilled


@reads(
    *("model", "template", "schema", "grammar", "regex", "given", "prompt", "slots", "scheduler"),
    *("temperature", "seed", "stream", "json"),
    more=(
        *("type", "ebnf", *OF_LARK, "holes", "outline", "chat", "length", "sure", "depth", "max_states"),
        *("timeout", "trace"),
    ),
)
def infill(given: Given) -> None:
    """Fill the holes of a template, or the open fields of a document, with a masked-diffusion model.

    The holes are filled in any order, and the whole text is always in the schema or grammar. The model
    structgen/infill also reads an outline of the schema.

    -o holes=NAME=FILE gives the type of a hole by a schema (.json), a Lark grammar (.lark) or EBNF (.gbnf,
    .ebnf).

    Exit status: 0 done; 2 no text fits into the slots, or wrong usage.
    """
    wanted = WantedLanguage(given)
    wanted.check()
    filled = _filled(wanted)
    if "trace" in given:
        filled.write_trace(Path(given.get("trace")))
    if "json" in given:
        usage = {name: getattr(filled.usage, name) for name in filled.usage.__slots__}
        names = ("text", "values", "finish_reason", "exactness", "full")
        echo_json({**{name: getattr(filled, name) for name in names}, "usage": usage})
    else:
        payload(filled.text)


def _filled(wanted: WantedLanguage) -> Infilled:
    import structgen as sg

    given = wanted.given
    model, known, template = model_name(given.get("model")), given.get("given"), None
    if "template" in given:
        file = given.get("template")
        template = read_input(file, f"--template {file}").removesuffix("\n")
    if known is not None and not isinstance(known, Mapping):
        known, _name = json_of(str(known), "--given", "Write the known fields: {...}.")
        if not isinstance(known, Mapping):
            raise OptionError("It is no JSON object.", where="--given", cure="Write the known fields: {...}.")

    @cache
    def tokenizer() -> sg.Tokenizer:
        return sg.Tokenizer.from_huggingface(model_path(model))

    def listen(step: DenoisingStep, canvas: Canvas) -> None:
        said = (
            tokenizer().decode([token]).decode("utf-8", "replace") if token >= 0 else "\u2591" * (token == -1)
            for token in step.canvas
        )
        echo(f"{step.number:>4}  {''.join(said)}", err=True)

    options = given.some(list(signature(sg.infill).parameters)[2:])
    options["given"] = known
    options["holes"] = bound(given.get("holes"), "-o holes", _schema)
    options["slots"] = _slots(given.get("slots"))
    options["grammar"] = wanted.grammar
    if "schema" in given:
        options["grammar"] = _schema(schema_of(str(given.get("schema"))))
    elif "type" in given:
        options["grammar"] = named(str(given.get("type")), "-o type", "module:Class")
    options["listen"] = listen if "stream" in given else None
    return sg.infill(model, template, **options)


def _schema(source: Path | str) -> dict[str, Any]:
    """Return the schema of a file, or of a text, as a dict, whose known fields `sg.infill` finds. Raises
    GrammarError, which names the file."""
    import structgen as sg

    schema = sg.json_schema(source, strict=None).schema
    return schema if isinstance(schema, dict) else {} if schema else {"not": {}}


def _slots(said: Any) -> int | dict[str, int] | None:
    """Return what --slots says: a number for all holes, or numbers by name; None where it is not given."""
    if isinstance(said, Mapping):
        return dict(said)
    counts: dict[str, int] = {}
    for option in map(str, listed(said)):
        name, equals, count = option.rpartition("=")
        if not count.isdecimal() or bool(name) != bool(equals) or (not name and len(listed(said)) > 1):
            raise OptionError(
                f"{option!r} says no number of slots.",
                where="--slots",
                cure="Write a number for all holes, or NAME=NUMBER for each.",
            )
        counts[name] = int(count)
    return counts.get("", counts or None)
