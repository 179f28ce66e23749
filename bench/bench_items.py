"""What does an item cost in an array whose items must differ?

    python bench/bench_items.py [--items 100] [--arrays 5] [--tokenizer llama3]

Arrays of random items of some kinds (KINDS), one grammar an array, written token by token under the widest
policies with a mask before each token. Times are the thread's own, garbage is not collected meanwhile, and a
first array of each kind is not counted. Prints, for the first ten items and for those after, the median and
the 99th percentile of the slowest mask and of all calls of an item (masks and commits), microseconds; adds a
row for each to bench/results/items-DATE.csv.
"""

from __future__ import annotations

import gc
import random
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from records import arguments, version, write

import structgen as sg
from structgen.maskbench.vocabularies import load

_PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
_RECORD = {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}
KINDS: dict[str, tuple[dict[str, Any], Callable[[int], str]]] = {
    "integers": ({"type": "integer"}, str),
    "numbers": ({"type": "number"}, lambda value: f"{value / 1000:.3f}"),
    "ports": (_PORT, str),
    "anything": ({}, str),
    "strings": ({"type": "string"}, lambda value: f'"a{value}"'),
    "objects": (_RECORD, lambda value: f'{{"id": {value}}}'),
}
"""The schema of an item, and the text of one for a number below 60,000."""
_FEW = 10


def items(
    schema: dict[str, Any], texts: list[str], tokenizer: sg.Tokenizer, store: sg.MaskStore
) -> Iterator[tuple[float, float]]:
    """Yield for each item of an array the seconds of its slowest mask and of all its calls."""
    grammar = sg.json_schema({"type": "array", "items": schema, "uniqueItems": True}, **sg.WIDEST)
    matcher = sg.Matcher(sg.compile(grammar, tokenizer, store=store))
    mask = sg.allocate_mask(1, tokenizer.vocab_size)
    matcher.fill_mask(mask)
    slowest = whole = 0.0
    for token in tokenizer.encode(("[" + ", ".join(texts) + "]").encode()):
        begun = time.thread_time()
        matcher.fill_mask(mask)
        filled = time.thread_time()
        matcher.advance(token)
        slowest, whole = max(slowest, filled - begun), whole + time.thread_time() - begun
        if {44, 93}.intersection(tokenizer.token_bytes[token] or b""):  # a comma, the bracket
            yield slowest, whole
            slowest = whole = 0.0


def shown(times: list[float]) -> tuple[int, int]:
    """Return the median and the 99th percentile, in microseconds."""
    order = sorted(times)
    return round(1e6 * order[len(order) // 2]), round(1e6 * order[int(0.99 * len(order))])


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--items", type=int, default=100)
    parser.add_argument("--arrays", type=int, default=5)
    parser.add_argument("--tokenizer", default="llama3")
    options = parser.parse_args()
    tokenizer, store, draw = load(options.tokenizer), sg.MaskStore(path=None), random.Random(0)
    gc.disable()
    rows: list[tuple[object, ...]] = []
    for kind, (schema, text) in KINDS.items():
        found: list[list[tuple[float, float]]] = []
        for _ in range(options.arrays + 1):
            gc.collect()
            texts = [text(value) for value in draw.sample(range(1, 60_000), options.items)]
            found.append(list(items(schema, texts, tokenizer, store)))
        for which, part in (("first ten", slice(_FEW)), ("after", slice(_FEW, None))):
            times = [one for array in found[1:] for one in array[part]]
            if not times:
                continue
            for what, at in (("slowest mask", 0), ("all calls", 1)):
                median, high = shown([one[at] for one in times])
                print(f"{kind:9} {which:9} {what:12} p50 {median:>7,}  p99 {high:>7,}")
                rows.append((kind, which, what, len(times), median, high))
    about = {"version": version(), "tokenizer": options.tokenizer}
    names = ("kind", "items", "what", "count", "p50_us", "p99_us")
    write(options.results, "items", about, names, rows, more=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
