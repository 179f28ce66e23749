"""The options of commands that exclude or need one another: a table like those of Python's options.

Each pair of options is tried in tests/doors/cli/test_flag_exclusions.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from structgen.decoding.runs.exclusions import Exclusion, Exclusions
from structgen.doors.cli.flags import LANGUAGES, OF_GROUNDING, OF_LARK, OF_TOOLS, POLICIES
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
        "Only one of --schema, --type, --grammar, -o ebnf and --regex may be given.",
        "Give one.",
        beside=lambda options: len(options.select_given(LANGUAGES)) > 1,
    ),
    Exclusion(
        (*LANGUAGES, "wrap", "outline", "stop", "trace", "logprobs", "without"),
        "It has no meaning beside --tools.",
        "Leave one of them out.",
        beside="tools",
    ),
    Exclusion(OF_TOOLS, "It needs tools.", "Name their file: --tools FILE.", without="tools"),
    Exclusion(OF_LARK[1:], "It needs a Lark grammar.", "Name its file: --grammar FILE.", without="grammar"),
    Exclusion("start", "It needs a grammar.", "Name its file: --grammar FILE.", without=("grammar", "ebnf")),
    Exclusion("without", "It needs a schema or a grammar.", "Give one beside it.", without=LANGUAGES),
    Exclusion(
        POLICIES, "It needs a schema or a type.", "Add --schema FILE.", without=("schema", "type", "tools")
    ),
    Exclusion("wrap", "It is of types.", "Add --type, or leave it out.", without="type"),
    # --- speculation
    Exclusion(
        ("edit", "draft_model"),
        "Nothing is guessed with speculation=off.",
        "Leave one of them out.",
        beside=lambda options: options.get("speculation") == "off",
    ),
    Exclusion(
        ("edit", "draft_model"),
        "It is an option of the table speculation too.",
        """Write it there: -o speculation='{"draft_model": "FOLDER"}'.""",
        beside=lambda options: isinstance(options.get("speculation"), dict),
    ),
    Exclusion(
        "edit",
        "Standard input is the prompt already.",
        "Name a file, or give the prompt.",
        beside=lambda options: options.get("edit") == options.get("prompt") == "-",
    ),
    # --- texts
    Exclusion(
        "n",
        "--stream, a trace and evidence are of one text only.",
        "Leave one of them out.",
        beside=lambda options: (
            options.get("n") != 1 and options.select_given(("stream", "trace", "evidence"))
        ),
    ),
    Exclusion(
        "evidence", "Evidence is of grounded answers.", "Add -o grounded=true.", without=_are_texts_given
    ),
    Exclusion(
        OF_GROUNDING,
        "The arguments of calls are not held to texts.",
        "Leave one of them out.",
        beside="tools",
    ),
    # --- models on servers
    Exclusion(
        "model",
        "A server gives neither rows of probabilities nor a model that fills masks.",
        "Use structgen generate or structgen bulk, or name a model of this machine.",
        beside=lambda options: options.is_served and options.command in ("sample", "infill"),
    ),
    Exclusion(
        "ray",
        "Workers on Ray load a model, and this one is on a server.",
        "Leave --ray out: one process asks the server for many texts at a time.",
        beside=_is_served,
    ),
    Exclusion(
        (
            *("logprobs", "trace", "speculation", "edit", "draft_model", "strategy", "banned", "device"),
            *("dtype", "without", "choices", "canonical", "healing", "end_margin", *POLICIES),
        ),
        "It has no meaning for a model on a server, which chooses the tokens itself.",
        "Leave it out, or name a model of this machine.",
        beside=_is_served,
    ),
    # --- workers on Ray
    Exclusion(
        ("workers", "engine", "engine_options", "shard_size"),
        "It is for workers on Ray.",
        "Add --ray, or leave it out.",
        without="ray",
    ),
    Exclusion("cache_bytes", "It is not an option of workers on Ray.", "Leave it out.", beside="ray"),
    # --- options that a command needs
    Exclusion(
        "--schema",
        "One of --schema, --type, --grammar, -o ebnf and --regex is needed.",
        "Give one: --schema FILE, for example.",
        when=lambda options: options.command in ("check", "explain") and _is_without_language(options),
    ),
    Exclusion("output", "It is the folder of --target.", "Add --target generic.", without="target"),
    Exclusion(
        "target",
        "--target writes machine code alone.",
        "Leave out --grammar and --tokenizer, or prepare them by a second call without --target.",
        beside=("grammar", "tokenizer"),
    ),
    Exclusion(
        "--schema",
        "Nothing says which texts are valid, and the model's free texts are draws already.",
        "Give --schema, --type, --grammar or --regex; or take structgen generate --temperature 1.",
        when=lambda options: options.command == "sample" and _is_without_language(options),
    ),
    Exclusion(
        "out",
        "There is no folder for the file.",
        "Make it, or name another file.",
        beside=lambda options: (
            options.command == "sample" and not Path(options.get("out", ".")).parent.is_dir()
        ),
    ),
)
"""Rows in the order in which they are asked; each error names an option as Python does."""
