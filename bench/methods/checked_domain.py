"""What the domains of checked sampling share: a task, and the checks that every domain can be asked for.

A domain is a module with `tasks()`, forty tasks that were written by hand, `small()`, a task whose law can
be enumerated, and `missing()`, the package that it needs and that is not installed. A task has a grammar,
which is a mask, and a checker, which no grammar expresses. The five domains are those of *Fast Controlled
Generation from Language Models with Adaptive Weighted Rejection Sampling* (Lipkin et al. 2025): text to
SQL, molecules, goals of planning problems, patterns, JSON. The tasks are not theirs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import structgen as sg

TASKS = Path(__file__).with_name("domains")


@dataclass(frozen=True)
class DomainTask:
    """One question to a model."""

    name: str
    prompt: str
    grammar: sg.Grammar
    checker: Any
    """See `structgen.samplers.checkers`. It never raises, and answers alike each time."""
    is_right: Callable[[str], bool]
    """Whether a text that the checker accepts answers the question."""
    answer: str
    """A right text."""
    max_tokens: int = 40


def read(name: str) -> dict[str, Any]:
    """Return what a file of tasks says."""
    found: dict[str, Any] = json.loads((TASKS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def lark(name: str) -> sg.Grammar:
    """Return a grammar that ships."""
    return sg.lark(Path(__file__).parents[2] / "grammars" / f"{name}.lark")


def lacking(package: str) -> str:
    """Return the package if it is not installed, else an empty text."""
    return "" if find_spec(package) else package


def shown(pairs: Sequence[tuple[str, str]], question: str) -> str:
    """Return questions with their answers, and then a question."""
    return "\n".join([*(f"{asked}\n{said}\n" for asked, said in pairs), question])


def accepts(checker: Any, text: str) -> bool:
    """Return whether a checker accepts a whole text, asked as a sampler asks it: about each prefix first."""
    data = text.encode()
    if hasattr(checker, "viable") and not all(checker.viable(data[:end]) for end in range(len(data) + 1)):
        return False
    return bool(checker.final(text))
