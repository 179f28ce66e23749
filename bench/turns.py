"""Has a change made masks or texts slower? Two checkouts take turns, call by call, on one machine.

    python bench/turns.py BEFORE [AFTER] [--pairs 60] [--only "engine*"]

BEFORE and AFTER are folders with checkouts of this repository (AFTER: this one). Each has a process of its
own, which makes the same call when it is asked; who begins changes from pair to pair. A call is counted in
seconds of processor time of its process, its threads included. Prints a table, and writes
bench/results/turns-DATE.csv: medians and means of both, their ratios, and the median of the ratios of pairs.
SmolLM2's rows are left out, with a sentence, where its GGUF file is missing (`make smollm2`).
Of masks a call compiles some grammars anew, with no store, and fills the mask before each token of a text of
each; with STRUCTGEN_MASKBENCH, which names the folder of MaskBench, of 60 schemas of it too.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
from records import arguments, load, revision, show, write
from vocabularies import load as load_tokenizer

import structgen as sg
from structgen.doors.serving.app import make_app
from structgen.doors.serving.served_model import ServedModel

ROOT = Path(__file__).resolve().parent.parent
MODEL = "structgen/extract"
COLUMNS = ("what", "pairs", "before_p50_ms", "after_p50_ms", "p50_ratio", "mean_ratio", "median_of_ratios")


@dataclass
class Person:
    """What the decorated function returns."""

    name: str
    age: int


def masks(made: Callable[[], Iterable[tuple[sg.Grammar, str]]]) -> Callable[[], None]:
    """Return a call that compiles grammars, and fills the mask before each token of a text of each."""
    tokenizer = load_tokenizer("small")
    mask = sg.allocate_mask(1, tokenizer.vocab_size)

    def call() -> None:
        for grammar, text in made():
            matcher = sg.Matcher(sg.compile(grammar, tokenizer, store=False))
            for token in tokenizer.encode(text.encode()):
                matcher.fill_mask(mask)
                matcher.advance(token)

    return call


def of_schemas(path: Path, count: int | None) -> Callable[[], Iterable[tuple[sg.Grammar, str]]]:
    """Return what makes the grammars of schemas, each with its first valid instance. `count` of the files are
    drawn; they are read here, since readers of two checkouts may have other names."""
    files = sorted(path.rglob("*.json"))
    files = files if count is None else random.Random(0).sample(files, count)
    held = [json.loads(file.read_text("utf-8")) for file in files]
    texts = [
        (one["schema"], next(json.dumps(test["data"]) for test in one["tests"] if test["valid"]))
        for one in held
        if any(test["valid"] for test in one["tests"])
    ]
    return lambda: ((sg.json_schema(schema, **sg.WIDEST), text) for schema, text in texts)


def of_lark(name: str) -> Callable[[], Iterable[tuple[sg.Grammar, str]]]:
    """Return what makes a sample grammar, with four of its accepted texts."""
    path = ROOT / "grammars" / f"{name}.lark"
    held = json.loads(path.with_suffix(".texts.json").read_text("utf-8"))
    texts = [one["text"] if isinstance(one, dict) else one[0] for one in held["accepted"]]
    return lambda: ((sg.lark(path), text) for text in texts[:4])


def cases() -> dict[str, Callable[[], object]]:
    """Return the calls, with names that both checkouts know."""
    known = os.environ.get("STRUCTGEN_MASKBENCH")
    of_maskbench = {"masks, 60 schemas of MaskBench": masks(of_schemas(Path(known), 60))} if known else {}
    engine = sg.Engine(MODEL)
    order = sg.json_schema(ROOT / "examples/order.schema.json", **sg.JSON_DUMPS)
    item = {"properties": {"id": {"type": "integer"}, "tag": {"enum": ["alpha", "beta", "gamma"]}}}
    item |= {"type": "object", "required": ["id", "tag"]}
    rows = sg.json_schema({"type": "array", "items": item, "minItems": 12, "maxItems": 12}, **sg.JSON_DUMPS)
    orders = [
        f"Zorvik ordered {n} lamps on {n} May 2026 and has paid; deliver to Mandelport." for n in range(1, 9)
    ]

    def written(speculation: str, count: int, **how: Any) -> Callable[[], object]:
        drawn = sg.Sampling(seed=1, **how) if how else None
        how = {"max_tokens": 200, "speculation": speculation}
        asked = [sg.Request(one, order, drawn, **how) for one in orders[:count]]
        return lambda: engine.generate(asked)

    @sg.generate(model=MODEL)
    def person(text: str) -> Person:
        return sg.filled(text)

    app, loop = make_app(ServedModel(engine, "extract")), asyncio.new_event_loop()
    asked = {"model": "extract", "messages": [{"role": "user", "content": orders[0]}], "temperature": 0}
    schema = json.loads((ROOT / "examples/order.schema.json").read_text(encoding="utf-8"))
    form = {"type": "json_schema", "json_schema": {"name": "order", "schema": schema}}
    tool = {"type": "function", "function": {"name": "order", "parameters": schema}}

    def served(**more: Any) -> Callable[[], object]:
        async def post() -> None:
            transport = httpx2.ASGITransport(app=app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
                (await client.post("/v1/chat/completions", json={**asked, **more})).raise_for_status()

        return lambda: loop.run_until_complete(post())

    smollm2 = {}
    try:
        smol = sg.Engine("smollm2")
    except sg.errors.StructgenError as error:
        print(f"SmolLM2 is left out: {error}", file=sys.stderr)
    else:
        for name, count in (("one document", 1), ("eight documents", 8)):
            asked_of_smol = [sg.Request(one, order, max_tokens=48) for one in orders[:count]]
            smollm2[f"SmolLM2, {name}"] = partial(smol.generate, asked_of_smol)
    drafted = sg.Request(orders[0], rows, max_tokens=400, speculation=sg.Speculation())
    few = sg.regex("[a-c]{1,4}")
    return {
        "masks, sample schemas": masks(of_schemas(ROOT / "schemas", None)),
        "masks, Lark's JSON": masks(of_lark("json")),
        **of_maskbench,
        "engine, one document": written("off", 1),
        "engine, eight documents": written("off", 8),
        "engine, one document drawn": written("off", 1, temperature=1.0),
        "engine, eight documents drawn": written("off", 8, temperature=1.0),
        "engine, eight documents, temperature 0.7": written("off", 8, temperature=0.7),
        "engine, eight documents, top_p 0.9": written("off", 8, temperature=1.0, top_p=0.9),
        "speculation auto, one document": written("auto", 1),
        "speculation auto, eight documents": written("auto", 8),
        "speculation, a list of 12 objects": lambda: engine.generate(drafted),
        "decorator, one object": lambda: person("Ada Lovelace is 36 years old."),
        "decorator, one object streamed": lambda: [*person.stream("Ada Lovelace is 36 years old.")],
        "sample auto, 16 texts": lambda: sg.sample(engine, "x is", few, 16, seed=1),
        "sample smc, 16 texts": lambda: sg.sample(engine, "x is", few, 16, seed=1, method="smc"),
        "serve, one document": served(response_format=form),
        "serve, a document streamed": served(response_format=form, stream=True),
        "serve, a call streamed": served(tools=[tool], tool_choice="required", stream=True),
        **smollm2,
        "infilling, one document": lambda: sg.infill("structgen/infill", grammar=order, prompt=orders[0]),
    }


def answer() -> None:
    """Make the calls that stdin names, a line each, and print the processor time of each."""
    warnings.simplefilter("ignore")
    known = cases()
    for line in sys.stdin:
        begun = time.process_time()
        known[line.rstrip("\n")]()
        print(time.process_time() - begun, flush=True)


class Side:
    """A checkout, in a process of its own."""

    def __init__(self, checkout: Path) -> None:
        path = os.pathsep.join((str(checkout), str(checkout / "kernels"), str(Path(__file__).parent)))
        environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
        begin = [sys.executable, "-c", "import turns; turns.answer()"]
        self._process = subprocess.Popen(
            begin, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=checkout
        )

    def seconds(self, case: str) -> float:
        """Return the processor time of one call."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{case}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def main() -> None:
    """Run the pairs."""
    parser = arguments(__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path, nargs="?", default=ROOT)
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--only", default="*", help="calls whose names fit, with * and ?")
    options = parser.parse_args()
    load_before = load()
    checkouts = [options.before.resolve(), options.after.resolve()]
    sides = [Side(one) for one in checkouts]
    rows: list[list[object]] = []
    for case in (one for one in cases() if fnmatchcase(one, options.only)):
        spent: tuple[list[float], list[float]] = [], []
        for pair in range(-2, options.pairs):  # the first two warm both up, and do not count
            for side in (0, 1) if pair % 2 else (1, 0):
                seconds = sides[side].seconds(case)
                if pair >= 0:
                    spent[side].append(seconds)
        middle = [statistics.median(one) for one in spent]
        means = [statistics.mean(one) for one in spent]
        ratios = [after / before for before, after in zip(*spent, strict=True)]
        each = (middle[1] / middle[0], means[1] / means[0], statistics.median(ratios))
        said = (*(f"{one * 1e3:.2f}" for one in middle), *(f"{one:.3f}" for one in each))
        rows.append([case, options.pairs, *said])
        print(*rows[-1], sep="  ", file=sys.stderr, flush=True)
    for side in sides:
        side.close()
    show(COLUMNS, rows)
    about = {"load": f"{load_before} -> {load()}"}
    about |= dict(zip(("before", "after"), map(revision, checkouts), strict=True))
    print(write(options.results, "turns", about, COLUMNS, rows))


if __name__ == "__main__":
    main()
