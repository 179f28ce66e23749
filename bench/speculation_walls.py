"""Wall time with speculation and without (part 3 of bench_speculation.py), and transformers' own ways.

One process. For a workload and a batch size all modes take turns within each round, each round in another
order; a mode's speed-up is the median over the rounds of (seconds of "off") / (seconds of the mode) in the
same round. CPU seconds are those of the whole process, threads included, over the same stretch. The first
round is thrown away: it compiles, and fills masks that are kept.

A mode has an engine of its own for each model and batch size, which learns what passes cost over the rounds,
as that of a server does. At batch 1 requests come one after another, each when the one before is done; at
batch b they come b at a time. Earlier answers are put into a new history before each run, outside of the
clock; answers of the run itself are added by the engine as they come.

transformers writes free text: it has no grammar. Its plain generate is what its ratios are to.
"""

from __future__ import annotations

import gc
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import records
import torch
from speculation_counts import PromptLookup
from speculation_models import Recorded
from speculation_workloads import CHANGED, DUMPS, HELD_OUT, SAME, TWENTY, Item, Workload

import structgen as sg
from structgen.speculation.drafters.answer_history import AnswerHistory
from structgen.speculation.speculation_options import Speculation

OFF, AUTO = "off", "auto"
MOST: Final = 256
"""Tokens of an answer that the model chooses, at most."""


@dataclass(frozen=True, slots=True)
class Mode:
    """A setting of speculation; `make` is given an item's own old document, and the run's history."""

    title: str
    make: Callable[[str, AnswerHistory], str | Speculation]


def modes(workload: str, draft_model: str = "") -> list[Mode]:
    """Return the modes that a workload is measured in: off, auto, and explicit settings that fit it."""
    usual = [Mode(OFF, lambda *_: "off"), Mode(AUTO, lambda *_: "auto")]
    chain = Mode("chain of 5", lambda *_: Speculation(nodes=5, chain=True))
    lookup = Mode("prompt lookup", lambda *_: Speculation([PromptLookup], nodes=10))
    forced = Mode("forced tokens", lambda *_: Speculation(["forced"]))
    fitting = {
        CHANGED: [
            Mode("caller's text", lambda text, _: Speculation(edit=text)),
            Mode("caller's text, 32 nodes", lambda text, _: Speculation(edit=text, nodes=32)),
            Mode("caller's text alone", lambda text, _: Speculation([], edit=text)),
        ],
        SAME: [
            Mode("earlier answers", lambda _, known: Speculation(history=known, tenant=_TENANT)),
            Mode(
                "earlier answers, 8 nodes",
                lambda _, known: Speculation(nodes=8, history=known, tenant=_TENANT),
            ),
            Mode("earlier answers alone", lambda _, known: Speculation([], history=known, tenant=_TENANT)),
        ],
        TWENTY: [chain, Mode("n-grams", lambda *_: Speculation(["suffix"])), lookup],
        HELD_OUT: [chain, forced, lookup],
    }[workload]
    drafted = [Mode("draft model", lambda *_: Speculation(draft_model=draft_model))] if draft_model else []
    return usual + fitting + drafted


_TENANT: Final = "bench"


@dataclass(slots=True)
class Cell:
    """What one mode took on one workload at one batch size, a number a round."""

    model: str
    workload: str
    batch: int
    mode: str
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    tokens: int = 0
    calls: int = 0
    """Passes of each text, its prompt's among them, added up."""
    drafted: int = 0
    differ: int = 0
    """Texts that are others than those of "off"."""
    notes: str = ""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A workload, ready for a model: its requests' grammars, answers and old documents."""

    name: str
    items: list[Item]
    grammars: list[Any]
    prompts: list[list[int]]
    answers: list[list[int]]
    """Of the model itself, or recorded; the end token among them."""
    texts: list[str]
    """The documents as they were."""
    earlier: list[list[int]]
    schema: str
    most: int

    def history(self, tokenizer: sg.Tokenizer) -> AnswerHistory:
        """Return a new history with the earlier answers."""
        made = AnswerHistory(tokenizer)
        for answer in self.earlier:
            made.add(_TENANT, self.schema, answer)
        return made


class Writer:
    """What wrote the answers: an embedded model, without speculation."""

    def __init__(self, model: Any, tokenizer: sg.Tokenizer) -> None:
        self.tokenizer = tokenizer
        self._engine = sg.Engine(model, tokenizer, max_rows=8)
        self._compiled: dict[str, Any] = {}

    def prepared(self, workload: Workload, count: int) -> _Prepared:
        """Return the first `count` requests of a workload, ready."""
        items, tokenizer = workload.items[:count], self.tokenizer
        if workload.is_replayed:
            end = tokenizer.eos_token_ids[0]
            answers = [[*tokenizer.encode(item.answer.encode()), end] for item in items]
        else:
            answers = self._written([(item.prompt, item) for item in items])
        texts = self._written([(item.before, item) for item in items if item.before])
        earlier = self._written([(item.prompt, item) for item in workload.earlier])
        return _Prepared(
            workload.name,
            items,
            [self.compiled(item) for item in items],
            [tokenizer.encode(item.prompt.encode()) for item in items],
            answers,
            [self._text(tokens) for tokens in texts] or [""] * len(items),
            earlier,
            self.compiled(items[0]).grammar.fingerprint,
            max(MOST, *map(len, answers)),
        )

    def compiled(self, item: Item) -> Any:
        """Return the compiled grammar of an item, one for each schema."""
        key = repr(item.schema)
        if key not in self._compiled:
            self._compiled[key] = sg.compile(sg.json_schema(item.schema, **DUMPS), self.tokenizer)
        return self._compiled[key]

    def _written(self, asked: Sequence[tuple[str, Item]]) -> list[list[int]]:
        greedy = sg.Sampling(temperature=0.0)
        requests = [
            sg.Request(prompt, self.compiled(item), greedy, max_tokens=MOST, speculation="off")
            for prompt, item in asked
        ]
        results = self._engine.generate(requests) if requests else []
        return [with_end(result, self.tokenizer) for result in results]

    def _text(self, tokens: Sequence[int]) -> str:
        return b"".join(self.tokenizer.token_bytes[token] or b"" for token in tokens).decode()


def with_end(result: Any, tokenizer: sg.Tokenizer) -> list[int]:
    """Return a result's tokens and the end token behind them. Raises RuntimeError where it has an error."""
    if result.error is not None:
        raise RuntimeError(str(result.error))
    ends = tokenizer.eos_token_ids
    return (
        list(result.tokens) if result.tokens[-1:] and result.tokens[-1] in ends else [*result.tokens, ends[0]]
    )


class Bench:
    """A model, and its engines: one for each mode and batch size."""

    def __init__(
        self, name: str, model: Any, writer: Writer, *, replays: bool, draft_model: str = ""
    ) -> None:
        self.name, self._model, self._writer = name, model, writer
        self._replays, self._draft_model = replays, draft_model
        self._engines: dict[tuple[str, str, int], Any] = {}

    def measure(
        self, workload: Workload, batch: int, count: int, rounds: int, most_modes: int | None = None
    ) -> list[Cell]:
        """Return what each mode (the first `most_modes`) took for the first `count` requests, over some
        rounds."""
        ready = self._writer.prepared(workload, count)
        chosen = modes(workload.name, self._draft_model)[:most_modes]
        cells = {mode.title: Cell(self.name, workload.name, batch, mode.title) for mode in chosen}
        wanted: list[list[int]] = []
        for turn in range(rounds + 1):
            shift = turn % len(chosen)
            found = {}
            for mode in chosen[shift:] + chosen[:shift]:
                cell = cells[mode.title]
                wall, cpu, results = self._run(ready, mode, batch)
                found[mode.title] = results
                if turn:
                    cell.wall.append(wall)
                    cell.cpu.append(cpu)
            wanted = wanted or [result.tokens for result in found[OFF]]
            for title, results in found.items():
                cell = cells[title]
                cell.differ += sum(
                    result.tokens != tokens for result, tokens in zip(results, wanted, strict=True)
                )
                cell.tokens = sum(len(result.tokens) for result in results)
                cell.calls = sum(result.usage.calls + 1 for result in results)
                cell.drafted = sum(result.usage.drafted for result in results)
                cell.notes = "; ".join(sorted({result.usage.speculation for result in results} - {""}))
        print(f"{self.name}, {workload.name}, batch {batch}: done", file=sys.stderr, flush=True)
        return list(cells.values())

    def _engine(self, ready: _Prepared, mode: Mode, batch: int) -> Any:
        key = ready.name, mode.title, batch
        if key not in self._engines:
            model = self._model
            if self._replays or ready.items[0].answer:
                model = Recorded(model, zip(ready.prompts, ready.answers, strict=True))
            self._engines[key] = sg.Engine(model, self._writer.tokenizer, max_rows=batch)
        return self._engines[key]

    def _run(self, ready: _Prepared, mode: Mode, batch: int) -> tuple[float, float, list[Any]]:
        """Return seconds, CPU seconds, and results."""
        engine, history = self._engine(ready, mode, batch), ready.history(self._writer.tokenizer)
        requests = [
            sg.Request(
                prompt,
                grammar,
                sg.Sampling(temperature=0.0),
                max_tokens=ready.most,
                speculation=mode.make(text, history),
            )
            for prompt, grammar, text in zip(ready.prompts, ready.grammars, ready.texts, strict=True)
        ]
        gc.collect()
        wall, cpu = time.perf_counter(), time.process_time()
        results = []
        for start in range(0, len(requests), batch):
            results += engine.generate(requests[start : start + batch])
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        for result in results:
            with_end(result, self._writer.tokenizer)  # raises where one failed
        return wall, cpu, results


# --- transformers -------------------------------------------------------------------------------------------

PLAIN, ASSISTED, LOOKUP = "generate", "assistant_model=extract-draft", "prompt_lookup_num_tokens=10"


def of_transformers(
    workloads: Iterable[Workload], count: int, rounds: int, folder: Any, draft: Any
) -> list[Cell]:
    """Return what transformers' generate takes for the same prompts at batch 1: plain, with a small model as
    its assistant, and with prompt lookup. Greedy. A workload that is replayed is left out."""
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True).eval()
    assistant = AutoModelForCausalLM.from_pretrained(draft, dtype=torch.float32, local_files_only=True).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    ways: dict[str, dict[str, Any]] = {
        PLAIN: {},
        ASSISTED: {"assistant_model": assistant},
        LOOKUP: {"prompt_lookup_num_tokens": 10},
    }
    found = []
    for workload in workloads:
        if workload.is_replayed:
            continue
        cells = {way: Cell("transformers, extract", workload.name, 1, way) for way in ways}
        read = [tokenizer(item.prompt, return_tensors="pt") for item in workload.items[:count]]
        wanted: list[list[int]] = []
        for turn in range(rounds + 1):
            shift = turn % len(ways)
            outs = {}
            for way in [*ways][shift:] + [*ways][:shift]:
                wall, cpu = time.perf_counter(), time.process_time()
                with torch.inference_mode():
                    outs[way] = [
                        model.generate(
                            input_ids=one["input_ids"],
                            attention_mask=one["attention_mask"],
                            max_new_tokens=MOST,
                            do_sample=False,
                            **ways[way],
                        )[0, one["input_ids"].shape[1] :].tolist()
                        for one in read
                    ]
                if turn:
                    cells[way].wall.append(time.perf_counter() - wall)
                    cells[way].cpu.append(time.process_time() - cpu)
            wanted = wanted or outs[PLAIN]
            for way, texts in outs.items():
                cells[way].tokens = sum(map(len, texts))
                cells[way].differ += sum(a != b for a, b in zip(texts, wanted, strict=True))
        print(f"transformers, {workload.name}: done", file=sys.stderr, flush=True)
        found += cells.values()
    return found


# --- tables -------------------------------------------------------------------------------------------------

GOALS: Final[dict[tuple[str, str, int], float]] = {
    ("extract", CHANGED, 1): 1.8,
    ("extract", SAME, 1): 1.3,
    ("extract", TWENTY, 1): 1.3,
    ("100M", CHANGED, 1): 2.0,
    ("100M", SAME, 1): 1.4,
    ("1B", CHANGED, 1): 2.2,
    ("1B", SAME, 1): 2.2,
}
"""Times plain decoding, of the best setting."""
NEVER_UNDER: Final = 0.98
"""Of "auto", whatever the workload and the batch."""
COLUMNS: Final = (
    "model", "workload", "batch", "mode", "rounds", "wall_s", "cpu_s", "tokens_per_s", "speedup_wall",
    "speedup_least", "speedup_cpu", "calls_per_token", "drafted_per_token", "differ", "goal", "reached",
    "notes",
)  # fmt: skip


def rows(cells: Sequence[Cell]) -> list[tuple[object, ...]]:
    """Return a row for each cell; see COLUMNS.

    `speedup_wall` and `speedup_cpu` are medians of paired ratios, `speedup_least` is the ratio of the least
    times. The goal of a workload is written beside its best explicit setting or auto, whichever is faster;
    beside auto stands the bound that it must not fall under.
    """
    groups: dict[tuple[str, str, int], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.model, cell.workload, cell.batch), []).append(cell)
    found: list[tuple[object, ...]] = []
    for key, group in groups.items():
        plain = group[0]
        speeds = {cell.mode: _paired(plain.wall, cell.wall) for cell in group}
        best = max((cell.mode for cell in group[1:]), key=lambda mode: speeds[mode])
        for cell in group:
            goal = GOALS.get(key) if cell.mode == best else None
            if goal is None and cell.mode == AUTO:
                goal = NEVER_UNDER
            wall = statistics.median(cell.wall)
            found.append(
                (
                    *key, cell.mode, len(cell.wall), wall, statistics.median(cell.cpu), cell.tokens / wall,
                    speeds[cell.mode], min(plain.wall) / min(cell.wall), _paired(plain.cpu, cell.cpu),
                    cell.calls / cell.tokens if cell.calls else "", cell.drafted / cell.tokens, cell.differ,
                    "" if goal is None else goal,
                    "" if goal is None else "yes" if speeds[cell.mode] >= goal else "no",
                    cell.notes,
                )
            )  # fmt: skip
    return found


def _paired(plain: Sequence[float], other: Sequence[float]) -> float:
    return statistics.median(one / two for one, two in zip(plain, other, strict=True))


PAIR_COLUMNS: Final = (
    "model", "workload", "batch", "pairs", "off_s", "auto_s", "off_cpu_s", "auto_cpu_s",
    "wall_ratio", "wall_from", "wall_to", "cpu_ratio", "cpu_from", "cpu_to", "drafted", "differ",
)  # fmt: skip


def pair_rows(cells: Sequence[Cell]) -> list[tuple[object, ...]]:
    """Return a row for each workload and one for all, from cells of "off" and "auto" in turns: medians of
    seconds and of (time of "auto") / (time of "off") over pairs of runs, with intervals of 95 %."""
    names = list(dict.fromkeys(cell.workload for cell in cells))
    return [_pair_row(name, [one for one in cells if one.workload == name]) for name in names] + [
        _pair_row("all", cells)
    ]


def _pair_row(name: str, cells: Sequence[Cell]) -> tuple[object, ...]:
    off, auto = (Cell(cells[0].model, name, cells[0].batch, mode) for mode in (OFF, AUTO))
    for cell in cells:
        every = off if cell.mode == OFF else auto
        every.wall, every.cpu = every.wall + cell.wall, every.cpu + cell.cpu
        every.drafted, every.differ = every.drafted + cell.drafted, every.differ + cell.differ
    times = (statistics.median(seconds) for seconds in (off.wall, auto.wall, off.cpu, auto.cpu))
    ratios = *_ratio(off.wall, auto.wall), *_ratio(off.cpu, auto.cpu)
    return off.model, name, off.batch, len(off.wall), *times, *ratios, auto.drafted, auto.differ


def _ratio(plain: Sequence[float], other: Sequence[float]) -> tuple[float, float, float]:
    """Return the median of paired ratios, and an interval for it: the ranks that the binomial law gives."""
    ranked = sorted(two / one for one, two in zip(plain, other, strict=True))
    beyond = max(int(len(ranked) / 2 - 0.98 * len(ranked) ** 0.5), 0)
    return statistics.median(ranked), ranked[beyond], ranked[-1 - beyond]


def markdown(found: Sequence[Sequence[object]]) -> str:
    """Return the table."""
    shown = [name for name in COLUMNS if name not in ("rounds", "notes", "drafted_per_token")]
    places = [COLUMNS.index(name) for name in shown]
    return records.markdown(shown, ([row[at] for at in places] for row in found))


def partings(cells: Iterable[Cell]) -> int:
    """Return how many texts of our engine were others with speculation than without."""
    return sum(cell.differ for cell in cells if not cell.model.startswith("transformers"))
