"""What does a compiled grammar hold after many documents, with generations and without?

    python bench/bench_memory.py [--documents 6000] [--members 10]

Documents of `{"type": "object"}` with keys that hardly come twice, small vocabulary, every mask filled and
every token taken. `kept`: `Limits.grammar_memory` without bound, so that one compiled grammar holds what all
documents met; `renewed`: as it is by default. Written after each 2,000 documents: bytes of the tables of the
grammar in which the last one was written, and seconds since the last row. Writes
bench/results/memory-DATE.csv.
"""

from __future__ import annotations

import json
import random
import time

from records import arguments, load, version, write

import structgen as sg
from structgen.system.resources import small_tokenizer

EACH = 2_000


def written(limits: sg.Limits, documents: int, members: int) -> list[tuple[int, str, float]]:
    """Return the figures after each 2,000 documents."""
    tokenizer = sg.Tokenizer.from_huggingface(small_tokenizer())
    compiled = sg.compile(sg.json_schema({"type": "object"}), tokenizer, limits=limits, store=False)
    mask, chance, found = sg.allocate_mask(1, tokenizer.vocab_size), random.Random(1), []
    since = time.perf_counter()
    for count in range(1, documents + 1):
        keys = ["".join(chance.choices("abcdefghijklmnop", k=chance.randint(3, 10))) for _ in range(members)]
        matcher = sg.Matcher(compiled)
        for token in tokenizer.encode(json.dumps({key: chance.randint(0, 999) for key in keys}).encode()):
            matcher.fill_mask(mask)
            matcher.advance(token)
        assert matcher.is_complete
        if count % EACH == 0:
            found.append((count, "table bytes", float(matcher.compiled.nbytes)))
            found.append((count, "seconds", time.perf_counter() - since))
            since = time.perf_counter()
    return found


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--documents", type=int, default=3 * EACH)
    parser.add_argument("--members", type=int, default=10)
    options = parser.parse_args()
    before = load()
    rows = []
    for name, limits in (("kept", sg.Limits(grammar_memory=1 << 60)), ("renewed", sg.Limits())):
        for count, what, value in written(limits, options.documents, options.members):
            rows.append((name, count, what, round(value, 2)))
            print(f"{name:8} {count:>7,} documents: {value:>15,.2f} {what}", flush=True)
    about = {"load": f"{before} -> {load()}", "version": version(), "members": options.members}
    write(options.results, "memory", about, ("limits", "documents", "what", "value"), rows)


if __name__ == "__main__":
    main()
