"""Do bytes of weights say how fast a model writes, and how much memory a text takes? (docs/models.md)

    python bench/bench_weights.py [--rounds 5]

One thread, one text, greedy, without speculation and grammar. Of each model and dtype:

- `weights_mb`: the bytes of the weights that a token reads, in memory;
- `predicted_ms`: these bytes, divided by the bandwidth at which one thread reads an array of 512 MB;
- `token_ms`: the median processor time of a token, from a text of 16 tokens and one of 80;
- `kv_predicted`, `kv_bytes`: the bytes of the keys and values of the short text, by the formula of the page
  (in whole pages of 32 tokens), and as `usage.cache_bytes` has them.

Prints a table and writes bench/results/weights-DATE.csv.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
from records import arguments, load, show, versions, write

import structgen as sg

MODELS = (("smollm2", "float32"), ("smollm2", "bfloat16"), ("structgen/extract", "float32"))
SIZES = {"smollm2": 30 * 3 * 64, "structgen/extract": 4 * 3 * 64}
"""Of a model: layers x heads of keys and values x numbers of a head."""
SHORT, LONG, PAGE = 16, 80, 32
NAMES = (
    *("model", "dtype", "bandwidth_gb_s", "weights_mb", "predicted_ms", "token_ms"),
    *("kv_predicted", "kv_bytes"),
)


def processor_seconds(call: Callable[[], object]) -> float:
    """Return the processor time of a call."""
    begin = time.process_time()
    call()
    return time.process_time() - begin


def read_bandwidth(rounds: int) -> float:
    """Return the bytes that one thread reads from memory in a second."""
    array = np.ones(1 << 26, np.uint64)
    return array.nbytes / statistics.median(processor_seconds(array.max) for _ in range(rounds + 1))


def write_text(engine: sg.Engine, tokens: int) -> sg.Result:
    """Return a text of so many tokens."""
    request = sg.Request(
        "Write a story.", max_tokens=tokens, sampling=sg.Sampling(min_tokens=tokens), speculation="off"
    )
    return engine.generate([request])[0]


def token_seconds(engine: sg.Engine) -> float:
    """Return the processor time of a token, without that of the prompt."""
    short = processor_seconds(lambda: write_text(engine, SHORT))
    long = processor_seconds(lambda: write_text(engine, LONG))
    return (long - short) / (LONG - SHORT)


def main() -> None:
    """Measure all models, print the table and write the rows."""
    import torch

    torch.set_num_threads(1)
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rows = []
    for name, dtype in MODELS:
        engine = sg.Engine(name, dtype=dtype)
        write_text(engine, LONG)
        bandwidth = read_bandwidth(options.rounds)
        model = engine.model
        weight_bytes = model._weights.nbytes
        seconds = [token_seconds(engine) for _ in range(options.rounds)]
        usage = write_text(engine, SHORT).usage
        columns = -(-(usage.prompt_tokens + usage.tokens - 1) // PAGE) * PAGE
        rows.append(
            (
                name,
                dtype,
                f"{bandwidth / 1e9:.1f}",
                f"{weight_bytes / 1e6:,.1f}",
                f"{1e3 * weight_bytes / bandwidth:.2f}",
                f"{1e3 * statistics.median(seconds):.2f}",
                2 * SIZES[name] * 4 * columns,
                usage.cache_bytes,
            )
        )
    show(NAMES, rows)
    about = {"load": load(), "version": versions("torch", "numba"), "rounds": options.rounds}
    print(write(options.results, "weights", about, NAMES, rows))


if __name__ == "__main__":
    main()
