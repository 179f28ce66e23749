"""Other libraries answer the tasks of bench/answer_tasks.py, in a process and an environment of their own.

    python bench/answer_peers.py LIBRARY HALF [--model FILE.gguf] [--url http://... --server PID]

Reads questions from standard input, a line of JSON each: `id`, `question`. Writes a line for each answer:
`text`, `tokens`, `seconds` (of processor, the server's too), `away` (it took all tokens), `error`. The first
line says which version answers, or what is not installed. bench/bench_answers.py starts it.

Each library is used as its own page shows it, greedily. A model is read by transformers in float32. With
`instructor` a server at `--url` answers.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import functools
import json
import os
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from answer_tasks import Task, arguments, call_schema, hint, plain, read_tasks, tools
from pydantic import TypeAdapter, ValidationError

Answered = tuple[str, int]
"""A text, and its tokens."""
Answerer = Callable[[Task, str], Answered]


def literal(task: Task, text: str) -> str:
    """Return a text as JSON of the task's type, where it is a value as Python or a person writes it."""
    if "python" not in task.type:
        return text
    made = hint(task)
    if made is str:
        return text
    adapter = TypeAdapter(made)
    with contextlib.suppress(ValidationError):
        adapter.validate_json(text)
        return text
    values: list[Any] = [text.strip()]
    with contextlib.suppress(ValueError, SyntaxError):
        values.append(ast.literal_eval(text.strip()))
    for value in values:
        with contextlib.suppress(ValidationError):
            return json.dumps(plain(task, adapter.validate_python(value)))
    return text


def read_model(path: Path) -> tuple[Any, Any]:
    """Return a model and a tokenizer of transformers, from a GGUF file."""
    import torch
    import transformers

    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    folder, name = str(path.parent), path.name
    network = transformers.AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32)
    return network.eval(), transformers.AutoTokenizer.from_pretrained(folder, gguf_file=name)


class Counted:
    """A model of transformers whose new tokens are counted."""

    def __init__(self, network: Any) -> None:
        self.tokens = 0
        written = network.generate

        @functools.wraps(written)
        def generate(*given: Any, **named: Any) -> Any:
            found = written(*given, **named)
            before = named["input_ids"] if "input_ids" in named else given[0]
            self.tokens += int(found.shape[-1] - before.shape[-1])
            return found

        network.generate = generate

    def taken(self) -> int:
        """Return the tokens since the last question."""
        found, self.tokens = self.tokens, 0
        return found


def of_outlines(asked: argparse.Namespace) -> Answerer:
    """outlines: the type beside the prompt, as its first page does."""
    import outlines

    network, tokenizer = read_model(asked.model)
    counted = Counted(network)
    model = outlines.from_transformers(network, tokenizer)
    how = {"max_new_tokens": asked.max_tokens, "do_sample": False}

    def answer(task: Task, question: str) -> Answered:
        counted.taken()
        wanted: Any
        if "regex" in task.type:
            wanted = outlines.regex(task.type["regex"])
        elif "lark" in task.type:
            wanted = outlines.cfg(task.type["lark"])
        elif "tools" in task.type:
            wanted = outlines.json_schema(json.dumps(call_schema(task)))
        else:
            wanted = hint(task)
        text = model(question, **how) if wanted is str else model(question, wanted, **how)
        return literal(task, text), counted.taken()

    return answer


def of_guidance(asked: argparse.Namespace) -> Answerer:
    """guidance: the roles of a chat, then `select` for listed values, else `json`, `regex` or `lark`."""
    import guidance
    from transformers import DynamicCache

    removed = DynamicCache.crop

    def crop(cache: Any, length: int) -> None:
        # guidance 0.3.1 says how many tokens stay; transformers asks how many go
        removed(cache, length - cache.get_seq_length() if length >= 0 else length)

    DynamicCache.crop = crop
    network, tokenizer = read_model(asked.model)
    model = guidance.models.Transformers(network, tokenizer, echo=False)

    def wanted(task: Task) -> Any:
        how: dict[str, Any] = {"name": "answer", "max_tokens": asked.max_tokens, "temperature": 0.0}
        if "regex" in task.type:
            return guidance.gen(regex=task.type["regex"], **how)
        if "lark" in task.type:
            return guidance.lark(task.type["lark"], **how)
        if "tools" in task.type:
            return guidance.json(schema=call_schema(task), **how)
        made = hint(task)
        if made is str:
            return guidance.gen(**how)
        if get_origin(made) is Literal:
            return guidance.select(list(get_args(made)), name="answer")
        return guidance.json(schema=TypeAdapter(made), **how)

    def answer(task: Task, question: str) -> Answered:
        with guidance.user():
            said = model + question
        with guidance.assistant():
            said += wanted(task)
        text = said["answer"]
        return literal(task, text), len(tokenizer.encode(text, add_special_tokens=False))

    return answer


def call_models(task: Task) -> dict[str, Any]:
    """Return, by name, the class of the arguments of each tool of a task, with the tool's docstring."""
    made = {one.__name__: arguments(one) for one in tools(task)}
    for one in tools(task):
        made[one.__name__].__doc__ = one.__doc__
    return made


def as_call(value: Any) -> str:
    """Return the call of a tool that an object of the class of its arguments stands for."""
    return json.dumps({"name": type(value).__name__, "arguments": value.model_dump(mode="json")})


def of_instructor(asked: argparse.Namespace, mode: str = "TOOLS") -> Answerer:
    """instructor: a response model, in the mode that `from_openai` takes by itself, with one retry."""
    import instructor
    from openai import OpenAI

    client = instructor.from_openai(
        OpenAI(base_url=asked.url, api_key="any"), mode=getattr(instructor.Mode, mode)
    )
    spent = {"tokens": 0}

    def count(reply: Any) -> None:
        spent["tokens"] += reply.usage.completion_tokens

    client.on("completion:response", count)

    def answer(task: Task, question: str) -> Answered:
        if "regex" in task.type or "lark" in task.type:
            raise NotImplementedError("takes no grammar")
        wanted: Any
        if "tools" in task.type:
            made = tuple(call_models(task).values())
            wanted = made[0] if len(made) == 1 else Union[made]
        else:
            wanted = hint(task)
        spent["tokens"] = 0
        found = client.chat.completions.create(
            model="smollm2",
            response_model=wanted,
            messages=[{"role": "user", "content": question}],
            temperature=0.0,
            max_tokens=asked.max_tokens,
            max_retries=2,
        )
        return written(task, found), spent["tokens"]

    return answer


def written(task: Task, value: Any) -> str:
    """Return an object that a library made as the text that `read_answer` takes."""
    if "tools" in task.type:
        return as_call(value)
    return str(value) if hint(task) is str else json.dumps(plain(task, value))


LIBRARIES: dict[str, tuple[str, Callable[[argparse.Namespace], Answerer]]] = {
    "outlines": ("outlines", of_outlines),
    "guidance": ("guidance", of_guidance),
    "instructor": ("instructor", of_instructor),
    "instructor-json": ("instructor", lambda asked: of_instructor(asked, "JSON_SCHEMA")),
}
"""By name the distribution whose version is told, and what makes its answerer."""


def processor_seconds(server: int) -> float:
    """Return the processor time of this process so far, and of a server (0: none)."""
    spent = time.process_time()
    if server:
        fields = Path(f"/proc/{server}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        spent += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return spent


def main() -> None:
    """Answer all questions."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("library", choices=LIBRARIES)
    parser.add_argument("half")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--url")
    parser.add_argument("--server", type=int, default=0)
    parser.add_argument("--max-tokens", type=int, default=120)
    asked = parser.parse_args()
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", buffering=1)
    sys.stdout = sys.stderr  # what libraries print is no answer
    name, make = LIBRARIES[asked.library]
    try:
        answer = make(asked)
    except ImportError as error:
        print(json.dumps({"missing": str(error)}), file=out)
        return
    print(json.dumps({"version": f"{name} {version(name)}"}), file=out)
    tasks = {task.id: task for task in read_tasks(asked.half)}
    for line in sys.stdin:
        given, begun = json.loads(line), processor_seconds(asked.server)
        text, tokens, error = "", 0, ""
        try:
            text, tokens = answer(tasks[given["id"]], given["question"])
        except Exception as raised:  # whatever a library raises is its answer
            error = f"{type(raised).__name__}: {' '.join(str(raised).split())[:200]}"
        spent = processor_seconds(asked.server) - begun
        found = {"text": text, "tokens": tokens, "seconds": spent, "away": tokens >= asked.max_tokens}
        print(json.dumps({**found, "error": error}), file=out)


if __name__ == "__main__":
    main()
