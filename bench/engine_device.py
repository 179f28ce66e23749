"""What structured output costs on a GPU: the engine with a Llama of random weights and fixed shapes.

`bench_engine.py` runs this. The systems differ in how steps run (CUDA graphs, or kernel by kernel).
The goal is the ratio of two medians of the same rounds: tokens a second under a grammar and of free text.
"""

from __future__ import annotations

import statistics
import sys
from collections import defaultdict
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from engine_runs import FREE, HARD, ORDINARY, SCHEMAS, Ours, Setting

import structgen as sg
from structgen.engine.cuda_graphs import Graphs
from structgen.engine.forward_pass.fixed_pass import FixedLlama
from structgen.engine.forward_pass.weights import Layer, Sizes, Weights
from structgen.system.resources import embedded_model

SHAPES = {
    # layers, width, inner, heads, groups, head, vocabulary: of Llama 3.2 1B, and one to try the script with
    "1b": (16, 2048, 8192, 32, 8, 64, 128_256),
    "tiny": (2, 64, 128, 2, 1, 32, 4_096),
}
GOALS = (
    ("structured throughput, % of unconstrained (ordinary, graphs)", ">= 95"),
    ("structured throughput, % of unconstrained (hard, graphs)", ">= 95"),
    ("texts that differ between graph replay and eager", "0"),
    ("graph replay, times eager (ordinary)", ""),
)
COLUMNS = ("batch", "system", "text", "measure", "value")
_CONTEXT = 2048


@dataclass(frozen=True)
class System:
    """A way to run the engine."""

    name: str
    has_graphs: bool


SYSTEMS = (
    System("graphs", True),
    System("eager", False),
)


def random_weights(shape: str, device: torch.device) -> Weights:
    """Return the weights of a Llama of a shape, drawn once for all: float32 on a CPU, else bfloat16."""
    layers, width, inner, heads, groups, head, vocabulary = SHAPES[shape]
    kind = torch.float32 if device.type == "cpu" else torch.bfloat16
    random = torch.Generator(device).manual_seed(0)

    def made(rows: int, columns: int) -> torch.Tensor:
        drawn = torch.randn(rows, columns, generator=random, device=device, dtype=torch.float32)
        return (drawn * columns**-0.5).to(kind)

    ones = torch.ones(width, device=device, dtype=kind)
    parts = [
        Layer(
            ones,
            made((heads + 2 * groups) * head, width),
            made(width, heads * head),
            ones,
            made(2 * inner, width),
            made(width, inner),
        )
        for _ in range(layers)
    ]
    embedding = made(vocabulary, width) * width**0.5
    steps = torch.arange(0, head, 2, device=device, dtype=torch.float32)
    places = torch.arange(_CONTEXT, device=device, dtype=torch.float32)
    angles = torch.outer(places, 500_000.0 ** (-steps / head))
    cos, sin = angles.cos().repeat(1, 2), torch.cat((-angles.sin(), angles.sin()), -1)
    sizes = Sizes(layers, heads, groups, head, _CONTEXT, 500_000.0, 1e-5)
    return Weights(sizes, embedding, parts, ones, 2 * made(vocabulary, width), cos.to(kind), sin.to(kind))


def wide_tokenizer(size: int) -> sg.Tokenizer:
    """Return a tokenizer of `size` tokens: those of the embedded one, then pairs of them, then an end."""
    base = sg.Tokenizer.from_huggingface(str(embedded_model("structgen/extract")))
    words = dict.fromkeys(token for token in base.token_bytes if token)
    for first, second in product(list(words), repeat=2):
        if len(words) >= size - 1:
            break
        words.setdefault(first + second)
    return sg.Tokenizer([*list(words)[: size - 1], None], eos_token_ids=[size - 1])


class Case:
    """A model and a tokenizer, for all systems."""

    def __init__(self, shape: str, device: torch.device, batch: int) -> None:
        self.device, self.batch = device, batch
        self.weights, self.tokenizer = random_weights(shape, device), wide_tokenizer(SHAPES[shape][-1])
        self.prompts = Setting("", device, None, None, self.tokenizer, None).prompts(batch)

    def ours(self, system: System) -> Ours:
        """Return the engine as a system has it."""
        graphs = Graphs(self.device) if system.has_graphs else Graphs(self.device, lambda function: function)
        model = FixedLlama(self.weights, self.batch, _CONTEXT, graphs)
        where = Setting("", self.device, model, None, self.tokenizer, None)
        return Ours(where, self.batch, device_masks=True)


def measure(
    shape: str, device: torch.device, batch: int, tokens: int, repeats: int
) -> list[tuple[int, str, str, str, float]]:
    """Return rows of COLUMNS. One system is in memory at a time; kinds of text take turns in its rounds."""
    case = Case(shape, device, batch)
    seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
    steps: dict[tuple[str, str], list[float]] = defaultdict(list)
    for system in SYSTEMS:
        ours = case.ours(system)
        kinds = [FREE, ORDINARY, HARD]
        for turn in range(repeats + 1):
            for kind in kinds[turn % 3 :] + kinds[: turn % 3]:
                timing, _ = ours.run(case.prompts, kind, tokens, 1.0)
                if turn == 0:
                    continue  # compilation, captures, first masks
                # a decode step is what a mask belongs to; prompts are read before
                seconds[system.name, kind].append(sum(timing.steps))
                steps[system.name, kind] += timing.steps
        print(f"{system.name}, batch {batch} done", file=sys.stderr, flush=True)
        del ours
    rows: list[tuple[int, str, str, str, float]] = []
    rate = {}
    for (system_name, kind), found in seconds.items():
        rate[system_name, kind] = batch * (tokens - 1) / statistics.median(found)
        rows.append((batch, system_name, kind, "tokens/s", rate[system_name, kind]))
        rows.append((batch, system_name, kind, "step ms", 1e3 * statistics.median(steps[system_name, kind])))
    values = (
        100 * rate["graphs", ORDINARY] / rate["graphs", FREE],
        100 * rate["graphs", HARD] / rate["graphs", FREE],
        differing(case, tokens),
        rate["graphs", ORDINARY] / rate["eager", ORDINARY],
    )
    return rows + [(batch, "", "", name, value) for (name, _), value in zip(GOALS, values, strict=True)]


def differing(case: Case, tokens: int) -> int:
    """Return how many texts differ between replayed graphs and the same steps kernel by kernel."""
    schema = sg.json_schema(SCHEMAS[ORDINARY], **{**sg.JSON_DUMPS, "escapes": "utf8"})
    texts = []
    for system in SYSTEMS:
        ours = case.ours(system)
        requests = [
            sg.Request(prompt, schema if i % 2 else None, sg.Sampling(seed=i), max_tokens=1600)
            for i, prompt in enumerate(case.prompts)
        ]
        handles = [handle for request in requests for handle in ours.engine.submit(request)]
        for _ in range(tokens):
            ours.engine.step()
        for handle in handles:
            handle.cancel()
        ours.engine.drive(handles)
        texts.append([handle.result.tokens for handle in handles if handle.result is not None])
        del ours
    return sum(one != other for one, other in zip(*texts, strict=True))


def told(
    rows: list[tuple[int, str, str, str, float]], batch: int, missing: str = "", *, is_goal: bool = True
) -> list[str]:
    """Return the lines of the goals: reached, missed, or not measured, with the reason; "tried" where this is
    another device or shape than the goal is for."""
    found: dict[str, Any] = {row[3]: row[4] for row in rows if not row[1]}
    lines = []
    for name, goal in GOALS:
        what = f"batch {batch}: {name}"
        if name not in found:
            lines.append(f"not measured {what}{goal and f' (goal {goal})'}: {missing}")
            continue
        value = found[name]
        reached = not goal or (value == 0 if goal == "0" else value >= float(goal.removeprefix(">= ")))
        word = ("reached" if reached else "missed") if is_goal and goal else "tried" if goal else ""
        lines.append(f"{word:<8} {what}: {value:.2f}{goal and f' (goal {goal})'}")
    return lines
