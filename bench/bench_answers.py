"""How many answers of a published chat model are right, under our defaults, our options and other libraries?

    python bench/bench_answers.py [--half open] [--wording first] [--rows defaults outline ...]
        [--only "dates" ...] [--peers PYTHON] [--answers FILE] [--max-tokens 120]

The tasks are in bench/answers: 240 questions with certain answers, in 24 kinds. Half of them are `open`, for
choosing defaults. The other half is `sealed`: it is run for the record alone, and no default is chosen by it.
SEALED was committed before any default was tuned. bench/answer_tasks.py says what an answer is worth.

The model is SmolLM2-135M-Instruct (`make smollm2`), in float32 on one thread, greedy. Our rows use what a new
user would: a function under `@sg.generate`, `sg.run` for grammars and tools. Other libraries answer in a
process of their own (bench/answer_peers.py), by the interpreter `--peers`: outlines, guidance, transformers
with gguf for `plain`, pydantic-ai and instructor as clients of `structgen serve`. A row whose library is not
installed says so. "Our prompt" is the question with the line that `outline=True` adds. `embedded` is
structgen/extract, on the kinds of extraction alone, since it follows no instructions. `free text` is no
competitor: nothing holds the form, and a field is right where the text says its value anywhere. It shows what
the model knows.

Columns: fields right; documents that are complete and of their type; tokens, thoughts too; seconds of
processor, the server's too; answers that ran away (the budget ended them); errors: a type that is refused, or
no document within the attempts. Prints tables by row and by kind, and writes
bench/results/answers-DATE.csv. `--answers` writes every answer of the open half as a line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from answer_tasks import (
    HALVES,
    WORDINGS,
    Task,
    call_schema,
    count_fields,
    count_right,
    count_said,
    hint,
    plain,
    read_answer,
    read_tasks,
    tools,
)
from records import arguments, load, version, write

import structgen as sg

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import serving_clients

SEALED = "dc5af8f44adc053ac75be880511806f0928e965ecc1db2b78d5460c5ae847a5b"
"""SHA-256 of bench/answers/sealed.json."""
EXTRACTION = (
    "extraction flat",
    "extraction nested",
    "lists",
    "dates",
    "money",
    "optional fields",
    "bare types",
)
"""The kinds that the embedded model was trained for."""
TOOL_FORMAT = "hermes"
"""SmolLM2's chat template shows no format of tools; this is the first that the error names."""


@dataclass(frozen=True)
class Answer:
    """What a row answered to a task."""

    task: Task
    value: Any
    """As JSON has it; None where it is no document."""
    text: str
    complete: bool
    tokens: int
    seconds: float
    ran_away: bool
    error: str
    is_free: bool = False
    """A text without any form, which is right where it says a field."""

    @property
    def right(self) -> int:
        if self.is_free:
            return count_said(self.task, self.text)
        return count_right(self.task, self.value) if self.complete else 0


Row = Callable[[Sequence[Task]], Iterator[Answer]]


class Missing(Exception):
    """A row cannot be run here."""


class Bench:
    """What all rows share: the options, and the engine, which is made when a row first needs it."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self.asked = asked
        self.peer = ""
        self._engine: sg.Engine | None = None

    @property
    def engine(self) -> sg.Engine:
        if self._engine is None:
            import torch

            torch.set_num_threads(1)
            try:
                self._engine = sg.Engine(self.asked.model)
            except sg.StructgenError as error:
                raise Missing(str(error)) from None
            sg.run(self._engine, "Say yes.", bool, max_tokens=8)  # what is compiled once is no one's time
        return self._engine

    def prompt(self, task: Task) -> str:
        """Return the question with the line that our outline adds."""
        from structgen.json_grammars.prompting import schema_outline

        asked = task.question(self.asked.wording)
        if "tools" in task.type:
            return f"{asked}\n\nAnswer in JSON: {schema_outline(call_schema(task))}"
        if "python" not in task.type or hint(task) is str:
            return asked
        made = function(task, self.asked.wording, self.engine, outline=True, chat=False)
        return str(made.prompt(task.text or "")).removesuffix("\n")


def function(task: Task, wording: str, model: Any, **options: Any) -> Any:
    """Return the typed function that a user would write for a task."""

    def ask(text: str = "") -> Any:
        return sg.filled()

    ask.__doc__ = task.template(wording)
    ask.__annotations__ = {"text": str, "return": hint(task)}
    return sg.generate(model=model, **options)(ask)


def ours(options: Callable[[Task], dict[str, Any]], model: str = "") -> Callable[[Bench], Row]:
    """Return a row of our own, under options by task."""

    def make(bench: Bench) -> Row:
        engine = sg.Engine(model) if model else bench.engine
        wording = bench.asked.wording

        def outcome(task: Task) -> Any:
            how = {"max_tokens": bench.asked.max_tokens, **options(task)}
            asked = task.question(wording)
            if "regex" in task.type:
                return sg.run(engine, asked, sg.regex(task.type["regex"]), detailed=True, **how)
            if "lark" in task.type:
                return sg.run(engine, asked, sg.lark(task.type["lark"]), detailed=True, **how)
            if "tools" in task.type:
                how |= {"tool_choice": "required", "parallel": False, "tool_format": TOOL_FORMAT}
                return sg.run(engine, asked, tools=tools(task), detailed=True, **how)
            return function(task, wording, engine, **how).detailed(task.text or "")

        def value_of(task: Task, found: Any) -> Any:
            if "python" in task.type:
                return plain(task, found.value)
            if "tools" not in task.type:
                return found.value
            (call,) = found.calls
            return {"name": call.name, "arguments": call.arguments}

        def answers(tasks: Sequence[Task]) -> Iterator[Answer]:
            for task in tasks:
                begun = time.process_time()
                try:
                    found = outcome(task)
                    value = value_of(task, found)
                except sg.StructgenError as error:
                    said = f"{type(error).__name__}: {error}"
                    yield Answer(task, None, "", False, 0, time.process_time() - begun, False, said)
                    continue
                spent = time.process_time() - begun
                tokens = found.usage.tokens + found.usage.thought_tokens
                ended = found.finish_reason in (sg.FinishReason.STEERED, sg.FinishReason.MAX_TOKENS)
                yield Answer(task, value, found.text, True, tokens, spent, ended, "")

        return answers

    return make


def free(bench: Bench) -> Row:
    """The question alone, answered in free text."""

    def answers(tasks: Sequence[Task]) -> Iterator[Answer]:
        for task in tasks:
            begun = time.process_time()
            asked = task.question(bench.asked.wording)
            found = sg.run(bench.engine, asked, str, max_tokens=bench.asked.max_tokens, detailed=True)
            ended = found.finish_reason is sg.FinishReason.MAX_TOKENS
            spent = time.process_time() - begun
            yield Answer(task, None, found.text, not ended, found.usage.tokens, spent, ended, "", True)

    return answers


def of_type(task: Task, **options: Any) -> dict[str, Any]:
    """Return options that are of documents: none for free text, grammars and tools."""
    return options if "python" in task.type and hint(task) is not str else {}


def peer(library: str, *, our_prompt: bool = False, served: bool = False) -> Callable[[Bench], Row]:
    """Return a row of another library."""

    def make(bench: Bench) -> Row:
        def answers(tasks: Sequence[Task]) -> Iterator[Answer]:
            prompts = [bench.prompt(task) if our_prompt else "" for task in tasks]
            lines = [
                json.dumps(
                    {
                        "half": bench.asked.half,
                        "id": task.id,
                        "question": prompt or task.question(bench.asked.wording),
                    }
                )
                for task, prompt in zip(tasks, prompts, strict=True)
            ]
            if not served:
                yield from told(bench, library, tasks, lines, ["--model", str(weights(bench.asked.model))])
                return
            with serving(bench.asked.model) as (url, pid):
                yield from told(bench, library, tasks, lines, ["--url", url], pid)

        return answers

    return make


def weights(model: str) -> Path:
    """Return the file of the model."""
    from structgen.engine.forward_pass.gguf_models import gguf_file

    try:
        return gguf_file(model)
    except sg.StructgenError as error:
        raise Missing(str(error)) from None


def told(
    bench: Bench, library: str, tasks: Sequence[Task], lines: Iterable[str], more: list[str], server: int = 0
) -> Iterator[Answer]:
    """Yield what another library answers, from its own process."""
    program = Path(__file__).with_name("answer_peers.py")
    command = [bench.asked.peers, str(program), library, *more, "--max-tokens", str(bench.asked.max_tokens)]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True, bufsize=1
        )
        assert process.stdin is not None and process.stdout is not None
        try:
            first = process.stdout.readline()
            if not first:
                said.seek(0)
                raise Missing((said.read().strip().splitlines() or ["it said nothing"])[-1])
            begun = json.loads(first)
            if "missing" in begun:
                raise Missing(begun["missing"])
            bench.peer = begun["version"]
            for task, line in zip(tasks, lines, strict=True):
                before = processor_seconds(server)
                print(line, file=process.stdin)
                found = json.loads(process.stdout.readline())
                spent = found["seconds"] + processor_seconds(server) - before
                yield judged(task, found["text"], found["tokens"], spent, found["away"], found["error"])
        finally:
            process.kill()
            process.wait()


def judged(task: Task, text: str, tokens: int, seconds: float, away: bool, error: str) -> Answer:
    """Return the answer of another library; a text that is no document of its type is not complete."""
    value = None
    if not error:
        try:
            if not holds(task, text):
                raise ValueError("the grammar does not hold")
            value = read_answer(task, text)
        except ValueError as refused:
            error = f"no document: {str(refused).splitlines()[0]}"
    return Answer(task, value, text, not error, tokens, seconds, away, error)


def holds(task: Task, text: str) -> bool:
    """Tell whether a text is of its task's grammar."""
    if "regex" in task.type:
        return re.fullmatch(task.type["regex"], text) is not None
    if "lark" not in task.type:
        return True
    import lark

    try:
        lark.Lark(task.type["lark"], parser="lalr").parse(text)
    except lark.exceptions.LarkError:
        return False
    return True


def processor_seconds(pid: int) -> float:
    """Return the processor time of a process so far; 0 for no process."""
    if not pid:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(model: str) -> Iterator[tuple[str, int]]:
    """Start `structgen serve` on a free port; yield its address and process."""
    options = ("--tool-format", TOOL_FORMAT)
    with serving_clients.serving(*options, model=model, OMP_NUM_THREADS="1") as (address, process):
        yield address, process.pid


ROWS: dict[str, Callable[[Bench], Row]] = {
    "defaults": ours(lambda task: {}),
    "outline": ours(lambda task: of_type(task, outline=True)),
    "wrap": ours(lambda task: of_type(task, wrap=True)),
    "outline + wrap": ours(lambda task: of_type(task, outline=True, wrap=True)),
    "thinking first": ours(lambda task: {"thinking": sg.Thinking(until="\n\n", max_tokens=80)}),
    "one attempt": ours(lambda task: {"attempts": 1}),
    "outlines": peer("outlines"),
    "outlines, our prompt": peer("outlines", our_prompt=True),
    "guidance": peer("guidance"),
    "guidance, our prompt": peer("guidance", our_prompt=True),
    "serve + pydantic-ai": peer("pydantic-ai", served=True),
    "serve + instructor": peer("instructor", served=True),
    "serve + instructor, JSON": peer("instructor-json", served=True),
    "plain + repair": peer("plain"),
    "free text": free,
    "embedded": ours(lambda task: {}, "structgen/extract"),
}
"""By name what makes a row."""


def tasks_of(row: str, tasks: Sequence[Task]) -> list[Task]:
    """Return the tasks that a row is asked."""
    if row != "embedded":
        return list(tasks)
    return [one for one in tasks if one.kind in EXTRACTION and one.text is not None and "python" in one.type]


def answers_of(bench: Bench, row: str, tasks: Sequence[Task]) -> list[Answer]:
    """Return all answers of a row, and say on standard error how far it is."""
    found: list[Answer] = []
    fields = right = 0
    for answer in ROWS[row](bench)(tasks):
        found.append(answer)
        fields += count_fields(answer.task.answer)
        right += answer.right
        print(f"\r{row}: {len(found)} of {len(tasks)}, {right} of {fields} right", end="", file=sys.stderr)
        sys.stderr.flush()
    print(file=sys.stderr)
    return found


COLUMNS = ("fields", "right", "tasks", "complete", "tokens", "cpu_seconds", "ran_away", "errors")
NAMES = ("half", "wording", "row", "kind", *COLUMNS)
"""Of the file of results."""


def figures(answers: Sequence[Answer]) -> list[int | float]:
    """Return the columns of some answers."""
    return [
        sum(count_fields(one.task.answer) for one in answers),
        sum(one.right for one in answers),
        len(answers),
        sum(one.complete for one in answers),
        sum(one.tokens for one in answers),
        round(sum(one.seconds for one in answers), 1),
        sum(one.ran_away for one in answers),
        sum(bool(one.error) for one in answers),
    ]


def kept(bench: Bench, row: str, answers: Sequence[Answer]) -> Iterator[str]:
    """Yield the answers of a row as lines of JSON."""
    for one in answers:
        said = {
            "row": row,
            "wording": bench.asked.wording,
            "id": one.task.id,
            "kind": one.task.kind,
            "right": one.right,
            "fields": count_fields(one.task.answer),
            "answer": one.task.answer,
            "value": one.value,
            "text": one.text,
            "tokens": one.tokens,
            "ran_away": one.ran_away,
            "error": one.error,
        }
        yield json.dumps(said, ensure_ascii=False, default=str)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--half", choices=HALVES, default="open")
    parser.add_argument("--wording", choices=WORDINGS, default="first")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW")
    parser.add_argument("--only", nargs="+", metavar="KIND", help="kinds of tasks, by their names")
    parser.add_argument("--model", default="smollm2", help="smollm2, or a GGUF file")
    parser.add_argument("--max-tokens", type=int, default=120)
    parser.add_argument("--peers", default=sys.executable, help="the interpreter of the other libraries")
    parser.add_argument("--answers", type=Path, help="a file for every answer (of the open half)")
    parser.add_argument("--more", action="store_true", help="add to the day's file, not in its place")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the processes that this one started end too
    tasks = read_tasks(asked.half)
    kinds = list(dict.fromkeys(task.kind for task in tasks))
    for kind in asked.only or ():
        if kind not in kinds:
            parser.error(f"--only: there is no kind {kind!r}: {', '.join(kinds)}")
    if asked.answers is not None and asked.half == "sealed":
        parser.error("--answers: answers of the sealed half are not looked at.")
    tasks = [task for task in tasks if asked.only is None or task.kind in asked.only]
    bench = Bench(asked)
    print(f"{asked.half} half, {asked.wording} wording: {len(tasks)} tasks")
    print(f"{'row':26} {' '.join(f'{name:>11}' for name in COLUMNS)}")
    written: Path | None = None
    by_kind: dict[str, dict[str, list[Answer]]] = {}
    for row in asked.rows:
        bench.peer = ""
        try:
            answers = answers_of(bench, row, tasks_of(row, tasks))
        except Missing as error:
            print(f"{row:26} not run: {error}")
            continue
        print(f"{row:26} {' '.join(f'{value:>11}' for value in figures(answers))}", flush=True)
        by_kind[row] = {kind: [one for one in answers if one.task.kind == kind] for kind in kinds}
        parts = {"all": answers, **by_kind[row]}
        about = {
            "load": load(),
            "versions": ", ".join(filter(None, (f"structgen {version()}", bench.peer))),
            "model": asked.model,
            "max_tokens": asked.max_tokens,
        }
        rows = [
            (asked.half, asked.wording, row, kind, *figures(some)) for kind, some in parts.items() if some
        ]
        written = write(asked.results, "answers", about, NAMES, rows, more=asked.more or written is not None)
        if asked.answers is not None:
            with asked.answers.open("a", encoding="utf-8") as file:
                file.writelines(line + "\n" for line in kept(bench, row, answers))
    print_kinds(by_kind, [kind for kind in kinds if any(task.kind == kind for task in tasks)])
    if written is not None:
        print(written)


def print_kinds(by_kind: dict[str, dict[str, list[Answer]]], kinds: Sequence[str]) -> None:
    """Print fields right by kind, a column for each row."""
    if not by_kind:
        return
    print(f"\n{'fields right':32} {'of':>4} {' '.join(f'{row[:12]:>12}' for row in by_kind)}")
    for kind in kinds:
        some = [found[kind] for found in by_kind.values()]
        most = max(sum(count_fields(one.task.answer) for one in answers) for answers in some)
        cells = [str(sum(one.right for one in answers)) if answers else "-" for answers in some]
        print(f"{kind:32} {most:>4} {' '.join(f'{cell:>12}' for cell in cells)}")


if __name__ == "__main__":
    main()
