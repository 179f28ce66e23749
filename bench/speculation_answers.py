"""The recorded answers of bench_speculation.py: 800 answers of MaskBench to 800 schemas, frozen.

MaskBench itself is not in this repository. speculation_answers.json has the seed, and for each answer the
name of its case, which instance is the answer, which other instance of the case serves as the earlier answer
to the same schema, and a digest of the texts; an answer whose digest differs is refused.

An answer was drawn as follows (the program is that of a4cac118). Cases with at least two valid instances,
both of them objects or arrays, are shuffled by the seed; the answer is one of the first two valid instances,
by the seed, and the other one is the earlier answer. A case is left out where the schema has more than 3,000
tokens, where the answer has fewer than 8 tokens or more than 600 (in one line), or where the grammar of one
of the spellings is refused or does not take both answers. The first 800 that are left are the frozen set.

Four spellings of each answer, each under the grammar that a user would ask for:

    one line    json.dumps(answer, ensure_ascii=False)                            whitespace="oneline"
    compact     json.dumps(answer, ensure_ascii=False, separators=(",", ":"))     whitespace="compact"
    free        the text of "one line"                                            whitespace="bounded"
    indented    json.dumps(answer, ensure_ascii=False, indent=2)                  whitespace="bounded"

"bounded" is the default. "free" is the one for which goals were set: the grammar leaves white space open, and
the model writes what most models write. "indented" is what a model does that likes long texts.

"Two fields changed": of the answers with at least 8 changeable values and 60 tokens (in one line), two values
are replaced by others of the same type that the grammar takes; the answer as it was is the caller's text. A
string gets other letters and digits in the same places, an integer is moved by 1 to 9, a boolean is turned
round. The digest covers the changed text too.
"""

from __future__ import annotations

import copy
import json
import random
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import structgen as sg
from structgen.doors.maskbench.readers import Case, select_cases

FROZEN: Final = Path(__file__).with_name("speculation_answers.json")
SEED: Final = 25
COUNT: Final = 800

SPELLINGS: Final[dict[str, dict[str, Any]]] = {
    "one line": {},
    "compact": {"separators": (",", ":")},
    "free": {},
    "indented": {"indent": 2},
}
"""Options of json.dumps."""
_WHITE: Final = {"one line": "oneline", "compact": "compact", "free": "bounded", "indented": "bounded"}


def spelled(value: Any, spelling: str) -> bytes:
    """Return an answer as a text."""
    return json.dumps(value, ensure_ascii=False, **SPELLINGS[spelling]).encode()


def grammar_of(schema: str, spelling: str) -> sg.Grammar:
    """Return the grammar of a schema's text for a spelling, without warnings of misspelt keywords."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sg.errors.SchemaWarning)
        return sg.json_schema(schema, whitespace=_WHITE[spelling])


@dataclass(frozen=True, slots=True)
class Answer:
    """One recorded answer."""

    name: str
    schema: str
    """The schema's text, one line: the prompt."""
    value: Any = field(repr=False)
    earlier: Any = field(repr=False)
    """Another answer to the same schema."""
    changed: Any = field(default=None, repr=False)
    """The answer with two values changed; None where it is too short for that."""


def prompt_of(answer: Answer, *, with_document: str = "") -> str:
    """Return the prompt: the schema's text; for an edit, the document as it was behind it."""
    return f"{answer.schema}\n{with_document}\n" if with_document else f"{answer.schema}\n"


# --- the frozen list ----------------------------------------------------------------------------------------


@cache
def frozen() -> dict[str, Any]:
    """Return what speculation_answers.json holds."""
    found: dict[str, Any] = json.loads(FROZEN.read_text(encoding="utf-8"))
    return found


def digest(answer: Answer) -> str:
    """Return the digest of everything that an answer consists of."""
    values = answer.value, answer.earlier, answer.changed
    parts = answer.schema, *(json.dumps(value) for value in values)
    return blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()


class AnswersError(sg.StructgenError):
    """The folder is not the MaskBench that the answers were frozen from."""


def answers(folder: Path, count: int | None = None) -> list[Answer]:
    """Return the frozen answers, in the frozen (random) order; the first `count` of them.

    Raises AnswersError where the folder lacks a case, or has another text in its place.
    """
    rows = frozen()["answers"][:count]
    cases = {case.name: case for case in _cases(folder, {row["name"] for row in rows})}
    found = []
    for row in rows:
        case = cases.get(row["name"])
        values = [] if case is None else _valid(case)
        if case is None or max(row["answer"], row["earlier"]) >= len(values):
            raise AnswersError(
                f"There is no case {row['name']} with the frozen instances.",
                where=str(folder),
                cure="Give the folder of MaskBench's data (github.com/guidance-ai/jsonschemabench).",
            )
        changed = row["changed"]
        value = values[row["answer"]]
        answer = Answer(
            case.name,
            case.schema,
            value,
            values[row["earlier"]],
            None if changed is None else _replaced(value, [tuple(path) for path in changed], case.name),
        )
        if digest(answer) != row["digest"]:
            raise AnswersError(
                f"Case {row['name']} has another text than the one that was frozen.",
                where=str(folder),
                cure="Use the version of MaskBench that bench/results names.",
            )
        found.append(answer)
    return found


def _cases(folder: Path, names: set[str]) -> Iterator[Case]:
    return (read() for name, read in select_cases([folder]) if name in names)


def _valid(case: Case) -> list[Any]:
    return [json.loads(instance.text) for instance in case.instances if instance.valid]


# --- two fields changed -------------------------------------------------------------------------------------

Path_ = tuple[Any, ...]


def _other(value: Any, draw: random.Random) -> Any:
    """Return another value of the same type; None where there is none to be made."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, str) and any(letter.isascii() and letter.isalnum() for letter in value):
        return "".join(_other_letter(letter, draw) for letter in value)
    if isinstance(value, int):
        return value + draw.randint(1, 9)
    return None


def _other_letter(letter: str, draw: random.Random) -> str:
    for letters in ("0123456789", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"):
        if letter in letters:
            return draw.choice(letters)
    return letter


def _at(value: Any, path: Path_) -> Any:
    for step in path:
        value = value[step]
    return value


def _replaced(value: Any, paths: Sequence[Path_], name: str) -> Any:
    """Return a copy of a document in which the values at some paths are others, drawn by the paths."""
    made = copy.deepcopy(value)
    for path in paths:
        draw = random.Random(f"{SEED} {name} {path}")
        _at(made, path[:-1])[path[-1]] = _other(_at(made, path), draw)
    return made
