"""The flags of commands, each said once; `reads` makes a command of a function of the options given.

A flag has the name of its option (`option_names`), and goes before what `-o` and a file of options say.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple, get_type_hints

import typer

from structgen.cli.named_options import read_options, spelled_errors
from structgen.cli.output import refusing
from structgen.samplers.methods import METHODS
from structgen.system.resources import NAMED_MODELS
from structgen.tool_calls.format_rows import FORMATS


class Flag(NamedTuple):
    """One flag. Without it its option has the default that the help names."""

    kind: Any
    """Of a value; `bool`: a switch; a list: it may be given several times."""
    help: str
    metavar: str | None = None
    least: float | None = None
    most: float | None = None
    is_needed: bool = False


_MODELS: Final = f"as {', '.join(NAMED_MODELS)} (extract for structgen/extract)"
FLAGS: Final[dict[str, Flag]] = {
    # --- which texts ----------------------------------------------------------------------------------------
    "schema": Flag(str, "The JSON Schema: its file, or its text: {...}, true, false.", "FILE|JSON"),
    "type": Flag(str, "In place of a schema: a Python type, or another target of sg.run, module:Name."),
    "grammar": Flag(Path, "In place of a schema: a Lark grammar; a file .gbnf or .ebnf: such rules."),
    "regex": Flag(str, "In place of a schema: a Python regular expression for the whole text.", "PATTERN"),
    "tools": Flag(
        str,
        "In place of a schema: what the model may call, in OpenAI's, Anthropic's or MCP's shape: a tool, a "
        'list of tools, or an object with the member "tools" or "result". Nothing is called.',
        "FILE|JSON",
    ),
    # --- generate, sample, bulk -----------------------------------------------------------------------------
    "model": Flag(
        str,
        f"A name that `structgen models` lists, {_MODELS}; the folder of a model of transformers; a GGUF "
        "file; or openai:URL#NAME, ollama:NAME or anthropic:NAME, a model on a server.  "
        "[default: structgen/extract]",
    ),
    "sample model": Flag(
        str,
        f"A name that `structgen models` lists, {_MODELS}; the folder of a causal model of transformers; or "
        "a GGUF file.  [default: structgen/extract]",
    ),
    "prompt": Flag(str, "The prompt; - is standard input, and so is a pipe."),
    "n": Flag(int, "Texts of the prompt.  [default: 1]", least=1),
    "sample n": Flag(int, "How many draws.  [default: 10]", least=1),
    "temperature": Flag(
        float, "0 takes the likeliest token.  [default: 0; with a strategy that draws, 1]", least=0.0
    ),
    "max_tokens": Flag(
        int, "Documents are complete within it.  [default: 512, or what the context leaves]", least=1
    ),
    "seed": Flag(int, "The same seed gives the same texts.  [default: 0]"),
    "stream": Flag(bool, "Print the text as it comes."),
    "json": Flag(bool, "Print a JSON object for each text."),
    "method": Flag(str, f"{', '.join(METHODS)} (docs/samplers.md).  [default: auto]"),
    "budget": Flag(int, "The most rows of logits that are read.", least=1),
    "sample out": Flag(Path, "The file of the draws (structgen sample-report reads it)."),
    "prompts": Flag(
        Path,
        'A file of prompts: on each line a JSON string, {"prompt": ...}, {"messages": [...]}, or the prompt '
        "itself.",
        is_needed=True,
    ),
    "out": Flag(
        Path,
        "The file of results, in the order of the prompts when all are there. A second call goes on where "
        "the first one stopped; FILE.run keeps the options, and other options are refused.",
        is_needed=True,
    ),
    "start_over": Flag(bool, "Delete the results that are there."),
    "ray": Flag(bool, "Work on Ray, on the cluster of RAY_ADDRESS or on this machine."),
    "workers": Flag(
        int, "With --ray: how many workers load the model.  [default: one for each GPU or processor]", least=1
    ),
    # --- explain --------------------------------------------------------------------------------------------
    "lines": Flag(int, "Lines that tell what a document is.  [default: 400]", least=1),
    "openai": Flag(bool, "Also what a server for OpenAI's strict outputs refuses."),
    "prove": Flag(bool, "Also look for constraints that the rest of the schema makes idle."),
    "sentences": Flag(int, "Random texts of a grammar.  [default: 0]", least=0),
    "tokenizer": Flag(
        Path, "Also which bytes this tokenizer lacks: a file, a folder, or the name of a model."
    ),
    # --- infill ---------------------------------------------------------------------------------------------
    "infill model": Flag(
        str,
        "structgen/infill, for short infill, which is included; or a folder with a masked-diffusion model.  "
        "[default: structgen/infill]",
    ),
    "template": Flag(
        Path,
        "A file of text with holes: {name: int}, {name: /regex/, 8}; {name} with --schema, "
        "--grammar or -o holes; - is standard input.",
    ),
    "given": Flag(
        str,
        "With --schema: the fields that are known, a file of JSON or its text: {...}; the others are holes.",
        "FILE|JSON",
    ),
    "infill prompt": Flag(str, "The prompt."),
    "slots": Flag(
        list[str],
        "Tokens that each hole, or the one of that name, has room for. May be given several times.  "
        "[default: 64, fewer where the context leaves fewer]",
        "N|NAME=N",
    ),
    "scheduler": Flag(
        str,
        "auto, which fills as many slots in a step as the model is sure of; left-to-right, which fills one.  "
        "[default: auto]",
    ),
    "infill temperature": Flag(float, "0 takes the most probable tokens.  [default: 0]", least=0.0),
    "infill stream": Flag(bool, "Print the canvas behind each step, on stderr."),
    # --- warmup ---------------------------------------------------------------------------------------------
    "warmup tokenizer": Flag(
        Path,
        "Also build and keep this tokenizer's tables: a tokenizer.json, a tekken.json, a "
        "SentencePiece model, a folder with one of them, or the name of a model (structgen models).",
    ),
    "warmup grammar": Flag(
        Path, "Also load this Lark grammar, and work out what its masks are made of for the tokenizer."
    ),
    "text": Flag(
        list[Path],
        "Also fill the masks along this text of the grammar, and keep them; may be repeated.",
    ),
    "jobs": Flag(int, "Processes that compile; the processors, at most 4.", least=1),
    "target": Flag(
        str,
        "Write machine code for other machines: generic (x86-64-v3 or armv8), x86-64-v2, x86-64-v3, "
        "x86-64-v4 or armv8.",
    ),
    "output": Flag(
        Path, "Where --target writes; default: into the package, from where a wheel takes it along."
    ),
    # --- serve ----------------------------------------------------------------------------------------------
    "host": Flag(
        str, "The address; 0.0.0.0: reachable from other machines, give keys then.  [default: 127.0.0.1]"
    ),
    "allowed_host": Flag(
        list[str],
        "Another name under which the server is asked (the header Host), beside its own; *.NAME: those below "
        "it; *: any. May be given several times.",
        "NAME",
    ),
    "port": Flag(int, "0: one that is free.  [default: 8000]", least=0, most=65_535),
    "name": Flag(str, "The name under which requests ask for the model.  [default: MODEL]"),
    "api_key_file": Flag(
        Path,
        "A file with a key on each line; the variable STRUCTGEN_API_KEY has one too. Requests need "
        "one of them; all are compared in constant time.",
    ),
    "tool_format": Flag(
        str,
        f"How the model writes calls of tools: {', '.join(FORMATS)}.  [default: told by its chat template]",
    ),
    "chat_template": Flag(
        Path,
        "A file with the chat template, in jinja.  [default: the model's own; where it has none, a "
        "line for each message behind its role]",
    ),
    "thinking": Flag(
        str,
        "The closing tag of thoughts, such as </think>: each reply begins with thoughts.  [default: "
        "only where the chat template opens some]",
    ),
    "thinking_tokens": Flag(
        int, "The most tokens of thoughts.  [default: 1024, or a fourth of the context]", least=0
    ),
    "max_rows": Flag(int, "The most texts that are written at the same time.  [default: 32]", least=1),
    "timeout": Flag(float, "The most seconds of a text.  [default: 600]", least=0.1),
    "device": Flag(str, "cpu, cuda, ..."),
}
"""Flags by name; those of one command, where another one has the name too, by both."""
_OPTIONS = typer.Option(
    "--options", help="A file of TOML with options by name; -o goes before it.", show_default=False
)
_NAMED = typer.Option(
    "-o",
    metavar="NAME=VALUE",
    help="An option by its name in Python, as in -o top_p=0.9 (listed below); a list is given by "
    "several, or as JSON.",
    show_default=False,
)


def reads(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator of commands: `function(given, ...)` gets the options, the flags of these names among
    them, and keeps its further parameters. Errors of reading are refused."""
    return lambda function: _command(function, names)


def _command(function: Callable[..., None], names: tuple[str, ...]) -> Callable[..., None]:
    command = function.__name__
    own = list(inspect.signature(function).parameters.values())[1:]
    hints = get_type_hints(function, include_extras=True)
    parameters = [
        *(_parameter(name, FLAGS.get(f"{command} {name}") or FLAGS[name]) for name in names),
        *(one.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[one.name]) for one in own),
        _keyword("options", Annotated[Path | None, _OPTIONS]),
        _keyword("named", Annotated[list[str] | None, _NAMED]),
    ]

    @functools.wraps(function)
    def run(**values: Any) -> None:
        file, named = values.pop("options"), values.pop("named")
        mine = {one.name: values.pop(one.name) for one in own}
        with refusing(bool(values.get("json") or mine.get("as_json"))):
            given = read_options(command, {**values, **mine}, named, file)
            with spelled_errors(given):
                function(given, **mine)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    del run.__wrapped__
    return run


def _parameter(name: str, flag: Flag) -> inspect.Parameter:
    option = typer.Option(
        f"--{name.replace('_', '-')}",
        metavar=flag.metavar,
        help=flag.help,
        min=flag.least,
        max=flag.most,
        show_default=False,
    )
    if flag.kind is bool:
        return _keyword(name, Annotated[bool, option], False)
    if flag.is_needed:
        return _keyword(name, Annotated[flag.kind, option], inspect.Parameter.empty)
    return _keyword(name, Annotated[flag.kind | None, option])


def _keyword(name: str, annotation: Any, default: Any = None) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
