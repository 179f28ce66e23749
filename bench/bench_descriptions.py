"""Does a chat model answer better where it is told the descriptions of the fields, and in which form?

    python bench/bench_descriptions.py [--half open] [--forms none 'system turn' ...] [--model smollm2]

The tasks are bench/answers/described-open.json and described-sealed.json: 48 questions, 164 fields, whose
right answer hangs on a description. bench/answer_tasks.py says what an answer is worth. The half `open` is
for choosing the form. The half `sealed` is run for the record alone; SEALED was committed before any choice.

Each form is asked of all tasks at once, greedy, in float32 on one thread, at most 70 tokens an answer. `none`
is the outline without descriptions, `system turn` is what the package itself puts into the prompt. The others
were tried beside it. Columns: fields; right; more and fewer: the fields that are right with this form and not
with `none`, and the other way round; p of the two-sided sign test of these; copied: wrong texts that stand
in their description, or hold it; seconds of processor. Prints a table, and writes
bench/results/descriptions-DATE.csv.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import comb
from pathlib import Path
from typing import Any

from answer_tasks import Task, count_fields, count_right, hint, plain, read_tasks
from records import load, version, write

import structgen as sg
from structgen.engine.model_prompts import ModelQuestion
from structgen.json_grammars.prompting import schema_outline
from structgen.python_types.type_hints import TypeReader, read_type

SEALED = "bd34e379b066d90ba89e2df3057b9be8f0dcf3c158558a4f872cd2543bb8c666"
"""SHA-256 of bench/answers/described-sealed.json."""
SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
"""What the chat template of SmolLM2 tells where there is no system turn."""
MAX_TOKENS = 70
ASKED = "\n\nAnswer in JSON: "

Schema = Mapping[str, Any]
Form = Callable[[str, Schema], list[tuple[str, str]]]
"""Makes the turns, roles and texts, of a question and the schema of its answer."""


def bare(schema: Schema) -> dict[str, Any]:
    """Return the schema of a task without descriptions."""
    made = copy.deepcopy(dict(schema))
    for one in (made, *made["properties"].values()):
        one.pop("description", None)
    return made


def described(schema: Schema) -> dict[str, str]:
    """Return the descriptions of a schema's members."""
    return {name: one["description"] for name, one in schema["properties"].items()}


def lines(schema: Schema, form: str) -> str:
    """Return a line for each member, in which `{name}`, `{type}` and `{text}` are filled in."""
    types = {name: schema_outline(one) for name, one in bare(schema)["properties"].items()}
    texts = described(schema).items()
    return "\n".join(form.format(name=name, type=types[name], text=text) for name, text in texts)


def outline(schema: Schema) -> str:
    return ASKED + schema_outline(bare(schema))


def user(text: str) -> list[tuple[str, str]]:
    return [("user", text)]


PLAIN = "{name}: {text}"
FORMS: dict[str, Form] = {
    "none": lambda asked, schema: user(asked + outline(schema)),
    "behind the type": lambda asked, schema: user(
        f"{asked}{ASKED}{{{', '.join(lines(schema, '{name}: {type} ({text})').splitlines())}}}"
    ),
    "behind the key": lambda asked, schema: user(
        f"{asked}{ASKED}{{{', '.join(lines(schema, '{name} ({text}): {type}').splitlines())}}}"
    ),
    "comments": lambda asked, schema: user(
        f"{asked}{ASKED}{{\n{lines(schema, '  // {text}%  {name}: {type},')}\n}}".replace("%", "\n")
    ),
    "list below": lambda asked, schema: user(f"{asked}{outline(schema)}\n{lines(schema, PLAIN)}"),
    "list above": lambda asked, schema: user(f"{asked}\n\n{lines(schema, PLAIN)}{outline(schema)}"),
    "equations above": lambda asked, schema: user(
        f"{asked}\n\n{lines(schema, '{name} = {text}')}{outline(schema)}"
    ),
    "before the question": lambda asked, schema: user(f"{lines(schema, PLAIN)}\n\n{asked}{outline(schema)}"),
    "system turn": lambda asked, schema: [
        ("system", f"{SYSTEM}\n{lines(schema, PLAIN)}"),
        *user(asked + outline(schema)),
    ],
}


def asked_of(engine: sg.Engine, form: Form, tasks: Sequence[Task]) -> Iterator[Any]:
    """Yield the answers to some tasks, as JSON has them; None for one that its type refuses."""
    readers: list[TypeReader[Any]] = [read_type(hint(task)) for task in tasks]
    requests = []
    for task, reader in zip(tasks, readers, strict=True):
        turns = [
            {"role": role, "content": text} for role, text in form(task.question("first"), reader.schema)
        ]
        tokens = engine.prompts.tokens(ModelQuestion(turns, with_outline=False), engine.tokenizer)
        grammar = sg.json_schema(reader.schema, **reader.policies)
        requests.append(sg.Request(list(tokens), grammar, max_tokens=MAX_TOKENS))
    for task, reader, result in zip(tasks, readers, engine.generate(requests), strict=True):
        try:
            yield plain(task, reader.read(result.text))
        except sg.StructgenError:
            yield None


def fields_right(task: Task, value: Any) -> list[bool]:
    """Return for each field of a task whether a value has it right; of a list, as many as are right."""
    found: list[bool] = []
    for name, wanted in task.answer.items():
        own = replace(task, answer={name: wanted})
        right = count_right(own, {name: value.get(name)}) if isinstance(value, dict) else 0
        found += [at < right for at in range(count_fields(wanted))]
    return found


def count_copied(task: Task, value: Any, texts: Mapping[str, str]) -> int:
    """Return how many wrong texts of an answer stand in the description of their member, or hold it. Labels,
    which their descriptions name, are not counted."""
    free = {
        name for name in texts if f"{name}: str" in task.type["python"] or "list[str]" in task.type["python"]
    }
    copied = 0
    for name, given in value.items() if isinstance(value, dict) else ():
        for one in given if isinstance(given, list) else [given]:
            wrong = isinstance(one, str) and one and name in free and one != task.answer[name]
            text = texts[name].casefold()
            copied += bool(wrong and (one.casefold() in text or text in one.casefold()))
    return copied


def sign_test(more: int, fewer: int) -> float:
    """Return p of the two-sided sign test."""
    both, least = more + fewer, min(more, fewer)
    return min(1.0, 2 * sum(comb(both, one) for one in range(least + 1)) / 2**both)


COLUMNS = ("half", "form", "fields", "right", "more", "fewer", "p", "copied", "cpu_seconds")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--half", choices=("open", "sealed"), default="open")
    parser.add_argument("--forms", nargs="+", choices=[*FORMS], default=[*FORMS])
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--answers", type=Path, help="a file for every answer")
    parser.add_argument("--more", action="store_true", help="add to the day's file, not in its place")
    asked = parser.parse_args()
    tasks = read_tasks(f"described-{asked.half}")
    engine = sg.Engine(asked.model)
    about = {
        "load": load(),
        "versions": f"structgen {version()}",
        "model": asked.model,
        "max_tokens": MAX_TOKENS,
    }
    first: list[bool] = []
    more = asked.more
    for name in dict.fromkeys(["none", *asked.forms]):
        begun = time.process_time()
        values = list(asked_of(engine, FORMS[name], tasks))
        spent = round(time.process_time() - begun, 1)
        right = [one for task, value in zip(tasks, values, strict=True) for one in fields_right(task, value)]
        first = first or right
        gained = sum(now and not before for now, before in zip(right, first, strict=True))
        lost = sum(before and not now for now, before in zip(right, first, strict=True))
        texts = [described(read_type(hint(task)).schema) for task in tasks]
        copied = sum(map(count_copied, tasks, values, texts))
        row = (
            asked.half,
            name,
            len(right),
            sum(right),
            gained,
            lost,
            round(sign_test(gained, lost), 3),
            copied,
            spent,
        )
        print(*row, sep="\t", flush=True)
        print(write(asked.results, "descriptions", about, COLUMNS, [row], more=more))
        more = True
        if asked.answers is not None:
            with asked.answers.open("a", encoding="utf-8") as file:
                told = (
                    {"form": name, "id": task.id, "value": one}
                    for task, one in zip(tasks, values, strict=True)
                )
                file.writelines(json.dumps(one) + "\n" for one in told)


if __name__ == "__main__":
    main()
