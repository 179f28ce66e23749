"""What the options of `generate`, `sample` and `bulk` exclude, and what they need: one table.

A row has a test, the error's text and its cure. The test returns the option that the error names, or "".
Each pair of options is tried in tests/cli/test_contradictions.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Final

from structgen.cli.named_options import Given
from structgen.cli.option_names import LANGUAGES, OF_LARK, OF_TOOLS, POLICIES
from structgen.errors import OptionError

Test = Callable[[Given], str]


def check(given: Given) -> None:
    """Raise OptionError where options exclude one another, or one needs another that is not there."""
    for test, what, cure in CONTRADICTIONS:
        name = test(given)
        if name:
            raise OptionError(what, where=given.spelled(name), cure=cure)


def _apart(one: Sequence[str], *others: str) -> Test:
    """Return the test of options of which none goes with any of others: it names the one of `others`."""
    return lambda given: next(
        (name for name in others if name in given and any(map(given.__contains__, one))), ""
    )


def _needs(names: Sequence[str], *others: str) -> Test:
    """Return the test of options that need one of others."""
    return lambda given: (
        "" if any(map(given.__contains__, others)) else next((name for name in names if name in given), "")
    )


def _of_server(given: Given) -> str:
    names = (
        *("logprobs", "trace", "speculation", "edit", "draft_model", "strategy", "monitors", "banned"),
        *("device", "dtype", "device_masks", "graphs", "without", "choices", "canonical", "healing"),
        *("steer_early", *POLICIES),
    )
    return next((name for name in names if name in given), "") if is_served(given) else ""


def is_served(given: Given) -> bool:
    """Return whether the model is on a server."""
    return str(given.get("model", "")).startswith("openai:")


def _folder_is_missing(given: Given) -> str:
    named = given.some(("out", "tree") if given.command == "sample" else ())
    return next((name for name, path in named.items() if not Path(path).parent.is_dir()), "")


CONTRADICTIONS: Final[list[tuple[Test, str, str]]] = [
    *(
        (
            _apart((one,), two),
            "Only one of --schema, --type, --grammar, -o ebnf and --regex may be given.",
            "Give one.",
        )
        for one, two in combinations(LANGUAGES, 2)
    ),
    (
        _apart(("tools",), *LANGUAGES, "wrap", "outline", "stop", "trace", "logprobs", "without"),
        "It has no meaning beside --tools.",
        "Leave one of them out.",
    ),
    (_needs(OF_TOOLS, "tools"), "It needs tools.", "Name their file: --tools FILE."),
    (_needs(OF_LARK[1:], "grammar"), "It needs a Lark grammar.", "Name its file: --grammar FILE."),
    (_needs(("start",), "grammar", "ebnf"), "It needs a grammar.", "Name its file: --grammar FILE."),
    (_needs(("without",), *LANGUAGES), "It needs a schema or a grammar.", "Give one beside it."),
    (_needs(POLICIES, "schema", "type", "tools"), "It needs a schema or a type.", "Add --schema FILE."),
    (_needs(("wrap",), "type"), "It is of types.", "Add --type, or leave it out."),
    (
        lambda given: (
            next(iter(given.some(("edit", "draft_model"))), "") if given.get("speculation") == "off" else ""
        ),
        "Nothing is guessed with speculation=off.",
        "Leave one of them out.",
    ),
    (
        lambda given: (
            next(iter(given.some(("edit", "draft_model"))), "")
            if isinstance(given.get("speculation"), dict)
            else ""
        ),
        "It is an option of the table speculation too.",
        'Write it there: -o speculation=\'{"draft_model": "FOLDER"}\'.',
    ),
    (
        lambda given: "edit" if given.get("edit") == "-" and given.get("prompt") == "-" else "",
        "Standard input is the prompt already.",
        "Name a file, or give the prompt.",
    ),
    (
        lambda given: "n" if given.get("n", 1) != 1 and ("stream" in given or "trace" in given) else "",
        "--stream and a trace are of one text only.",
        "Leave one of them out.",
    ),
    (
        lambda given: "model" if is_served(given) and given.command != "generate" else "",
        "A server gives neither rows of probabilities nor files of results.",
        "Use structgen generate, or name a model of this machine.",
    ),
    (
        _of_server,
        "It has no meaning for a model on a server, which chooses the tokens itself.",
        "Leave it out, or name a model of this machine.",
    ),
    (
        _needs(("workers", "engine", "engine_options", "shard_size"), "ray"),
        "It is for workers on Ray.",
        "Add --ray, or leave it out.",
    ),
    (
        _apart(("ray",), "device_masks", "graphs", "cache_bytes"),
        "It is not an option of workers on Ray.",
        "Leave it out.",
    ),
    (
        lambda given: "schema" if given.command == "sample" and not given.some(LANGUAGES) else "",
        "Nothing says which texts are valid, and the model's free texts are draws already.",
        "Give --schema, --type, --grammar or --regex; or take structgen generate --temperature 1.",
    ),
    (_folder_is_missing, "There is no folder for the file.", "Make it, or name another file."),
]
"""(test, text, cure), in the order in which they are asked."""
