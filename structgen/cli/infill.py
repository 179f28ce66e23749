"""`structgen infill`: a masked-diffusion model fills the holes of a template."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from structgen.cli.language_options import (
    EbnfFile,
    GrammarFile,
    RegexPattern,
    Start,
    lark_grammar,
    text_grammar,
)
from structgen.cli.output import echo, echo_json, payload, refuse
from structgen.cli.schema_options import read_input, schema_of
from structgen.errors import OptionError, StructgenError
from structgen.system.resources import embedded_model

if TYPE_CHECKING:
    from structgen.infilling.canvas import Canvas
    from structgen.infilling.denoising import DenoisingStep
    from structgen.infilling.results import Infilled
    from structgen.tokens.tokenizer import Tokenizer


def infill(
    model: Annotated[
        str,
        typer.Option(help="A folder with a masked-diffusion model, or structgen/infill, which is embedded."),
    ] = "structgen/infill",
    template: Annotated[
        Path | None,
        typer.Option(
            help="A file of text with holes: {name: int}, {name: /regex/, 8}; {name} with --schema, "
            "--grammar or --hole; - is standard input.",
            show_default=False,
        ),
    ] = None,
    schema: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|JSON",
            help="The whole text is a document of this JSON Schema: a file, or the text {...}.",
            show_default=False,
        ),
    ] = None,
    grammar: GrammarFile = None,
    start: Start = None,
    ebnf: EbnfFile = None,
    regex: RegexPattern = None,
    given: Annotated[
        Path | None,
        typer.Option(
            help="With --schema: a JSON file with the fields that are known; the others are holes.",
            show_default=False,
        ),
    ] = None,
    hole: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE",
            help="The type of a hole: a schema (.json), a Lark grammar (.lark), EBNF (.gbnf, .ebnf). May be "
            "given several times.",
            show_default=False,
        ),
    ] = None,
    prompt: Annotated[str, typer.Option(help="The prompt.")] = "",
    slots: Annotated[
        list[str] | None,
        typer.Option(
            metavar="N|NAME=N",
            help="Tokens that each hole, or the one of that name, has room for. May be given several times.  "
            "[default: 64, fewer where the context leaves fewer]",
            show_default=False,
        ),
    ] = None,
    length: Annotated[
        str, typer.Option(help="at most, exact, log z: how many of the slots are used.")
    ] = "at most",
    scheduler: Annotated[
        str,
        typer.Option(
            help="auto (it is confident-prefix), confident-prefix, low-confidence, left-to-right, blocks, "
            "threshold, factor, entropy-bound, prophet, freedave, first-hitting (docs/infilling.md)."
        ),
    ] = "auto",
    tokens_per_step: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="With low-confidence, left-to-right, blocks, freedave: slots of a step.",
            show_default=False,
        ),
    ] = None,
    temperature: Annotated[float, typer.Option(min=0.0, help="0 takes the most probable filling.")] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same canvas.")] = 0,
    depth: Annotated[
        int | None,
        typer.Option(min=0, help="Recursion is cut behind so many open brackets.", show_default=False),
    ] = None,
    max_states: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="States of an automaton, at most.  [default: 50000; of Lark and EBNF grammars without "
            "--depth 3000]",
            show_default=False,
        ),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(min=0.0, help="Seconds; the rest is then filled at once.", show_default=False),
    ] = None,
    stream: Annotated[
        bool, typer.Option("--stream", help="Print the canvas behind each step, on stderr.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object with text, values and usage.")
    ] = False,
    trace: Annotated[
        Path | None,
        typer.Option(
            help="Write a page that shows the canvas being filled, step by step.", show_default=False
        ),
    ] = None,
) -> None:
    """Fill the holes of a template, or the open fields of a document, with a masked-diffusion model.

    The holes are filled in any order, and the whole text is always in the schema or grammar. The model
    structgen/infill also reads an outline of the schema.

    Exit status: 0 done; 2 no text fits into the slots, or wrong usage.
    """
    try:
        found = _filled(
            model,
            _read(template),
            _grammar(schema, grammar, start, ebnf, regex),
            None if given is None else _json(given),
            prompt,
            stream,
            {
                "slots": _slots(slots or []),
                "length": length,
                "scheduler": scheduler,
                "tokens_per_step": tokens_per_step,
                "temperature": temperature,
                "seed": seed,
                "holes": _holes(hole or []),
                "depth": depth,
                "max_states": max_states,
                "timeout": timeout,
            },
        )
        if trace is not None:
            found.write_trace(trace)
    except (StructgenError, OSError) as error:
        refuse(error, as_json)
    if as_json:
        usage = {name: getattr(found.usage, name) for name in found.usage.__slots__}
        echo_json(
            {
                "text": found.text,
                "values": found.values,
                "finish_reason": found.finish_reason,
                "exactness": found.exactness,
                "full": found.full,
                "usage": usage,
            }
        )
    else:
        payload(found.text)


def _filled(
    model: str,
    template: str | None,
    grammar: Any,
    given: Any,
    prompt: str,
    stream: bool,
    options: dict[str, Any],
) -> Infilled:
    import structgen as sg

    if given is not None and not isinstance(given, dict):
        raise OptionError("It is no JSON object.", where="--given", cure="Write the known fields: {...}.")

    @cache
    def tokenizer() -> sg.Tokenizer:
        folder = embedded_model(model) if model.startswith("structgen/") else Path(model)
        return sg.Tokenizer.from_huggingface(folder)

    def listen(step: DenoisingStep, canvas: Canvas) -> None:
        said = "".join(_slot(token, tokenizer()) for token in step.canvas)
        echo(f"{step.number:>4}  {said}", err=True)

    options["listen"] = listen if stream else None
    if template is not None and grammar is None:
        _check_types(template, options["holes"])
    try:
        return sg.infill(model, template, grammar=grammar, given=given, prompt=prompt, **options)
    except sg.NoFillingError as error:
        if not error.slots:
            raise
        is_whole = template is None and given is None
        option = f"--slots {error.slots}" if is_whole else f"--slots {error.where}={error.slots}"
        raise OptionError(
            error.what, where=error.where, cure=f"Give it at least {error.slots}: {option}."
        ) from error


def _check_types(template: str, types: Mapping[str, Any]) -> None:
    """Raise OptionError for a hole without a type, in a template without a grammar."""
    # start-up: --help needs no templates
    from structgen.infilling.template import Hole, parts_of

    holes = [one for one in parts_of(template) if isinstance(one, Hole)]
    typed = {*types, *(one.name for one in holes if one.type or one.pattern)}
    for one in holes:
        if one.name not in typed:
            raise OptionError(
                f"The hole {one.name!r} has no type.",
                where="--template",
                cure=f"Write {{{one.name}: str}} or the like, or add --hole {one.name}=FILE; or give "
                "--schema or --grammar for the whole text.",
            )


def _slot(token: int, tokenizer: Tokenizer) -> str:
    if token < 0:
        return "\u2591" if token == -1 else ""
    return str(tokenizer.decode([token]).decode("utf-8", "replace"))


def _read(template: Path | None) -> str | None:
    if template is None:
        return None
    return read_input(template, f"--template {template}").removesuffix("\n")


def _grammar(
    schema: str | None, grammar: Path | None, start: str | None, ebnf: Path | None, regex: str | None
) -> Any:
    """Return the grammar of the whole text, a schema as a dict; None where there is none."""
    if sum(one is not None for one in (schema, grammar, ebnf, regex)) > 1:
        raise OptionError(
            "Only one of --schema, --grammar, --ebnf and --regex may be given.",
            where="--schema",
            cure="Give one.",
        )
    if schema is not None:
        return _schema(schema_of(schema))
    if grammar is not None:
        return lark_grammar(grammar, start, None, None)
    return text_grammar(ebnf, regex, start) if ebnf is not None or regex is not None else None


def _holes(options: list[str]) -> dict[str, Any]:
    """Return the types that --hole says, schemas as dicts."""
    import structgen as sg

    found: dict[str, Any] = {}
    for option in options:
        name, _equals, file = option.partition("=")
        match Path(file).suffix:
            case ".json":
                found[name] = _schema(Path(file))
            case ".lark":
                found[name] = sg.lark(Path(file))
            case ".gbnf" | ".ebnf":
                found[name] = sg.ebnf(Path(file))
            case _:
                raise OptionError(
                    f"{option!r} says no type of a hole.",
                    where="--hole",
                    cure="Write NAME=FILE; the file's name ends in .json, .lark, .gbnf or .ebnf.",
                )
    return found


def _schema(source: Path | str) -> dict[str, Any]:
    """Return the schema of a file, or of a text, as a dict. Raises GrammarError, which names the file."""
    import json

    import structgen as sg

    sg.json_schema(source, strict=None)  # a wrong one is told with the file's name
    found = _json(source) if isinstance(source, Path) else json.loads(source)
    return found if isinstance(found, dict) else {} if found else {"not": {}}


def _json(file: Path) -> Any:
    import json

    try:
        return json.loads(read_input(file, str(file)))
    except ValueError as error:
        raise OptionError(f"It is not JSON: {error}.", where=str(file), cure="Mend the file.") from error


def _slots(options: list[str]) -> int | dict[str, int] | None:
    """Return what --slots says: a number for all holes, or numbers by name; None where it is not given."""
    found: dict[str, int] = {}
    for option in options:
        name, equals, count = option.rpartition("=")
        if not count.isdecimal() or bool(name) != bool(equals) or (not name and len(options) > 1):
            raise OptionError(
                f"{option!r} says no number of slots.",
                where="--slots",
                cure="Write a number for all holes, or NAME=NUMBER for each.",
            )
        if not name:
            return int(count)
        found[name] = int(count)
    return found or None
