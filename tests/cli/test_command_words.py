"""A command that is not known: the error names that which is meant, or nearly written."""

from __future__ import annotations

from typing import Any

import pytest
from for_each import for_each
from typer.main import get_command

from structgen.cli import SUMMARIES, app
from structgen.cli.command_words import MEANT

GROUP: Any = get_command(app())


def told(word: str) -> str:
    """Return what is said of a command that is not known."""
    with pytest.raises(Exception, match="No such command") as caught:
        GROUP.main([word], prog_name="structgen", standalone_mode=False)
    return str(caught.value.message)  # type: ignore[attr-defined]


@for_each(
    ("word", "command"),
    [
        ("validate", "check"),
        ("draw", "sample"),
        ("batch", "bulk"),
        ("lint", "check"),
        ("verify", "check"),
        ("compile", "warmup"),
        ("run", "generate"),
        ("chat", "generate"),
        ("complete", "generate"),
        ("ask", "generate"),
        ("tokenize", "explain"),
        ("masks", "maskbench"),
        ("benchmark", "maskbench"),
        ("server", "serve"),
        ("install", "models"),
        ("Validat", "check"),
    ],
)
def test_a_word_of_other_tools_names_the_command_of_its_meaning(word: str, command: str) -> None:
    assert f"No such command '{word}'. Did you mean '{command}" in told(word)
    assert SUMMARIES[command] in told(word)


def test_each_word_names_a_command_that_there_is_with_its_options() -> None:
    known = GROUP.commands
    words = [word for group in MEANT.values() for word in group.split()]
    assert len(words) == len(set(words)) and not set(words) & set(known)
    for meant in MEANT:
        command, *options = meant.split()
        assert set(options) <= {name for one in known[command].params for name in one.opts}, meant
    for word in words:
        assert "Did you mean" in told(word)


@for_each("command", sorted(SUMMARIES))
def test_a_command_with_one_letter_wrong_names_that_command(command: str) -> None:
    slips = {command[:at] + command[at + 1 :] for at in range(len(command))}
    slips |= {command[:at] + "q" + command[at:] for at in range(len(command) + 1)}
    slips |= {command[:at] + letter + command[at + 1 :] for at in range(len(command)) for letter in "xe"}
    slips |= {command[:at] + command[at : at + 2][::-1] + command[at + 2 :] for at in range(len(command) - 1)}
    for slip in slips - set(SUMMARIES):
        if not slip.startswith("-"):
            assert f"'{command}'" in told(slip), slip


def test_a_word_like_none_is_told_alone() -> None:
    assert told("qqqq") == "No such command 'qqqq'."
