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
from structgen.doors.cli.named_options import CommandOptions, takes_options
from structgen.doors.cli.output import echo, echo_json, print_payload, read_input
from structgen.doors.cli.target_language import (
    TargetLanguage,
    as_list,
    read_json_option,
    read_languages,
    resolve_target,
    schema_of,
)

if TYPE_CHECKING:
    from structgen.decoding.infilling.canvas import Canvas
    from structgen.decoding.infilling.denoising import DenoisingStep
    from structgen.decoding.infilling.results import Infilled


@takes_options(
    *("model", "template", "schema", "grammar", "regex", "given", "prompt", "slots", "scheduler"),
    *("temperature", "seed", "stream", "json"),
    more_names=(
        *("type", "ebnf", *OF_LARK, "holes", "outline", "chat", "length", "sure", "depth", "max_states"),
        *("timeout", "trace"),
    ),
)
def infill(options: CommandOptions) -> None:
    """Fill the holes of a template, or the open fields of a document, with a masked-diffusion model.

    The holes are filled in any order, and the whole text is always in the schema or grammar. The model
    structgen/infill also reads an outline of the schema.

    -o holes=NAME=FILE gives the type of a hole by a schema (.json), a Lark grammar (.lark) or EBNF (.gbnf,
    .ebnf).

    Exit status: 0 done; 2 no text fits into the slots, or wrong usage.
    """
    language = TargetLanguage(options)
    language.check()
    result = _fill_template(language)
    if "trace" in options:
        result.write_trace(Path(options.get("trace")))
    if "json" in options:
        usage = {name: getattr(result.usage, name) for name in result.usage.__slots__}
        names = ("text", "values", "finish_reason", "exactness", "full")
        echo_json({**{name: getattr(result, name) for name in names}, "usage": usage})
    else:
        print_payload(result.text)


def _fill_template(language: TargetLanguage) -> Infilled:
    """Return the result of `sg.infill` under the options of the command. Errors: those of `sg.infill`."""
    import structgen as sg

    options = language.options
    model, template = model_name(options.get("model")), None
    if "template" in options:
        file = options.get("template")
        template = read_input(file, f"--template {file}").removesuffix("\n")  # editors end a file with one
    known_fields = options.get("given")
    if known_fields is not None and not isinstance(known_fields, Mapping):
        known_fields, _name = read_json_option(str(known_fields), "--given", "Write the known fields: {...}.")
        if not isinstance(known_fields, Mapping):
            raise OptionError("It is no JSON object.", where="--given", cure="Write the known fields: {...}.")

    @cache
    def load_tokenizer() -> sg.Tokenizer:
        return sg.Tokenizer.from_huggingface(model_path(model))

    def print_canvas(step: DenoisingStep, canvas: Canvas) -> None:
        texts = list[str]()
        for token in step.canvas:
            if token >= 0:
                texts.append(load_tokenizer().decode([token]).decode("utf-8", "replace"))
            elif token == -1:  # a slot that is not filled yet; other numbers are no slots
                texts.append("\u2591")
        echo(f"{step.number:>4}  {''.join(texts)}", err=True)

    # all but the model and the template
    option_names = list(signature(sg.infill).parameters)[2:]
    infill_options = options.select_given(option_names)
    infill_options["given"] = known_fields
    infill_options["holes"] = read_languages(options.get("holes"), "-o holes", _read_schema)
    infill_options["slots"] = _read_slots(options.get("slots"))
    infill_options["grammar"] = language.grammar
    if "schema" in options:  # as a dict: the known fields are looked for in it
        infill_options["grammar"] = _read_schema(schema_of(str(options.get("schema"))))
    elif "type" in options:
        target = resolve_target(str(options.get("type")), "-o type", "module:Class")
        infill_options["grammar"] = target
    infill_options["listen"] = print_canvas if "stream" in options else None
    return sg.infill(model, template, **infill_options)


def _read_schema(source: Path | str) -> dict[str, Any]:
    """Return the schema of a file, or of a text, as a dict, in which `sg.infill` finds the known fields.
    Raises GrammarError, which names the file."""
    import structgen as sg

    schema = sg.json_schema(source, strict=None).schema
    return schema if isinstance(schema, dict) else {} if schema else {"not": {}}


def _read_slots(value: Any) -> int | dict[str, int] | None:
    """Return the slots of `--slots`: a number for all holes, or numbers by name; None where it is not
    given."""
    if isinstance(value, Mapping):
        return dict(value)
    counts: dict[str, int] = {}
    for option in map(str, as_list(value)):
        name, equals, count = option.rpartition("=")
        if not count.isdecimal() or bool(name) != bool(equals) or (not name and len(as_list(value)) > 1):
            raise OptionError(
                f"{option!r} says no number of slots.",
                where="--slots",
                cure="Write a number for all holes, or NAME=NUMBER for each.",
            )
        counts[name] = int(count)
    return counts.get("", counts or None)
