"""How many answers of a published chat model are right, under our defaults, our options and other libraries?

    python bench/bench_answers.py [--half open] [--wording first] [--rows defaults outline ...]
        [--only "dates" ...] [--peers PYTHON] [--answers FILE] [--max-tokens 120]
    python bench/bench_answers.py --rows greedy "guidance 1.5" "voted 5" --sample 40 --max-tokens 64
    python bench/bench_answers.py --half described-open --rows "no descriptions" defaults --max-tokens 70

The tasks are in bench/answers: 240 questions with certain answers, in 24 kinds. Half of them are `open`, for
choosing defaults. The other half is `sealed`: it is run for the record alone, and no default is chosen by it.
SEALED was committed before any default was tuned. bench/answer_tasks.py says what an answer is worth.

The model is SmolLM2-135M-Instruct (`make smollm2`), in float32 on one thread, greedy. Our rows use what a new
user would: a function under `@sg.generate`, `sg.run` for grammars and tools. Other libraries answer in a
process of their own (bench/answer_peers.py), by the interpreter `--peers`: outlines, guidance,
and instructor as a client of `structgen serve`. A row whose library is not installed says so. "Our prompt" is
the question with the line that `outline=True` adds. `embedded` is structgen/extract, on the kinds of
extraction alone, since it follows no instructions.

"Grounded" holds numbers and dates to the task's text, "quotes" strings too. 120 questions, `stated-open` and
`stated-sealed`, are about longer texts in seven languages, with two worked examples each; both halves were
committed before the code that they examine.

48 more questions, `described-open` and `described-sealed`, have right answers that hang on a description; the
sealed half was committed in the same way. "No descriptions" is our default without them.

Rows of strategies are asked for by name; `--sample` draws typed tasks by a seed. They have one attempt, and
choices are written token by token. `voted 5`: of five draws the answer that most of them have.

Columns: fields right; documents that are complete and of their type; tokens, thoughts too; seconds of
processor, the server's too; answers that ran away (the budget ended them); errors: a type that is refused, or
no document within the attempts; `difference`: right fields more than those of `beside`, an earlier row, with
an interval of 95 % by the bootstrap over tasks. Prints a row for all tasks and one for each kind, and writes
bench/results/answers-DATE.csv. `--answers` writes every answer of the open half as a line of JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from answer_tasks import (
    HALVES,
    WORDINGS,
    Task,
    call_schema,
    count_fields,
    count_right,
    hint,
    plain,
    read_answer,
    read_tasks,
    tools,
)
from methods.cautious import Cautious
from methods.contrast import Contrast
from methods.momentum import Momentum
from methods.pause_and_rerank import PauseAndRerank
from records import arguments, warm_engine
from told import tell

import structgen as sg
from structgen.decoding.engine.forward_pass.gguf_models import gguf_file
from structgen.grammars.json_grammars.prompting import schema_outline

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import serving_checks

SEALED = {
    "sealed": "dc5af8f44adc053ac75be880511806f0928e965ecc1db2b78d5460c5ae847a5b",
    "stated-sealed": "82f677622bfa65094d23282234bfd8a1be94877ddab846b98d3eb1f8a70cba0c",
    "described-sealed": "bd34e379b066d90ba89e2df3057b9be8f0dcf3c158558a4f872cd2543bb8c666",
}
"""SHA-256 of the files of bench/answers."""
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
SEED = 54
"""Of `--sample`."""
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

    @property
    def right(self) -> int:
        return count_right(self.task, self.value) if self.complete else 0


Row = Callable[[Sequence[Task]], Iterator[Answer]]


class Missing(Exception):
    """Another library is not installed."""


class Bench:
    """What all rows share: the options, and the engine, which is made when a row first needs it."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self.asked = asked
        self.peer = ""
        self._engine: sg.Engine | None = None

    @property
    def engine(self) -> sg.Engine:
        if self._engine is None:
            self._engine = warm_engine(self.asked.model)
        return self._engine

    def prompt(self, task: Task) -> str:
        """Return the question with the line that our outline adds."""
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


def ours(
    options: Callable[[Task], dict[str, Any]],
    model: str = "",
    *,
    asked_as: Callable[[Task], Task] = lambda task: task,
) -> Callable[[Bench], Row]:
    """Return a row of our own, under options by task. `asked_as`: the task that stands for another."""

    def make(bench: Bench) -> Row:
        engine, wording = sg.Engine(model) if model else bench.engine, bench.asked.wording

        def outcome(task: Task) -> tuple[Any, Any]:
            how = {"max_tokens": bench.asked.max_tokens, **options(task)}
            if "python" in task.type:
                found = function(task, wording, engine, **how).detailed(task.text or "")
                return found, plain(task, found.value)
            how["detailed"] = True
            if "tools" in task.type:
                how |= {"tool_choice": "required", "parallel": False, "tool_format": TOOL_FORMAT}
                found = sg.run(engine, task.question(wording), tools=tools(task), **how)
                (call,) = found.calls
                return found, {"name": call.name, "arguments": call.arguments}
            is_regex = "regex" in task.type
            grammar = sg.regex(task.type["regex"]) if is_regex else sg.lark(task.type["lark"])
            found = sg.run(engine, task.question(wording), grammar, **how)
            return found, found.value

        def answers(tasks: Sequence[Task]) -> Iterator[Answer]:
            for task in tasks:
                begun = time.process_time()
                try:
                    found, value = outcome(asked_as(task))
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


def stated(task: Task, **options: Any) -> dict[str, Any]:
    """Return options that are of documents about a text; what is counted is a conclusion, and not stated."""
    is_stated = task.text is not None and task.kind != "counting"
    return of_type(task, grounded=True, **options) if is_stated else {}


def shown(task: Task) -> list[Any]:
    """Return the worked examples of a task."""
    return [(one["text"], one["answer"]) for one in task.examples]


def undescribed(task: Task) -> Task:
    """Return a task whose fields have no descriptions."""
    source = re.sub(r'description="[^"]*"', "", task.type.get("python", ""))
    return replace(task, type={**task.type, "python": source}) if source else task


def of_type(task: Task, **options: Any) -> dict[str, Any]:
    """Return options that are of documents: none for free text, grammars and tools."""
    return options if "python" in task.type and hint(task) is not str else {}


def peer(library: str, *, our_prompt: bool = False, served: bool = False) -> Callable[[Bench], Row]:
    """Return a row of another library, which answers in a process of its own."""

    def make(bench: Bench) -> Row:
        asked = bench.asked

        def answers(tasks: Sequence[Task]) -> Iterator[Answer]:
            prompts = [bench.prompt(one) if our_prompt else one.question(asked.wording) for one in tasks]
            given = [
                json.dumps({"id": task.id, "question": prompt})
                for task, prompt in zip(tasks, prompts, strict=True)
            ]
            command = [asked.peers, str(Path(__file__).with_name("answer_peers.py")), library, asked.half]
            command += ["--max-tokens", str(asked.max_tokens)]
            with ExitStack() as stack:
                if served:
                    options = ("--tool-format", TOOL_FORMAT)
                    server = serving_checks.serving(*options, model=asked.model, OMP_NUM_THREADS="1")
                    url, process = stack.enter_context(server)
                    command += ["--url", url, "--server", str(process.pid)]
                else:
                    command += ["--model", str(gguf_file(asked.model))]
                lines = "\n".join(given)
                said = subprocess.run(command, input=lines, capture_output=True, text=True, check=False)
            found = [json.loads(line) for line in said.stdout.splitlines()]
            if not found or "missing" in found[0]:
                nothing = (said.stderr.strip().splitlines() or ["it said nothing"])[-1]
                raise Missing(found[0]["missing"] if found else nothing)
            bench.peer = found[0]["version"]
            for task, one in zip(tasks, found[1:], strict=True):
                yield judged(task, one["text"], one["tokens"], one["seconds"], one["away"], one["error"])

        return answers

    return make


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


def by(strategy: Callable[[Task], Any] = lambda task: (), heat: float = 0.0) -> Callable[[Bench], Row]:
    """Return a row of our own under a strategy, greedy or drawn by seed 1."""
    sampling = sg.Sampling(temperature=heat, seed=1)
    return ours(lambda task: {"sampling": replace(sampling, strategy=strategy(task)), "attempts": 1})


def voted(bench: Bench) -> Row:
    """Of five draws the answer that most of them have."""

    def answers(tasks: Sequence[Task]) -> Iterator[Answer]:
        samplings = [sg.Sampling(temperature=1.0, seed=seed) for seed in range(5)]
        rows = [ours(lambda task, how=how: {"sampling": how, "attempts": 1})(bench) for how in samplings]
        for drawn in zip(*(list(row(tasks)) for row in rows), strict=True):
            said = Counter(json.dumps(one.value, default=str) for one in drawn if one.complete)
            best = said.most_common(1)[0][0] if said else ""
            chosen = next((one for one in drawn if json.dumps(one.value, default=str) == best), drawn[0])
            spent, tokens = sum(one.seconds for one in drawn), sum(one.tokens for one in drawn)
            yield replace(chosen, seconds=spent, tokens=tokens)

    return answers


def plan(task: Task) -> Any:
    """Return a search that is rewarded for words of the question."""
    from bench_strategies import WordsFound

    return sg.strategies.PlanningSearch(reward=WordsFound(task.text or task.prompt), rollouts=8)


_S = sg.strategies
ROWS: dict[str, Callable[[Bench], Row]] = {
    "defaults": ours(lambda task: {}),
    "outline": ours(lambda task: of_type(task, outline=True)),
    "wrap": ours(lambda task: of_type(task, wrap=True)),
    "outline + wrap": ours(lambda task: of_type(task, outline=True, wrap=True)),
    "thinking first": ours(lambda task: {"thinking": sg.Thinking(until="\n\n", max_tokens=80)}),
    "one attempt": ours(lambda task: {"attempts": 1}),
    "no descriptions": ours(lambda task: {}, asked_as=undescribed),
    "grounded": ours(stated),
    "grounded, quotes": ours(lambda task: stated(task, quotes=True)),
    "examples": ours(lambda task: {"examples": shown(task)}),
    "grounded, examples": ours(lambda task: stated(task, examples=shown(task))),
    "grounded, quotes, examples": ours(lambda task: stated(task, quotes=True, examples=shown(task))),
    "embedded, grounded": ours(stated, "structgen/extract"),
    "embedded, grounded, quotes": ours(lambda task: stated(task, quotes=True), "structgen/extract"),
    "outlines": peer("outlines"),
    "outlines, our prompt": peer("outlines", our_prompt=True),
    "guidance": peer("guidance"),
    "guidance, our prompt": peer("guidance", our_prompt=True),
    "serve + instructor": peer("instructor", served=True),
    "serve + instructor, JSON": peer("instructor-json", served=True),
    "embedded": ours(lambda task: {}, "structgen/extract"),
}
"""By name what makes a row."""
STRATEGIES: dict[str, Callable[[Bench], Row]] = {
    "greedy": by(),
    "guidance 1.5": by(lambda task: _S.Guidance("", 1.5)),
    "contrast 0.5": by(lambda task: Contrast("", 0.5)),
    "momentum 0.2": by(lambda task: Momentum()),
    "pause 0.3": by(lambda task: PauseAndRerank(0.3)),
    "plan 8": by(plan),
    "temperature 1": by(heat=1.0),
    "mirostat 1": by(lambda task: _S.Mirostat(1.0), heat=1.0),
    "cautious 4": by(lambda task: Cautious(4), heat=1.0),
    "voted 5": voted,
}
"""The same of strategies."""
BASES = "defaults", "no descriptions", "greedy", "temperature 1"
"""The rows that later ones are compared with."""


def tasks_of(row: str, tasks: Sequence[Task]) -> list[Task]:
    """Return the tasks that a row is asked."""
    if not row.startswith("embedded"):
        return list(tasks)
    return [one for one in tasks if one.kind in EXTRACTION and one.text is not None and "python" in one.type]


def figures(answers: Sequence[Answer]) -> dict[str, int | float]:
    """Return the columns of some answers."""
    return {
        "fields": sum(count_fields(one.task.answer) for one in answers),
        "right": sum(one.right for one in answers),
        "tasks": len(answers),
        "complete": sum(one.complete for one in answers),
        "tokens": sum(one.tokens for one in answers),
        "cpu_seconds": round(sum(one.seconds for one in answers), 1),
        "ran_away": sum(one.ran_away for one in answers),
        "errors": sum(bool(one.error) for one in answers),
    }


def beside(answers: Sequence[Answer], base: Sequence[Answer]) -> dict[str, float]:
    """Return how many fields more are right than in another row of the same tasks, with the interval."""
    off = np.array([one.right - other.right for one, other in zip(answers, base, strict=True)], np.float64)
    picked = np.random.default_rng(7).integers(0, len(off), (2000, len(off)))
    low, high = np.percentile(off[picked].sum(1), (2.5, 97.5))
    return {"difference": float(off.sum()), "low": float(low), "high": float(high)}


def measured(bench: Bench, rows: Sequence[str], tasks: Sequence[Task]) -> Iterator[dict[str, Any]]:
    """Yield a row for all tasks and one for each kind, of each row that can be run."""
    asked, base, name = bench.asked, list[Answer](), ""
    for row in rows:
        bench.peer = ""
        some = tasks_of(row, tasks)
        try:
            answers = list((ROWS | STRATEGIES)[row](bench)(some))
        except (Missing, sg.StructgenError) as error:
            print(f"{row}: not run: {error}")
            continue
        if row in BASES and (not base or row != "defaults"):
            base, name = answers, row
        is_compared = len(base) == len(answers)
        compared = beside(answers, base) if is_compared else dict.fromkeys(("difference", "low", "high"), "")
        about = {"half": asked.half, "wording": asked.wording, "row": row}
        more = {"beside": name if is_compared else "", **compared, "peer": bench.peer}
        yield about | {"kind": "all"} | figures(answers) | more
        for kind in dict.fromkeys(task.kind for task in some):
            yield about | {"kind": kind} | figures([one for one in answers if one.task.kind == kind])
        if asked.answers is not None:
            with asked.answers.open("a", encoding="utf-8") as file:
                file.writelines(f"{kept(row, one)}\n" for one in answers)


def kept(row: str, one: Answer) -> str:
    """Return an answer as a line of JSON."""
    names = ("value", "text", "right", "tokens", "ran_away", "error")
    said = {"row": row, "id": one.task.id, "kind": one.task.kind, "answer": one.task.answer}
    said |= {name: getattr(one, name) for name in names}
    return json.dumps(said, ensure_ascii=False, default=str)


def drawn(tasks: Sequence[Task], count: int) -> list[Task]:
    """Return tasks of Python's types that are no free text, drawn by the seed."""
    typed = [one for one in tasks if "python" in one.type and hint(one) is not str]
    return random.Random(SEED).sample(typed, min(count, len(typed)))


def main() -> None:
    """Ask, print and write."""
    parser = arguments(__doc__)
    parser.add_argument(
        "--half",
        choices=[*HALVES, "described-open", "described-sealed", "stated-open", "stated-sealed"],
        default="open",
    )
    parser.add_argument("--wording", choices=WORDINGS, default="first")
    usual = [row for row in ROWS if row != "no descriptions" and "examples" not in row]
    names = [*ROWS, *STRATEGIES]
    parser.add_argument("--rows", nargs="+", choices=names, default=usual, metavar="ROW")
    parser.add_argument("--only", nargs="+", metavar="KIND", help="kinds of tasks, by their names")
    parser.add_argument("--sample", type=int, help="so many typed tasks, drawn by a seed")
    parser.add_argument("--model", default="smollm2", help="smollm2, or a GGUF file")
    parser.add_argument("--max-tokens", type=int, default=120)
    parser.add_argument("--peers", default=sys.executable, help="the interpreter of the other libraries")
    parser.add_argument("--answers", type=Path, help="a file for every answer (of the open half)")
    parser.add_argument("--more", action="store_true", help="add to the day's file, not in its place")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the processes that this one started end too
    if asked.answers is not None and asked.half in SEALED:
        parser.error("--answers: answers of a sealed half are not looked at.")
    tasks = read_tasks(asked.half)
    kinds = {task.kind for task in tasks}
    if unknown := set(asked.only or ()) - kinds:
        parser.error(f"--only: there is no kind {min(unknown)!r}: {', '.join(sorted(kinds))}")
    tasks = [task for task in tasks if asked.only is None or task.kind in asked.only]
    tasks = tasks if asked.sample is None else drawn(tasks, asked.sample)
    about = {"model": asked.model, "max_tokens": asked.max_tokens}
    tell(asked, "answers", measured(Bench(asked), asked.rows, tasks), ["torch"], **about)


if __name__ == "__main__":
    main()
