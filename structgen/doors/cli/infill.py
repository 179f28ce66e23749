"""The command `structgen infill`: a masked-diffusion model fills the holes of a template.

A *template* is a text with *holes*, places that the model fills. A *field* is a member of a JSON document;
with a schema, the fields that are not given are filled. A *slot* is a place for one token of a hole. The
*canvas* is the list of the tokens in all slots; a masked-diffusion model fills them in any order, some in
each step.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from structgen.base.errors import OptionError
from structgen.decoding.runs.resources import model_name, model_path
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
    """Call `sg.infill` with the options of the command, and return its result.

    Errors: those of `sg.infill`, and OptionError for a file that cannot be read or is not as it should be.
    """
    import structgen as sg

    options = language.options
    model, template = model_name(options.get("model")), None
    if "template" in options:
        file = options.get("template")
        # editors add a newline at the end of a file
        template = read_input(file, f"--template {file}").removesuffix("\n")
    known_fields = options.get("given")
    if known_fields is not None and not isinstance(known_fields, Mapping):
        known_fields, _name = read_json_option(str(known_fields), "--given", "Write the known fields: {...}.")
        if not isinstance(known_fields, Mapping):
            raise OptionError(
                "The value must be a JSON object.", where="--given", cure="Write the known fields: {...}."
            )

    @cache
    def load_tokenizer() -> sg.Tokenizer:
        """Return the tokenizer of the model, which is loaded once."""
        return sg.Tokenizer.from_huggingface(model_path(model))

    def print_canvas(step: DenoisingStep, canvas: Canvas) -> None:
        """Print the number of a step, and the text of the canvas after it with a mark for each empty slot."""
        texts = list[str]()
        for token in step.canvas:
            if token >= 0:
                texts.append(load_tokenizer().decode([token]).decode("utf-8", "replace"))
            elif token == -1:  # a slot that is not filled yet; other negative numbers are not slots
                texts.append("\u2591")
        echo(f"{step.number:>4}  {''.join(texts)}", err=True)

    # the names of the options of sg.infill; the first two parameters are the model and the template
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
    """Return a schema as a dict, as `sg.infill` needs it to find the known fields.

    `source`: a file, or the text of a schema. The schema `true` becomes {}, and `false` becomes {"not": {}}.
    Raises GrammarError, which names the file.
    """
    import structgen as sg

    schema = sg.json_schema(source, strict=None).schema
    return schema if isinstance(schema, dict) else {} if schema else {"not": {}}


def _read_slots(value: Any) -> int | dict[str, int] | None:
    """Return the numbers of slots: `40` -> 40 for all holes, `name=40` -> {"name": 40}.

    `value`: the value or values of `--slots`; the result is None if there is none. Raises OptionError for
    another form.
    """
    if isinstance(value, Mapping):
        return dict(value)
    counts: dict[str, int] = {}
    for option in map(str, as_list(value)):
        name, equals, count = option.rpartition("=")
        if not count.isdecimal() or bool(name) != bool(equals) or (not name and len(as_list(value)) > 1):
            raise OptionError(
                f"{option!r} is not a number of slots.",
                where="--slots",
                cure="Write a number for all holes, or NAME=NUMBER for each.",
            )
        counts[name] = int(count)
    return counts.get("", counts or None)  # "": the number for all holes
