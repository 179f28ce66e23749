"""What the options of a command exclude and need: a table as those of Python's options.

Each pair of options is tried in tests/doors/cli/test_flag_exclusions.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from structgen.base.language.exclusions import Exclusion, Exclusions
from structgen.doors.cli.flags import LANGUAGES, OF_GROUNDING, OF_LARK, OF_TOOLS, POLICIES
from structgen.doors.cli.named_options import Given


def _are_texts_given(given: Given) -> bool:
    return given.get("grounded", False) is not False or bool(given.get("quotes"))


def _is_served(given: Given) -> bool:
    return given.is_served


def _is_without_language(given: Given) -> bool:
    return not given.some(LANGUAGES)


OF_FLAGS: Final = Exclusions(
    Exclusion(
        LANGUAGES[::-1],
        "Only one of --schema, --type, --grammar, -o ebnf and --regex may be given.",
        "Give one.",
        beside=lambda given: len(given.some(LANGUAGES)) > 1,
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
    Exclusion(
        ("edit", "draft_model"),
        "Nothing is guessed with speculation=off.",
        "Leave one of them out.",
        beside=lambda given: given.get("speculation") == "off",
    ),
    Exclusion(
        ("edit", "draft_model"),
        "It is an option of the table speculation too.",
        """Write it there: -o speculation='{"draft_model": "FOLDER"}'.""",
        beside=lambda given: isinstance(given.get("speculation"), dict),
    ),
    Exclusion(
        "edit",
        "Standard input is the prompt already.",
        "Name a file, or give the prompt.",
        beside=lambda given: given.get("edit") == given.get("prompt") == "-",
    ),
    Exclusion(
        "n",
        "--stream, a trace and evidence are of one text only.",
        "Leave one of them out.",
        beside=lambda given: given.get("n") != 1 and given.some(("stream", "trace", "evidence")),
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
    Exclusion(
        "model",
        "A server gives neither rows of probabilities nor a model that fills masks.",
        "Use structgen generate or structgen bulk, or name a model of this machine.",
        beside=lambda given: given.is_served and given.command in ("sample", "infill"),
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
    Exclusion(
        ("workers", "engine", "engine_options", "shard_size"),
        "It is for workers on Ray.",
        "Add --ray, or leave it out.",
        without="ray",
    ),
    Exclusion("cache_bytes", "It is not an option of workers on Ray.", "Leave it out.", beside="ray"),
    Exclusion(
        "--schema",
        "One of --schema, --type, --grammar, -o ebnf and --regex is needed.",
        "Give one: --schema FILE, for example.",
        when=lambda given: given.command in ("check", "explain") and _is_without_language(given),
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
        when=lambda given: given.command == "sample" and _is_without_language(given),
    ),
    Exclusion(
        "out",
        "There is no folder for the file.",
        "Make it, or name another file.",
        beside=lambda given: given.command == "sample" and not Path(given.get("out", ".")).parent.is_dir(),
    ),
)
"""Rows in the order in which they are asked; each error names an option as Python does."""
