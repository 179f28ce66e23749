"""The options of commands that exclude or need one another: a table like those of Python's options.

Each pair of options is tried in tests/doors/cli/test_flag_exclusions.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from structgen.decoding.runs.exclusions import Exclusion, Exclusions
from structgen.doors.cli.flags import LANGUAGES, OF_LARK, OF_TOOLS, POLICIES
from structgen.doors.cli.named_options import CommandOptions


def _are_texts_given(options: CommandOptions) -> bool:
    """Tell whether answers are held to texts."""
    return options.get("grounded", False) is not False or bool(options.get("quotes"))


def _is_served(options: CommandOptions) -> bool:
    """Tell whether the model is on a server."""
    return options.is_served


def _is_without_language(options: CommandOptions) -> bool:
    """Tell whether no option names a language."""
    return not options.select_given(LANGUAGES)


OF_FLAGS: Final = Exclusions(
    # --- languages, and their options
    Exclusion(
        LANGUAGES[::-1],
        "Only one of --schema, --type, --grammar, -o ebnf and --regex is allowed.",
        "Remove the others.",
        beside=lambda options: len(options.select_given(LANGUAGES)) > 1,
    ),
    Exclusion(
        (*LANGUAGES, "wrap", "outline", "stop", "trace", "logprobs", "without"),
        "The option has no effect with --tools.",
        "Remove one of them.",
        beside="tools",
    ),
    Exclusion(OF_TOOLS, "The option needs tools.", "Name their file: --tools FILE.", without="tools"),
    Exclusion(
        OF_LARK[1:], "The option needs a Lark grammar.", "Name its file: --grammar FILE.", without="grammar"
    ),
    Exclusion(
        "start", "The option needs a grammar.", "Name its file: --grammar FILE.", without=("grammar", "ebnf")
    ),
    Exclusion("without", "The option needs a schema or a grammar.", "Pass one too.", without=LANGUAGES),
    Exclusion(
        POLICIES,
        "The option needs a schema or a type.",
        "Add --schema FILE.",
        without=("schema", "type", "tools"),
    ),
    Exclusion("wrap", "The option is for types.", "Add --type, or remove it.", without="type"),
    # --- speculation
    Exclusion(
        ("edit", "draft_model"),
        "The option has no effect with speculation=off.",
        "Remove one of them.",
        beside=lambda options: options.get("speculation") == "off",
    ),
    Exclusion(
        ("edit", "draft_model"),
        "The option is set in the table speculation too.",
        """Write it there: -o speculation='{"draft_model": "FOLDER"}'.""",
        beside=lambda options: isinstance(options.get("speculation"), dict),
    ),
    Exclusion(
        "edit",
        "Standard input is already the prompt.",
        "Name a file, or pass the prompt.",
        beside=lambda options: options.get("edit") == options.get("prompt") == "-",
    ),
    # --- texts
    Exclusion(
        "n",
        "--stream, a trace and evidence are of one text only.",
        "Remove one of them.",
        beside=lambda options: (
            options.get("n") != 1 and options.select_given(("stream", "trace", "evidence"))
        ),
    ),
    Exclusion(
        "evidence", "The option needs grounded answers.", "Add -o grounded=true.", without=_are_texts_given
    ),
    # --- models on servers
    Exclusion(
        "model",
        "A server provides neither rows of probabilities nor a model that fills masks.",
        "Use structgen generate or structgen bulk, or name a model of this machine.",
        beside=lambda options: options.is_served and options.command in ("sample", "infill"),
    ),
    Exclusion(
        "ray",
        "Workers on Ray load a model, and this model is on a server.",
        "Remove --ray: one process asks the server for many texts at a time.",
        beside=_is_served,
    ),
    Exclusion(
        (
            *("logprobs", "trace", "speculation", "edit", "draft_model", "strategy", "banned", "device"),
            *("dtype", "without", "choices", "canonical", "healing", "end_margin", *POLICIES),
        ),
        "The option has no effect with a server, which chooses the tokens itself.",
        "Remove it, or name a model of this machine.",
        beside=_is_served,
    ),
    # --- workers on Ray
    Exclusion(
        ("workers", "engine", "engine_options", "shard_size"),
        "The option is for workers on Ray.",
        "Add --ray, or remove it.",
        without="ray",
    ),
    Exclusion("cache_bytes", "The option does not apply to workers on Ray.", "Remove it.", beside="ray"),
    # --- options that a command needs
    Exclusion(
        "--schema",
        "One of --schema, --type, --grammar, -o ebnf and --regex is needed.",
        "Pass one: --schema FILE, for example.",
        when=lambda options: options.command in ("check", "explain") and _is_without_language(options),
    ),
    Exclusion("output", "The option is the folder of --target.", "Add --target generic.", without="target"),
    Exclusion(
        "target",
        "--target writes machine code alone.",
        "Remove --grammar and --tokenizer, or prepare them by a second call without --target.",
        beside=("grammar", "tokenizer"),
    ),
    Exclusion(
        "--schema",
        "Free text has no constraint to sample under.",
        "Pass --schema, --type, --grammar or --regex; or use structgen generate --temperature 1.",
        when=lambda options: options.command == "sample" and _is_without_language(options),
    ),
    Exclusion(
        "out",
        "The folder for the file does not exist.",
        "Make it, or name another file.",
        beside=lambda options: (
            options.command == "sample" and not Path(options.get("out", ".")).parent.is_dir()
        ),
    ),
)
"""Rows in the order in which they are asked; each error names an option as Python does."""
