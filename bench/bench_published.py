"""What was shown on our own models, shown on a published one, SmolLM2 (docs/inside/published-model.md).

    python bench/bench_published.py start speculation samplers strategies search
    python bench/bench_published.py quality --maskbench FOLDER [--count 300]
    python bench/bench_published.py llama server           with xllamacpp, which is llama.cpp for Python

The parts:

    start        what loading takes: seconds of processor, memory; the same of `structgen serve`
    llama        one text beside llama.cpp, on the file as it is and with weights of 32 bits
    speculation  calls and seconds of processor a token, by drafters, on 24 texts under schemas
    samplers     error and intervals on three tasks whose law is enumerated
    strategies   answers of 60 tasks of the half `open` of bench/answers, by strategy
    search       sg.most_probable on five tasks
    quality      documents of schemas of MaskBench, with the outline and without
    server       `structgen serve` beside llama.cpp's server: first text and tokens a second

Free text and text under a schema beside transformers' loop: `bench_engine.py --model smollm2`.

The model is SmolLM2-135M-Instruct (`make smollm2`) in float32 on one thread. What is compared takes turns,
and figures are medians of the rounds. Seconds are those of the processor, whatever else the machine does,
but for `server`. Prints each row, and writes bench/results/published-PART-DATE.csv.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from bench_answers import Answer, Bench, figures, function, ours, processor_seconds, serving
from records import arguments, in_turns, load, middle, versions, write

import structgen as sg

SEED = 54
GREEDY = sg.Sampling(temperature=0.0)
Rows = Iterator[tuple[Any, ...]]


@dataclass
class Setting:
    """The options, and the engine, which is made once."""

    asked: argparse.Namespace
    _engine: sg.Engine | None = None

    @property
    def engine(self) -> sg.Engine:
        if self._engine is None:
            self._engine = sg.Engine("smollm2")
            sg.run(self._engine, "Say yes.", bool, max_tokens=8)  # what is compiled once is no one's time
        return self._engine

    def write(self, part: str, names: Sequence[str], rows: Rows) -> None:
        """Print the rows of a part as they come, and write its file."""
        print(f"\n{part}\n" + " | ".join(names), flush=True)
        done = []
        for row in rows:
            done.append(tuple(f"{one:.4g}" if isinstance(one, float) else one for one in row))
            print(" | ".join(map(str, done[-1])), flush=True)
            about = {
                "load": load(),
                "versions": versions("torch", "transformers", "llguidance", "xgrammar", "xllamacpp"),
            }
            write(self.asked.results, f"published-{part}", about, names, done)


def processor(act: Callable[[], Any]) -> tuple[float, Any]:
    """Return the processor time of an act, and its result."""
    begun = time.process_time()
    found = act()
    return time.process_time() - begun, found


# --- start --------------------------------------------------------------------------------------------------

LOADING = """
import time, json, sys
begun = time.process_time()
import structgen as sg, torch
torch.set_num_threads(1)
imported = time.process_time()
engine = sg.Engine("smollm2", dtype=sys.argv[1])
loaded = time.process_time()
said = open("/proc/self/status").read()
of = lambda name: int(said.partition(name + ":")[2].split()[0]) / 1024
print(json.dumps([imported - begun, loaded - imported, of("VmRSS"), of("VmHWM")]))
"""
START = ("what", "imports s", "engine s", "memory MB", "most memory MB")


def start(where: Setting) -> Rows:
    """Measure what loading takes."""
    for dtype in ("float32", "bfloat16") * where.asked.rounds:
        said = subprocess.run(
            [sys.executable, "-c", LOADING, dtype], capture_output=True, text=True, check=True
        )
        yield f'sg.Engine("smollm2", dtype="{dtype}")', *json.loads(said.stdout.splitlines()[-1])
    for _ in range(where.asked.rounds):
        with serving("smollm2") as (_, pid):
            said = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
            memory = (int(said.partition(f"{name}:")[2].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
            yield "structgen serve smollm2", "", processor_seconds(pid), *memory


# --- llama.cpp ----------------------------------------------------------------------------------------------

LLAMA = (
    "system",
    "weights",
    "text",
    "prompt tokens",
    "tokens",
    "cpu s",
    "tokens a second",
    "seconds of prompt",
)


def float32_gguf(target: Path) -> Path:
    """Write SmolLM2's file with weights of 32 bits, where it is not there yet; return it."""
    import gguf

    from structgen.engine.forward_pass.gguf_models import gguf_file

    if target.exists():
        return target
    read = gguf.GGUFReader(gguf_file("smollm2"))
    out = gguf.GGUFWriter(str(target), "llama")
    for name, field in read.fields.items():
        if name.startswith("GGUF.") or name in ("general.architecture", "general.file_type"):
            continue
        kind = field.types[0]
        inner = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        out.add_key_value(name, field.contents(), kind, inner)
    for one in read.tensors:
        out.add_tensor(one.name, gguf.dequantize(one.data, one.tensor_type).astype(np.float32))
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()
    return target


def llama_params(file: Path, texts: int) -> Any:
    """Return the settings of llama.cpp for one thread and so many texts at once."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path, params.n_ctx, params.n_parallel = str(file), 1024 * texts, texts
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.warmup, params.verbosity = False, 0
    return params


def llama(where: Setting) -> Rows:
    """Measure one text beside llama.cpp."""
    import xllamacpp
    from engine_runs import FREE, ORDINARY, SCHEMAS, Ours
    from engine_runs import Setting as Models

    from structgen.engine.forward_pass.gguf_models import gguf_file

    tokenizer, file = where.engine.tokenizer, gguf_file("smollm2")
    assert file is not None
    half = sg.Engine("smollm2", dtype="bfloat16").model
    own = {
        name: Ours(Models(name, torch.device("cpu"), model, None, tokenizer, None), 1)
        for name, model in (("float32", where.engine.model), ("bfloat16", half))
    }
    prompt = tokenizer.encode((own["float32"].where.prompts(1)[0] * 4).encode())[:100]
    text = tokenizer.decode(prompt).decode()
    servers = {
        "Q4_1": xllamacpp.Server(llama_params(file, 1)),
        "float32": xllamacpp.Server(llama_params(float32_gguf(where.asked.float32), 1)),
    }

    def theirs(name: str, kind: str, tokens: int) -> None:
        asked = {"prompt": prompt, "max_tokens": tokens, "temperature": 0, "cache_prompt": False}
        form = {"ignore_eos": True} if kind == FREE else {"json_schema": SCHEMAS[kind]}
        said = servers[name].handle_completions({**asked, **form})
        assert said["usage"]["completion_tokens"] == tokens, said

    first, most = 1, 128
    for kind in (FREE, ORDINARY):
        ways: dict[str, Callable[[], Any]] = {}
        for tokens in (first, most):
            for name in own:
                ways[f"{name}|structgen|{tokens}"] = lambda n=name, t=tokens, k=kind: own[n].run(
                    [text], k, t, 0.0
                )
            for name in servers:
                ways[f"{name}|llama.cpp (xllamacpp {xllamacpp.__version__})|{tokens}"] = (
                    lambda n=name, t=tokens, k=kind: theirs(n, k, t)
                )
        taken = {
            way: middle(found) for way, found in in_turns(ways, where.asked.rounds, time.process_time).items()
        }
        for way in list(taken)[: len(taken) // 2]:
            weights, system, _ = way.split("|")
            begin, whole = taken[way], taken[f"{weights}|{system}|{most}"]
            yield system, weights, kind, len(prompt), most, whole, (most - first) / (whole - begin), begin


# --- speculation --------------------------------------------------------------------------------------------

SPECULATION = (
    "workload",
    "texts",
    "way",
    "tokens",
    "calls a token",
    "drafted a token",
    "ms a token",
    "times off",
    "differ",
)


def speculation(where: Setting) -> Rows:
    """Measure calls and seconds a token by drafters; all ways must write the same tokens."""
    from bench_speculation import PromptLookup
    from speculation_workloads import DUMPS, HELD_OUT, SAME, workloads

    ways: dict[str, Any] = {
        "off": "off",
        "auto": "auto",
        "forced bytes": sg.Speculation(["forced"]),
        "grammar tree": sg.Speculation(["grammar"]),
        "prompt lookup": sg.Speculation([PromptLookup], nodes=10),
        "own n-grams": sg.Speculation(["suffix"]),
        "all three": sg.Speculation(),
        "all three, chain of 5": sg.Speculation(nodes=5, chain=True),
    }
    frozen, own = workloads(), where.engine
    for name in (HELD_OUT, SAME):
        items = frozen[name]
        # the prompt of an embedded model is the outline, a line break, the text
        requests = [
            sg.Request(
                f"Extract the fields from this text: {prompt.partition(chr(10))[2].strip()}",
                sg.json_schema(schema, **DUMPS),
                GREEDY,
                max_tokens=120,
            )
            for prompt, schema in items
        ]
        found = in_turns(
            {
                way: lambda how=how, requests=requests: [
                    own.generate(replace(one, speculation=how))[0] for one in requests
                ]
                for way, how in ways.items()
            },
            min(2, where.asked.rounds),
            time.process_time,
        )
        plain = [one.tokens for one in found["off"][0][1]]
        tokens = sum(map(len, plain))
        for way, taken in found.items():
            results = taken[-1][1]
            usage = [one.usage for one in results]
            yield (
                *(name, len(items), way, tokens, sum(one.calls + 1 for one in usage) / tokens),
                sum(one.drafted for one in usage) / tokens,
                1000 * middle(taken) / tokens,
                statistics.median(one[0] / off[0] for one, off in zip(taken, found["off"], strict=True)),
                sum(one.tokens != other for one, other in zip(results, plain, strict=True)),
            )


# --- samplers -----------------------------------------------------------------------------------------------

LABELS = Literal[
    "billing", "refund", "delivery", "damage", "warranty", "account", "password", "login", "invoice",
    "discount", "return", "exchange", "cancel", "upgrade", "complaint", "praise", "question", "address",
    "payment", "other",
]  # fmt: skip
REVIEW = {
    "type": "object",
    "properties": {
        "mood": {"enum": ["good", "bad", "mixed"]},
        "stars": {"type": "integer", "minimum": 1, "maximum": 5},
        "again": {"type": "boolean"},
    },
    "required": ["mood", "stars", "again"],
    "additionalProperties": False,
}
RIDES = r"(red|green|blue|black|white) (car|bike|boat|train) (in|from|near) (Paris|Rome|Oslo|Cairo)"
SAMPLERS = (
    "task", "texts", "log10 Z", "method", "n", "seeds", "error", "error of exact draws",
    "runs without a draw", "model rows", "draws", "intervals that hold", "mean width",
    "log Z intervals given", "log Z that hold",
)  # fmt: skip


def sampled_tasks(where: Setting) -> Iterator[tuple[str, Any, list[int], Callable[[str], dict[str, str]]]]:
    """Yield a name, a compiled grammar, the prompt's tokens, and what reads the fields of a text."""
    own = where.engine
    labels = json.loads(json.dumps({"enum": list(LABELS.__args__)}))
    asked = f"Which of these is the message about: {', '.join(LABELS.__args__)}?\n"
    asked += "I was charged twice for the lamp and want my money back.\nAnswer in one word."
    dumps = {**sg.JSON_DUMPS, "escapes": "utf8"}
    whole = lambda text: {"label": text}  # noqa: E731
    for name, grammar, prompt, read in (
        ("a label of 20", sg.choice(labels["enum"]), asked, whole),
        (
            "a review, 30 documents",
            sg.json_schema(REVIEW, **dumps),
            "Rate this review: The room was small and loud, but the staff were kind.",
            lambda text: {key: str(value) for key, value in json.loads(text).items()},
        ),
        (
            "a regex of 240 texts",
            sg.regex(RIDES),
            "Name a colour, a vehicle and a city, like this: yellow bus in Berlin. Use small letters.",
            lambda text: dict(enumerate(re.fullmatch(RIDES, text).groups())),
        ),
    ):
        request = sg.Request(prompt, grammar)
        yield name, own.compiled(grammar), list(own.prompt_tokens(request)), read


class Remembered:
    """The model behind a prompt, as a function of tokens; every row is computed once."""

    def __init__(self, own: sg.Engine, prompt: list[int]) -> None:
        from structgen.engine.searches.prefix_rows import ModelRows

        self._rows, self._length = ModelRows(own.model, prompt, "published"), len(prompt)
        self._known: dict[tuple[int, ...], np.ndarray] = {}

    def __call__(self, ids: list[int]) -> np.ndarray:
        (row,) = self.read([tuple(ids[self._length :])])
        return row

    def read(self, prefixes: list[tuple[int, ...]]) -> list[np.ndarray]:
        """Return log-probabilities behind prefixes."""
        missing = [one for one in prefixes if one not in self._known]
        for one, row in zip(missing, self._rows.read(missing) if missing else [], strict=True):
            row = row - row.max()
            self._known[one] = (row - np.log(np.exp(row).sum())).astype(np.float32)
        return [self._known[one].astype(np.float64) for one in prefixes]


def enumerated(
    model: Remembered,
    compiled: Any,
    most: int,
    keeps: Callable[[str], bool] = lambda text: True,
    goes_on: Callable[[bytes], bool] = lambda prefix: True,
    most_left: float = 1e-3,
) -> tuple[dict[str, float], float]:
    """Return the probability of each text of the grammar that `keeps` accepts under the model, and the mass
    that was not followed (at most `most_left` of theirs). A prefix is followed if `goes_on` lets it."""
    from structgen.tokens.token_mask import TokenMask

    mask = TokenMask(np.zeros((1, compiled.row_words()), np.int32), compiled.vocab_size)
    ends, texts = sorted(compiled.end_tokens), defaultdict[str, float](float)
    waiting: list[tuple[float, tuple[int, ...], int]] = [(-1.0, (), compiled.start.index)]
    while waiting and (not texts or -math.fsum(one[0] for one in waiting) > most_left * sum(texts.values())):
        some = [heapq.heappop(waiting) for _ in range(min(16, len(waiting)))]
        for (mass, tokens, state), row in zip(some, model.read([one[1] for one in some]), strict=True):
            chances = np.exp(row)
            text = b"".join(compiled.tokenizer.token_bytes[token] or b"" for token in tokens)
            if compiled.may_end(state) and keeps(text.decode()):
                texts[text.decode()] += -mass * float(chances[ends].sum())
            if len(tokens) < most:
                compiled.fill_index(state, mask, 0)
                for token in mask.allowed(0).tolist():
                    if token not in ends and goes_on(text + (compiled.tokenizer.token_bytes[token] or b"")):
                        after = compiled.next_index(state, token)
                        heapq.heappush(waiting, (mass * float(chances[token]), (*tokens, token), after))
    return dict(texts), -math.fsum(one[0] for one in waiting)


def shares(texts: Sequence[str], weights: Sequence[float], read: Any) -> dict[Any, dict[str, float]]:
    """Return the marginals of fields."""
    found: dict[Any, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for text, weight in zip(texts, weights, strict=True):
        for field, value in read(text).items():
            found[field][value] += float(weight)
    return found


def samplers(where: Setting) -> Rows:
    """Measure error and intervals of draws."""
    from sampler_tasks import field_error

    most, seeds = 24, where.asked.seeds
    for task, compiled, prompt, read in sampled_tasks(where):
        model = Remembered(where.engine, prompt)
        law, left = enumerated(model, compiled, most)
        z, names = sum(law.values()), list(law)
        exact = shares(names, [law[name] / z for name in names], read)
        print(f"{task}: Z {z:.3g}, not followed {left:.2g}, {len(law)} texts", file=sys.stderr, flush=True)
        chances = np.array([law[name] for name in names]) / z
        for n in (20, 50, 100):
            drawn = [np.random.default_rng(seed).choice(len(names), n, p=chances) for seed in range(seeds)]
            floor = statistics.mean(
                field_error(exact, shares([names[at] for at in one], [1 / n] * n, read)) for one in drawn
            )
            for method in ("masked", "importance", "smc", "awrs", "cars", "rejection", "auto"):
                errors, rows, draws, widths, log_z = [], [], [], [], []
                held, empty = [], 0
                for seed in range(seeds):
                    found = sg.sample(
                        model, prompt, compiled, n, method=method, budget=100 * n, seed=seed, max_tokens=most,
                        tokenizer=compiled.tokenizer, name=task,
                    )  # fmt: skip
                    rows.append(found.statistics.model_rows)
                    draws.append(len(found.texts))
                    if not found.texts:
                        empty += 1
                        errors.append(1.0)
                        continue
                    errors.append(field_error(exact, shares(found.texts, found.weights, read)))
                    for field in exact:
                        for one in found.with_values(read).marginals(
                            lambda value, field=field: value[field], 3
                        ):
                            true = exact[field].get(one.value, 0.0)
                            held.append(one.low - 1e-3 <= true <= one.high + 1e-3)
                            widths.append(one.high - one.low)
                    if found.log_z_interval is not None:
                        low, high = found.log_z_interval
                        log_z.append(low - 1e-3 <= math.log(z) <= high + 1e-3)
                yield (
                    *(task, len(law), math.log10(z), method, n, seeds, statistics.mean(errors), floor, empty),
                    *(statistics.mean(rows), statistics.mean(draws)),
                    *(statistics.mean(held) if held else "", statistics.mean(widths) if widths else ""),
                    *(len(log_z) / seeds, statistics.mean(log_z) if log_z else ""),
                )


# --- strategies ---------------------------------------------------------------------------------------------

STRATEGIES = (
    "way", "fields", "right", "tasks", "complete", "tokens", "cpu s", "ran away", "errors",
    "difference to its plain way", "low", "high",
)  # fmt: skip


def drawn_tasks(where: Setting) -> list[Any]:
    """Return tasks of the open half, drawn by the seed: those of Python's types that are no free text."""
    from answer_tasks import hint, read_tasks

    tasks = [one for one in read_tasks("open") if "python" in one.type and hint(one) is not str]
    return random.Random(SEED).sample(tasks, min(where.asked.tasks, len(tasks)))


def strategies(where: Setting) -> Rows:
    """Measure the answers of each strategy."""
    from bench_strategies import WordsFound

    bench = Bench(argparse.Namespace(model="smollm2", max_tokens=64, wording="first", half="open"))
    bench._engine = where.engine
    tasks = drawn_tasks(where)

    def way(strategy: Callable[[Any], Any], **sampling: Any) -> Callable[[Any], dict[str, Any]]:
        how = sg.Sampling(**{"temperature": 0.0, **sampling})
        return lambda task: {"sampling": replace(how, strategy=strategy(task)), "attempts": 1}

    def voted(draws: int) -> Iterator[Answer]:
        every = [
            list(ours(way(lambda task: (), temperature=1.0, seed=seed))(bench)(tasks))
            for seed in range(draws)
        ]
        for answers in zip(*every, strict=True):
            said = Counter(json.dumps(one.value, default=str) for one in answers if one.complete)
            best = said.most_common(1)[0][0] if said else ""
            chosen = next((one for one in answers if json.dumps(one.value, default=str) == best), answers[0])
            spent, tokens = sum(one.seconds for one in answers), sum(one.tokens for one in answers)
            yield replace(chosen, seconds=spent, tokens=tokens)

    def reward(task: Any) -> Any:
        return WordsFound(task.text or task.prompt)

    ways: dict[str, Any] = {
        "defaults (choices compared as whole values)": lambda task: {},
        "greedy": way(lambda task: ()),
        "guidance 1.5": way(lambda task: sg.strategies.Guidance("", 1.5)),
        "contrast 0.5": way(lambda task: sg.strategies.Contrast("", 0.5)),
        "momentum 0.2": way(lambda task: sg.strategies.Momentum()),
        "pause 0.3": way(lambda task: sg.strategies.PauseAndRerank(0.3)),
        "plan 8": way(lambda task: sg.strategies.PlanningSearch(reward=reward(task), rollouts=8)),
        "superposed": way(lambda task: sg.strategies.SuperposedDecoding()),
        "temperature 1": way(lambda task: (), temperature=1.0, seed=1),
        "mirostat 1": way(lambda task: sg.strategies.Mirostat(1.0), temperature=1.0, seed=1),
        "cautious 4": way(lambda task: sg.strategies.Cautious(4), temperature=1.0, seed=1),
        "voted 5": 5,
    }
    plain = "greedy"
    right: dict[str, np.ndarray] = {}
    for name, options in ways.items():
        if where.asked.ways and name not in (*where.asked.ways, "greedy", "temperature 1"):
            continue
        answers = list(voted(options) if isinstance(options, int) else ours(options)(bench)(tasks))
        if name == "temperature 1":
            plain = name
        right[name] = np.array([one.right for one in answers], np.float64)
        base = right.get(plain, right[name])
        picked = np.random.default_rng(7).integers(0, len(tasks), (2000, len(tasks)))
        low, high = np.percentile((right[name] - base)[picked].sum(1), (2.5, 97.5))
        if where.asked.answers:
            with where.asked.answers.open("a", encoding="utf-8") as file:
                for one in answers:
                    said = {
                        "way": name,
                        "id": one.task.id,
                        "right": one.right,
                        "text": one.text,
                        "error": one.error,
                    }
                    file.write(json.dumps(said) + "\n")
        yield name, *figures(answers), float((right[name] - base).sum()), float(low), float(high)


SEARCH = (
    "task", "kind", "greedy log P", "best log P", "same text", "certain", "bound", "rows", "cpu s",
    "greedy right", "best right",
)  # fmt: skip


def search(where: Setting) -> Rows:
    """Look for the likeliest answers."""
    from answer_tasks import count_right, hint, plain

    few = [
        one
        for one in drawn_tasks(where)
        if one.kind in ("extraction flat", "dates", "money", "units", "labels of 5")
    ]
    for task in few[: where.asked.searches]:
        made = hint(task)
        asked = task.question("first")
        spent, best = processor(
            lambda asked=asked, made=made: sg.most_probable(
                where.engine, asked, made, budget=1500, max_tokens=64
            )
        )
        greedy = function(
            task, "first", where.engine, max_tokens=64, wrap=False, choices="tokens", attempts=1
        ).detailed(task.text or "")
        (scored,) = sg.score(where.engine, asked, made, [greedy.text], max_tokens=64)
        first = best.texts[0] if best.texts else None
        yield (
            *(
                task.id,
                task.kind,
                scored.logprob,
                first.logprob if first else "",
                first is not None and first.text == greedy.text,
            ),
            *(best.is_certain, best.bound, best.model_rows, spent),
            count_right(task, plain(task, greedy.value)),
            count_right(task, plain(task, first.value)) if first else 0,
        )


# --- quality ------------------------------------------------------------------------------------------------

QUALITY = (
    "way", "schemas", "refused", "no budget", "errors", "valid", "invalid", "ended by itself", "closed",
    "steered", "tokens", "cpu s", "other reasons",
)  # fmt: skip


def quality(where: Setting) -> Rows:
    """Ask for documents of schemas of MaskBench."""
    from serving_engines import schemas_of

    if where.asked.maskbench is None:
        raise SystemExit("quality: give --maskbench, the folder of MaskBench.")
    cases = schemas_of(where.asked.maskbench, where.asked.count)
    ways: dict[str, tuple[bool | None, dict[str, Any]]] = {
        "default (outline)": (None, {}),
        "outline, written as json.dumps does": (None, {**sg.JSON_DUMPS, "escapes": "utf8"}),
        "without outline": (False, {}),
    }
    counts: dict[str, Counter[str]] = {way: Counter() for way in ways}
    reasons: dict[str, Counter[str]] = {way: Counter() for way in ways}
    random.Random(SEED).shuffle(cases)  # an end by SIGTERM leaves a fair choice
    with suppress(KeyboardInterrupt):
        for at in range(0, len(cases), 8):
            for way, how in ways.items():
                asked_for(where, way, how, cases[at : at + 8], counts[way], reasons[way])
            print(
                f"{at + 8} of {len(cases)}: {dict(counts['default (outline)'])}", file=sys.stderr, flush=True
            )
    for way, tally in counts.items():
        yield (
            *(way, tally["schemas"], tally["refused"], tally["no budget"], tally["errors"], tally["valid"]),
            *(tally["invalid"], tally["stop"], tally["repetition"], tally["steered"], tally["tokens"]),
            *(round(tally["cpu s"], 1), "; ".join(f"{one} {many}" for one, many in reasons[way].items())),
        )


def asked_for(
    where: Setting,
    way: str,
    how: tuple[bool | None, dict[str, Any]],
    cases: list[tuple[str, Any]],
    tally: Counter[str],
    reasons: Counter[str],
) -> None:
    """Ask for a document of each schema, all in one batch, and count what came."""
    from serving_engines import judge_of

    handles, begun = [], time.process_time()
    for name, schema in cases:
        try:
            request = sg.Request(
                "Write an example of such a document.",
                sg.json_schema(schema, **how[1]),
                GREEDY,
                max_tokens=256,
                outline=how[0],
            )
            handles.append((name, schema, *where.engine.submit(request)))
        except sg.StructgenError as error:
            tally["no budget" if isinstance(error, sg.errors.BudgetError) else "refused"] += 1
            note(where, way, name, f"{type(error).__name__}: {error}", "")
    where.engine.drive([one[2] for one in handles])
    tally["schemas"] += len(cases)
    tally["cpu s"] += time.process_time() - begun
    for name, schema, handle in handles:
        result = handle.result
        tally["tokens"] += len(result.tokens)
        if result.error is not None:
            tally["errors"] += 1
            note(where, way, name, f"{type(result.error).__name__}: {result.error}", result.text)
            continue
        tally[result.finish_reason.value] += 1
        try:
            is_valid = judge_of(schema)(result.text)
        except Exception as error:  # whatever the judge raises for a schema that it does not read
            is_valid = True
            reasons[f"not judged: {type(error).__name__}"] += 1
        tally["valid" if is_valid else "invalid"] += 1
        note(where, way, name, result.finish_reason.value if is_valid else "INVALID", result.text)


def note(where: Setting, way: str, name: str, said: str, text: str) -> None:
    """Keep a line of an answer."""
    if where.asked.answers:
        with where.asked.answers.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"way": way, "schema": name, "said": said, "text": text}) + "\n")


# --- server -------------------------------------------------------------------------------------------------

SERVER = (
    "server",
    "round",
    "at once",
    "texts",
    "complete",
    "first text ms",
    "tokens a second",
    "processor ms a token",
)


@contextmanager
def llama_serving(texts: int) -> Iterator[tuple[str, int]]:
    """Start llama.cpp's server; yield its address and process."""
    program = (
        "import sys, bench_published as b, xllamacpp\n"
        "server = xllamacpp.Server(b.llama_params(sys.argv[1], int(sys.argv[2])))\n"
        "print(server.listening_address, flush=True)\n"
        "sys.stdin.read()"
    )
    from structgen.engine.forward_pass.gguf_models import gguf_file

    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(gguf_file("smollm2")), str(texts)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
    )
    try:
        assert process.stdout is not None
        yield f"{process.stdout.readline().strip()}/v1", process.pid
    finally:
        process.terminate()
        process.wait()


def server(where: Setting) -> Rows:
    """Measure our server beside llama.cpp's."""
    from bench_serving import asked, short_documents
    from serving_engines import Asking
    from serving_load import OURS

    rounds, many = where.asked.rounds, 16
    schemas = short_documents((rounds + 1) * (4 + many))
    ask = partial(asked, tokens=120, prompt="Write an order of some furniture as JSON.")
    with serving("smollm2") as own, llama_serving(many) as other:
        servers = {
            name: (Asking(OURS, url), pid)
            for name, (url, pid) in {"structgen serve": own, "llama.cpp, Q4_1": other}.items()
        }
        for turn in range(rounds + 1):
            part = schemas[turn * (4 + many) : (turn + 1) * (4 + many)]
            for name in list(servers)[:: 1 if turn % 2 else -1]:
                asking, pid = servers[name]
                for at_once, some in ((1, part[:4]), (many, part[4:])):
                    spent, begun = processor_seconds(pid), time.perf_counter()
                    with ThreadPoolExecutor(at_once) as pool:
                        got = list(pool.map(partial(ask, asking), some))
                    seconds, spent = time.perf_counter() - begun, processor_seconds(pid) - spent
                    tokens = sum(one[2] for one in got)
                    if turn:
                        yield (
                            *(name, turn, at_once, len(some), sum(one[0] == "valid" for one in got)),
                            1000 * statistics.median(one[1] for one in got),
                            *(tokens / seconds, 1000 * spent / tokens),
                        )


PARTS: dict[str, tuple[tuple[str, ...], Callable[[Setting], Rows]]] = {
    "start": (START, start),
    "llama": (LLAMA, llama),
    "speculation": (SPECULATION, speculation),
    "samplers": (SAMPLERS, samplers),
    "strategies": (STRATEGIES, strategies),
    "search": (SEARCH, search),
    "quality": (QUALITY, quality),
    "server": (SERVER, server),
}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("parts", nargs="+", choices=PARTS)
    parser.add_argument("--rounds", type=int, default=5, help="at most so many")
    parser.add_argument("--seeds", type=int, default=20, help="of samplers")
    parser.add_argument("--tasks", type=int, default=60, help="of strategies")
    parser.add_argument("--searches", type=int, default=5, help="tasks of search")
    parser.add_argument("--ways", nargs="+", default=(), help="strategies, by their names")
    parser.add_argument("--count", type=int, default=300, help="schemas of quality")
    parser.add_argument("--maskbench", type=Path, help="the folder of MaskBench")
    parser.add_argument(
        "--float32", type=Path, default=Path("build/smollm2-float32.gguf"), help="written for llama"
    )
    parser.add_argument("--answers", type=Path, help="a file for every answer of strategies and quality")
    where = Setting(parser.parse_args())
    torch.set_num_threads(1)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for part in where.asked.parts:
        names, measure = PARTS[part]
        where.write(part, names, measure(where))


if __name__ == "__main__":
    main()
