"""What the options of a command exclude and need: rows as those of Python's options.

A row's test returns the option that the error names, as it is spelled on the command line, or "".
Each pair of options is tried in tests/cli/test_flag_exclusions.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from structgen.cli.named_options import Given
from structgen.cli.option_names import LANGUAGES, OF_LARK, OF_TOOLS, POLICIES
from structgen.language.exclusions import Exclusion


def _first(given: Given, names: Iterable[str]) -> str:
    return next((given.spelled(name) for name in names if name in given), "")


def _row(found: Callable[[Given], str], text: str, cure: str) -> Exclusion:
    return Exclusion(found, "{}", text, cure)


def _needs(names: Iterable[str], others: Iterable[str], text: str, cure: str) -> Exclusion:
    """Return the row of options that need one of others."""
    return _row(lambda given: "" if given.some(others) else _first(given, names), text, cure)


def _second_language(given: Given) -> str:
    named = [given.spelled(name) for name in LANGUAGES if name in given]
    return named[1] if len(named) > 1 else ""


def _folder_is_missing(given: Given) -> str:
    is_missing = given.command == "sample" and not Path(given.get("out", ".")).parent.is_dir()
    return _first(given, ["out"]) if is_missing else ""


_OF_A_LANGUAGE: Final = ("check", "explain")
_GUESSES: Final = ("edit", "draft_model")
_NOT_ASKED: Final = ("sample", "infill")
"""Commands that ask no server."""
_NOT_OF_SERVERS: Final = (
    *("logprobs", "trace", "speculation", *_GUESSES, "strategy", "monitors", "banned", "device", "dtype"),
    *("without", "choices", "canonical", "healing", "end_margin", *POLICIES),
)

OF_FLAGS: Final = (
    _row(
        _second_language,
        "Only one of --schema, --type, --grammar, -o ebnf and --regex may be given.",
        "Give one.",
    ),
    _row(
        lambda given: (
            _first(given, (*LANGUAGES, "wrap", "outline", "stop", "trace", "logprobs", "without"))
            if "tools" in given
            else ""
        ),
        "It has no meaning beside --tools.",
        "Leave one of them out.",
    ),
    _needs(OF_TOOLS, ["tools"], "It needs tools.", "Name their file: --tools FILE."),
    _needs(OF_LARK[1:], ["grammar"], "It needs a Lark grammar.", "Name its file: --grammar FILE."),
    _needs(["start"], ["grammar", "ebnf"], "It needs a grammar.", "Name its file: --grammar FILE."),
    _needs(["without"], LANGUAGES, "It needs a schema or a grammar.", "Give one beside it."),
    _needs(POLICIES, ["schema", "type", "tools"], "It needs a schema or a type.", "Add --schema FILE."),
    _needs(["wrap"], ["type"], "It is of types.", "Add --type, or leave it out."),
    _row(
        lambda given: _first(given, _GUESSES) if given.get("speculation") == "off" else "",
        "Nothing is guessed with speculation=off.",
        "Leave one of them out.",
    ),
    _row(
        lambda given: _first(given, _GUESSES) if isinstance(given.get("speculation"), dict) else "",
        "It is an option of the table speculation too.",
        'Write it there: -o speculation=\'{"draft_model": "FOLDER"}\'.',
    ),
    _row(
        lambda given: _first(given, ["edit"]) if given.get("edit") == given.get("prompt") == "-" else "",
        "Standard input is the prompt already.",
        "Name a file, or give the prompt.",
    ),
    _row(
        lambda given: (
            _first(given, ["n"]) if given.get("n", 1) != 1 and given.some(("stream", "trace")) else ""
        ),
        "--stream and a trace are of one text only.",
        "Leave one of them out.",
    ),
    _row(
        lambda given: _first(given, ["model"]) if given.is_served and given.command in _NOT_ASKED else "",
        "A server gives neither rows of probabilities nor a model that fills masks.",
        "Use structgen generate or structgen bulk, or name a model of this machine.",
    ),
    _row(
        lambda given: _first(given, ["ray"]) if given.is_served and "ray" in given else "",
        "Workers on Ray load a model, and this one is on a server.",
        "Leave --ray out: one process asks the server for many texts at a time.",
    ),
    _row(
        lambda given: _first(given, _NOT_OF_SERVERS) if given.is_served else "",
        "It has no meaning for a model on a server, which chooses the tokens itself.",
        "Leave it out, or name a model of this machine.",
    ),
    _needs(
        ["workers", "engine", "engine_options", "shard_size"],
        ["ray"],
        "It is for workers on Ray.",
        "Add --ray, or leave it out.",
    ),
    _row(
        lambda given: _first(given, ["cache_bytes"]) if "ray" in given else "",
        "It is not an option of workers on Ray.",
        "Leave it out.",
    ),
    _row(
        lambda given: "--schema" if given.command in _OF_A_LANGUAGE and not given.some(LANGUAGES) else "",
        "One of --schema, --type, --grammar, -o ebnf and --regex is needed.",
        "Give one: --schema FILE, for example.",
    ),
    _needs(["text"], ["grammar"], "It needs a Lark grammar.", "Name its file: --grammar FILE."),
    _needs(["output"], ["target"], "It is the folder of --target.", "Add --target generic."),
    _row(
        lambda given: "--target" if "target" in given and given.some(["grammar", "tokenizer"]) else "",
        "--target writes machine code alone.",
        "Leave out --grammar and --tokenizer, or prepare them by a second call without --target.",
    ),
    _row(
        lambda given: "--schema" if given.command == "sample" and not given.some(LANGUAGES) else "",
        "Nothing says which texts are valid, and the model's free texts are draws already.",
        "Give --schema, --type, --grammar or --regex; or take structgen generate --temperature 1.",
    ),
    _row(_folder_is_missing, "There is no folder for the file.", "Make it, or name another file."),
)
"""Rows in the order in which they are asked."""
