"""What does a long prompt cost, and how long do other texts wait for it?

    python bench/bench_prompts.py [--tokens 6500] [--model smollm2]

Four short texts are being written, and a coding agent sends a prompt of 6,500 tokens; then the same prompt
again; then one with a further turn of 200 tokens. A row for each of these requests, for two ways that
alternate in one process:

- `whole`: the prompt is read in one step, and nothing of it is kept;
- `default`: in pieces, and its beginning is kept.

The figures are processor seconds of the request until its first token, of its longest step, and the share of
steps in which a text that was being written got no token. Then eight short prompts, with the processor
seconds of their first tokens. Prints a table and writes bench/results/prompts-DATE.csv.
"""

from __future__ import annotations

import random
import time
from typing import Any

import torch
from records import arguments, load, show, version, write

import structgen as sg
from structgen.decoding.engine import Engine, Request, Sampling

WAYS: dict[str, dict[str, Any]] = {"whole": {"kept_prompts": 0, "prefill_tokens": 1 << 30}, "default": {}}
ENDLESS = sg.regex("[a-z ]{2000,}")
COLUMNS = ("way", "prompt", "cpu_s", "longest_step_cpu_s", "still_share")


def long_prompt(count: int, vocab_size: int) -> list[int]:
    """Return token ids of the length of an agent's prompt: what they say does not matter here."""
    draw = random.Random(1)
    return [draw.randrange(1_000, vocab_size - 1_000) for _ in range(count)]


def until_first_token(engine: Engine, prompt: list[int], running: list[Any]) -> list[float]:
    """Return the processor seconds until the first token of a prompt, those of the longest step, and the
    share of steps in which a running text got no token."""
    (handle,) = engine.submit(Request(prompt, None, Sampling(0.0), max_tokens=1))
    steps, still = [], 0
    while handle.result is None:
        before = [len(one.written) for one in running]
        began = time.process_time()
        engine.step()
        steps.append(time.process_time() - began)
        still += any(len(one.written) == length for one, length in zip(running, before, strict=True))
    # without a running text no text waits
    return [sum(steps), max(steps), still / len(steps) if running else 0.0]


def rows_of(way: str, model: str, count: int) -> list[tuple[object, ...]]:
    """Return the rows of a way, for a prompt of so many tokens."""
    engine = Engine(model, **WAYS[way])
    prompt = long_prompt(count, engine.tokenizer.vocab_size)
    turn = [*prompt, *long_prompt(200, engine.tokenizer.vocab_size)]
    writing = Request("Write a story about a cat.", ENDLESS, Sampling(1.0, seed=1), n=4, max_tokens=2_000)
    running = engine.submit(writing)
    for _ in range(3):
        engine.step()
    rows: list[tuple[object, ...]] = []
    for name, tokens in (("first", prompt), ("again", prompt), ("one turn more", turn)):
        figures = until_first_token(engine, tokens, running)
        rows.append((way, name, *(round(figure, 3) for figure in figures)))
    for handle in running:
        handle.cancel()
    engine.drive(running)
    shorts = [Request(f"Name town number {number}.", None, max_tokens=1) for number in range(8)]
    engine.generate(shorts)
    began = time.process_time()
    engine.generate([Request(f"Name river number {number}.", None, max_tokens=1) for number in range(8)])
    seconds = time.process_time() - began
    rows.append((way, "8 short ones", round(seconds, 3), "", ""))
    return rows


def main() -> None:
    """Measure, print and write."""
    reader = arguments(__doc__)
    reader.add_argument("--tokens", type=int, default=6_500)
    reader.add_argument("--model", default="smollm2")
    options = reader.parse_args()
    torch.set_num_threads(1)
    rows = [row for way in WAYS for row in rows_of(way, options.model, options.tokens)]
    show(COLUMNS, rows)
    about = {"version": version(), "load": load(), "model": options.model, "tokens": options.tokens}
    print(write(options.results, "prompts", about, COLUMNS, rows))


if __name__ == "__main__":
    main()
