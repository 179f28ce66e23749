"""What do rows of one text cost together? r(n) = cost(n rows of one text in a pass) / cost(1 row).

    python bench/bench_rows.py [--seconds 60] [--only embedded] [--lengths 100 600] [--between 4]

Two models: the embedded structgen/extract, and a Llama shape of 97 million random bfloat16 weights that is
made in memory (12 layers, 768 wide, 12 heads, vocabulary 16,384). For each and each length of the text before
them, chains of n guesses are read with `decode_tree` and none is kept; one thread. Beside them batches of n
different texts, which `decode` reads: plain decoding must not pay for what drafts gain.

All cases of a model take turns until the time is over, so that what else the machine does falls on all of
them. In its turn a case is called a few times; its cost is the least process CPU time of a call behind the
first of a turn, so that it finds its weights where its own last call left them. With --between so many MB of
other memory are read before each call, as the work between two passes of a model may do. Prints a table:
milliseconds of a pass, and r.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch

from structgen.engine.forward_pass.llama import Llama
from structgen.engine.forward_pass.weights import Layer, Sizes, Weights
from structgen.system.resources import embedded_model

COUNTS = (1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 32)
"""Rows of one text."""
BATCHES = (1, 8, 32)
"""Texts of a batch."""
LENGTHS = (100, 600)
"""Tokens of a text before the rows."""
_FEWEST = 3
"""Turns of each case, whatever the time."""
_TURN, _CALLS = 0.01, (2, 20)
"""Seconds of a case's turn, and the fewest and the most calls in it."""


class Row(NamedTuple):
    """What one kind of pass costs."""

    model: str
    length: int
    """Tokens of each text before it."""
    kind: str
    """`chain`: n guesses of one text; `tree`: the same as a tree; `batch`: one token of each of n texts."""
    rows: int
    milliseconds: float
    ratio: float
    """To one row of the same kind; for trees, to a chain of one."""


def embedded() -> Llama:
    """Return structgen/extract."""
    return Llama.read(embedded_model("structgen/extract"), torch.device("cpu"), torch.float32)


def large() -> Llama:
    """Return a Llama of 97 million random weights. Memory: some 900 MB while it is made, 250 MB then."""
    layers, width, inner, heads, vocabulary, context = 12, 768, 2048, 12, 16_384, 1024
    random = torch.Generator().manual_seed(0)

    def made(columns: int, depth: int) -> torch.Tensor:
        return (torch.randn(columns, depth, generator=random) * depth**-0.5).bfloat16().float()

    ones = torch.ones(width)
    listed = [
        Layer(
            ones, made(3 * width, width), made(width, width), ones, made(2 * inner, width), made(width, inner)
        )
        for _ in range(layers)
    ]
    sizes = Sizes(layers, heads, heads, width // heads, context, 10_000.0, 1e-5)
    steps = torch.arange(0, sizes.head, 2, dtype=torch.float32)
    angles = torch.outer(torch.arange(context, dtype=torch.float32), sizes.theta ** (-steps / sizes.head))
    embedding = made(vocabulary, width)
    cos, sin = angles.cos().repeat(1, 2), torch.cat((-angles.sin(), angles.sin()), -1)
    return Llama(Weights(sizes, embedding, listed, ones, embedding, cos, sin))


MODELS: dict[str, Callable[[], Llama]] = {"embedded": embedded, "97M": large}


def measure(
    models: Iterable[str] = tuple(MODELS),
    lengths: Sequence[int] = LENGTHS,
    seconds: float = 30.0,
    between: int = 0,
) -> list[Row]:
    """Return what passes cost, after so many seconds for each model. `between`: bytes of other memory that
    are read before each call. One thread of torch while it runs."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return [row for name in models for row in _measured(name, MODELS[name](), lengths, seconds, between)]
    finally:
        torch.set_num_threads(threads)


def _measured(name: str, model: Llama, lengths: Sequence[int], seconds: float, between: int) -> list[Row]:
    cases: dict[tuple[int, str, int], Callable[[], Any]] = {}
    for length in lengths:
        prompts = [[(7 * at + at * at + text) % 1000 for at in range(length)] for text in range(max(BATCHES))]
        caches = [cache for _, cache in model.prefill_many(prompts)]
        for count in COUNTS:
            cases[length, "chain", count] = _tree(model, list(range(-1, count - 1)), caches[0])
        for count in (8, 16):
            # the root has two children, and so has each node further down
            cases[length, "tree", count] = _tree(
                model, [(node + 1) // 2 - 1 for node in range(count)], caches[0]
            )
        for count in BATCHES:
            cases[length, "batch", count] = _batch(model, caches[:count])
    least = dict.fromkeys(cases, float("inf"))
    other = torch.ones(between // 4)
    until, turns = time.monotonic() + seconds, 0
    while turns < _FEWEST or time.monotonic() < until:
        for case, call in cases.items():
            since = time.process_time()
            call()
            fewest, most = _CALLS
            calls = int(_TURN / max(time.process_time() - since, 1e-6))
            for _ in range(min(max(calls, fewest), most)):
                other.sum()
                since = time.process_time()
                call()
                least[case] = min(least[case], time.process_time() - since)
        turns += 1
    return [
        Row(name, length, kind, count, 1e3 * spent, spent / least[length, kind.replace("tree", "chain"), 1])
        for (length, kind, count), spent in least.items()
    ]


def _tree(model: Llama, parents: list[int], cache: Any) -> Callable[[], Any]:
    tokens = [node % 1000 for node in range(len(parents))]
    return lambda: model.decode_tree(tokens, parents, [len(parents)], [cache])


def _batch(model: Llama, caches: list[Any]) -> Callable[[], Any]:
    tokens = list(range(len(caches)))

    def call() -> None:
        model.decode(tokens, caches)
        for cache in caches:
            # the next call overwrites the column
            cache.length -= 1

    return call


def table(rows: Iterable[Row]) -> str:
    """Return the rows as a table in Markdown: a column for each model and length, `ms (r)` in each cell."""
    found = {(row.kind, row.rows, row.model, row.length): row for row in rows}
    columns = sorted({(model, length) for _, _, model, length in found})
    lines = ["| pass | " + " | ".join(f"{model}, {length} tokens" for model, length in columns) + " |"]
    lines.append("|---" * (len(columns) + 1) + "|")
    for kind, count in dict.fromkeys((kind, count) for kind, count, _, _ in found):
        cells = [found[kind, count, *column] for column in columns]
        shown = " | ".join(f"{cell.milliseconds:.3f} ({cell.ratio:.2f})" for cell in cells)
        lines.append(f"| {kind} of {count} | {shown} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="of measuring, for all models together")
    parser.add_argument("--only", choices=MODELS, help="one of the models")
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS)
    parser.add_argument("--between", type=int, default=0, help="MB of other memory read before each call")
    options = parser.parse_args()
    models = [options.only] if options.only else list(MODELS)
    seconds = options.seconds / len(models)
    print(table(measure(models, options.lengths, seconds, options.between << 20)))


if __name__ == "__main__":
    main()
