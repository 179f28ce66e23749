"""The tasks of the examination of answers (bench/answers/): their types, and what an answer is worth.

A task is an object of JSON:

- `id`, `kind`; `prompt`: the question as one writes it in a docstring; `other`: the same in other words;
  `text`, where there is one, stands at `{text}` in both;
- `type`: `{"python", "returns"}` is source of Python's classes and an annotation; `{"regex"}`, `{"lark"}` are
  grammars of a text; `{"tools"}` is the source of functions, of which one is to be called;
- `answer`: the certain answer as JSON. That of tools is `{"name", "arguments"}`, or the name alone;
- `accepts`: by JSON Pointer, other spellings that are right; `compare`: by JSON Pointer, `exact` for a text,
  `ordered` for a list;
- `language` and `examples`, in the halves `stated-open` and `stated-sealed`: the language of the text, and
  two worked examples of the same type, each `{"text", "answer"}`. Both halves are older than the code that
  they examine, and their writers had not seen it.

A field is a value of `answer` that is no object and no list. Texts are equal but for case, white space and
one full stop at the end; numbers by value. An item of a list is looked for anywhere, but in `ordered` lists
at its place; each item more than the answer has costs one field of its list.

This file needs pydantic alone, since other libraries read the tasks in environments of their own.
"""

from __future__ import annotations

import datetime as dt
import enum
import inspect
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, TypeAdapter, create_model

ANSWERS = Path(__file__).parent / "answers"
HALVES = ("open", "sealed")
WORDINGS = ("first", "other")


@dataclass(frozen=True)
class Task:
    """A question with its certain answer, as this file's beginning says."""

    id: str
    kind: str
    prompt: str
    other: str
    type: Mapping[str, str]
    answer: Any
    text: str | None = None
    accepts: Mapping[str, list[str]] = field(default_factory=dict)
    compare: Mapping[str, str] = field(default_factory=dict)
    language: str = "en"
    examples: Sequence[Mapping[str, Any]] = ()

    def template(self, wording: str) -> str:
        """Return the question in a wording, `{text}` where the text stands."""
        return self.prompt if wording == "first" else self.other

    def question(self, wording: str) -> str:
        """Return the question in a wording, with its text."""
        asked = self.template(wording)
        return asked if self.text is None else asked.replace("{text}", self.text)


def read_tasks(half: str) -> list[Task]:
    """Return the tasks of a half."""
    return [Task(**one) for one in json.loads((ANSWERS / f"{half}.json").read_text(encoding="utf-8"))]


def hint(task: Task) -> Any:
    """Return the annotation of a task of Python's types."""
    return eval(task.type["returns"], _names(task.type["python"]))


def tools(task: Task) -> list[Callable[..., Any]]:
    """Return the functions of a task of tools."""
    known = _names("")
    names = _names(task.type["tools"])
    return [value for name, value in names.items() if name not in known and callable(value)]


def _names(source: str) -> dict[str, Any]:
    """Return the names that a source defines, and those that it may use."""
    names: dict[str, Any] = {
        "__name__": "answer_types",
        "Annotated": Annotated,
        "BaseModel": BaseModel,
        "Decimal": Decimal,
        "Field": Field,
        "Literal": Literal,
        "dt": dt,
        "enum": enum,
    }
    exec(compile(source, "<task>", "exec", dont_inherit=True), names)
    return names


def arguments(function: Callable[..., Any]) -> type[BaseModel]:
    """Return a class whose fields are the parameters of a function."""
    fields: dict[str, Any] = {
        name: (one.annotation, ... if one.default is one.empty else one.default)
        for name, one in inspect.signature(function).parameters.items()
    }
    return create_model(function.__name__, **fields)


def call_schema(task: Task) -> dict[str, Any]:
    """Return a JSON Schema of the calls of a task of tools."""
    calls = [
        {
            "type": "object",
            "properties": {
                "name": {"const": one.__name__},
                "arguments": {**arguments(one).model_json_schema(), "additionalProperties": False},
            },
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for one in tools(task)
    ]
    return calls[0] if len(calls) == 1 else {"anyOf": calls}


def plain(task: Task, value: Any) -> Any:
    """Return a value of a task's Python type as JSON has it."""
    return TypeAdapter(hint(task)).dump_python(value, mode="json")


def read_answer(task: Task, text: str) -> Any:
    """Return what a text answers, as JSON has it.

    A text under a grammar is its own answer; whether the grammar holds is not asked here. Raises `ValueError`
    for a text that is no document of the task's type.
    """
    if "python" in task.type:
        made = hint(task)
        return text if made is str else plain(task, TypeAdapter(made).validate_json(text))
    if "tools" not in task.type:
        return text
    call = json.loads(text)
    known = {one.__name__: one for one in tools(task)}
    if not isinstance(call, dict) or call.get("name") not in known:
        raise ValueError("no call of a tool that there is")
    given = arguments(known[call["name"]]).model_validate(call.get("arguments"))
    return {"name": call["name"], "arguments": given.model_dump(mode="json")}


def count_fields(answer: Any) -> int:
    """Return how many fields an answer has."""
    if isinstance(answer, dict):
        return sum(map(count_fields, answer.values()))
    return sum(map(count_fields, answer)) if isinstance(answer, list) else 1


def count_right(task: Task, value: Any) -> int:
    """Return how many fields of a task a value has right."""
    return _right(task, task.answer, value, "")


def _right(task: Task, wanted: Any, found: Any, at: str) -> int:
    """Return how many fields of the part at a pointer are right."""
    if isinstance(wanted, dict):
        if not isinstance(found, dict):
            return 0
        return sum(_right(task, one, found.get(key, ...), f"{at}/{key}") for key, one in wanted.items())
    if isinstance(wanted, list):
        if not isinstance(found, list):
            return 0
        worth = [
            (_right(task, one, other, f"{at}/{place}"), place, index)
            for place, one in enumerate(wanted)
            for index, other in enumerate(found)
            if task.compare.get(at) != "ordered" or place == index
        ]
        return max(_best(worth) - max(len(found) - len(wanted), 0), 0)
    return int(_same(wanted, found, task.accepts.get(at, []), task.compare.get(at) == "exact"))


def _best(worth: list[tuple[int, int, int]]) -> int:
    """Return the fields of the pairs of items that are taken, those with the most fields first."""
    total = 0
    places: set[int] = set()
    indices: set[int] = set()
    for fields, place, index in sorted(worth, key=lambda one: (-one[0], *one[1:])):
        if place not in places and index not in indices:
            places.add(place)
            indices.add(index)
            total += fields
    return total


def _same(wanted: Any, found: Any, accepted: list[str], exact: bool) -> bool:
    """Tell whether a field is right."""
    if wanted is None or isinstance(wanted, bool):
        return found is wanted
    if isinstance(wanted, int | float):
        number = isinstance(found, int | float) and not isinstance(found, bool)
        return number and math.isclose(wanted, found, rel_tol=1e-9)
    if not isinstance(found, str):
        return False
    if exact:
        return found == wanted
    return any(
        _folded(found) == _folded(one) or _amount(found) == _amount(one) for one in (wanted, *accepted)
    )


def _amount(text: str) -> Decimal | str:
    """Return the number that a text with a decimal point is, as pydantic writes a Decimal; else the text."""
    return Decimal(text) if re.fullmatch(r"-?[0-9]+\.[0-9]+", text) else text


def _folded(text: str) -> str:
    """Return a text without case, spare white space, and one full stop at its end."""
    return " ".join(text.split()).casefold().removesuffix(".").rstrip()
