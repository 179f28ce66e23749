"""What the domains of checked sampling share: a task, and the checks that every domain can be asked for.

A domain is a module with `tasks()`, forty tasks that were written by hand, `small()`, a task whose law can
be enumerated, and `missing()`, the command that installs what it needs. A task has a grammar,
which is a mask, and a checker, which no grammar expresses. The five domains are those of *Fast Controlled
Generation from Language Models with Adaptive Weighted Rejection Sampling* (Lipkin et al. 2025): text to
SQL, molecules, goals of planning problems, patterns, JSON. The tasks are not theirs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import structgen as sg
from structgen.errors import StructgenError

TASKS = Path(__file__).with_name("domains")


@dataclass(frozen=True)
class DomainTask:
    """One question to a model."""

    name: str
    told: str
    """What the model is told first."""
    shown: Sequence[tuple[str, str]]
    """Worked examples: questions with their answers. None of them is one of the forty tasks."""
    question: str
    grammar: sg.Grammar
    checker: Any
    """See `structgen.decoding.samplers.checkers`. It never raises, and answers alike each time."""
    is_right: Callable[[str], bool]
    """Whether a text that the checker accepts answers the question."""
    answer: str
    """A right text."""
    max_tokens: int = 40

    def messages(self) -> list[dict[str, str]]:
        """Return the task as chat messages: each worked example is a question of the user and an answer of
        the model."""
        found = [{"role": "system", "content": self.told}]
        for asked, said in self.shown:
            found += [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
        return [*found, {"role": "user", "content": self.question}]

    def text(self) -> str:
        """Return the task as one text, for a model that reads no messages."""
        return "\n\n".join(one["content"] for one in self.messages()) + "\n"


def read(name: str) -> dict[str, Any]:
    """Return what a file of tasks says."""
    found: dict[str, Any] = json.loads((TASKS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def lark(name: str) -> sg.Grammar:
    """Return a grammar that ships."""
    return sg.lark(Path(__file__).parents[2] / "grammars" / f"{name}.lark")


def lacking(package: str, command: str) -> str:
    """Return the command that installs a package if it is not installed, else an empty text."""
    return "" if find_spec(package) else command


def needed(module: str, command: str) -> Any:
    """Return a module of a package. Raises StructgenError with the command that installs it where it is
    missing."""
    try:
        return import_module(module)
    except ImportError as error:
        raise StructgenError(f"{module} is not installed.", where="import", cure=command) from error


def accepts(checker: Any, text: str) -> bool:
    """Return whether a checker accepts a whole text, asked as a sampler asks it: about each prefix first."""
    data = text.encode()
    if hasattr(checker, "viable") and not all(checker.viable(data[:end]) for end in range(len(data) + 1)):
        return False
    return bool(checker.final(text))
