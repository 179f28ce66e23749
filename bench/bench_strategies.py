"""What does each decoding strategy do to the fields that the embedded model gets right?

    python bench/bench_strategies.py [--sentences 40] [--only guidance]

The sentences are those written by hand (tests/data/extract/hand_written.jsonl) and those of everyday kinds
(everyday.jsonl). Each way of choosing tokens writes the document of each sentence with models/extract under
its schema; a field is right when its value is. Beside the share of right fields: its difference to the plain
way of the same temperature, with a 95 % interval by the bootstrap over sentences (2,000 draws, a frozen
seed); forward passes of the text's own row and of further rows, for each text; and processor seconds of all
texts, with one thread. Strategies that lose stay in the table.

The second table is FS-GEN's measure: at how many of the free tokens of the greedy texts the small model
(extract-draft), under the same mask, would take another token than the large one, and the mean entropy of
the large model's masked law where the two agree and where they do not. Contrast and guidance read the outline
with an empty text as their other prompt.

Prints both tables and writes bench/results/strategies-DATE.csv.
"""

from __future__ import annotations

import argparse
import json
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from records import add_results, load, write

import structgen as sg
from structgen.engine import Engine, Request, Result, Sampling
from structgen.engine.strategies.strategy import log_softmax
from structgen.tokens.token_mask import tokens_of

DATA = Path(__file__).parent.parent / "tests" / "data" / "extract"
SETS = {"hand-written": "hand_written.jsonl", "everyday": "everyday.jsonl"}
LARGE, SMALL = "structgen/extract", "structgen/extract-draft"
WAYS: dict[str, tuple[str, Sampling]] = {
    "greedy": ("greedy", Sampling(temperature=0.0)),
    **{
        f"guidance {scale:g}": ("greedy", Sampling(temperature=0.0, strategy=sg.Guidance("", scale)))
        for scale in (0.5, 1.5, 2.0, 3.0)
    },
    **{
        f"contrast {weight:g}": ("greedy", Sampling(temperature=0.0, strategy=sg.Contrast("", weight)))
        for weight in (0.25, 0.5, 1.0)
    },
    **{
        f"contrastive {weight:g}": (
            "greedy",
            Sampling(temperature=0.0, strategy=sg.ContrastiveDecoding(SMALL, weight)),
        )
        for weight in (0.25, 0.5, 1.0)
    },
    **{
        f"proxy {weight:g}": (
            "greedy",
            Sampling(temperature=0.0, strategy=sg.ProxyTuning(LARGE, SMALL, weight)),
        )
        for weight in (0.25, 1.0)
    },
    "momentum 0.2": ("greedy", Sampling(temperature=0.0, strategy=sg.Momentum())),
    "temperature 1": ("temperature 1", Sampling(seed=1)),
    **{
        f"mirostat {tau:g}": ("temperature 1", Sampling(seed=1, strategy=sg.Mirostat(tau)))
        for tau in (0.1, 1.0, 3.0)
    },
}
"""For each way: the plain way that it is compared with."""
NAMES = (
    "sentences", "way", "texts", "fields", "right", "difference", "low", "high", "calls", "further_calls",
    "seconds", "errors",
)  # fmt: skip


def sentences(name: str, most: int) -> list[dict[str, Any]]:
    """Return the first sentences of a set."""
    lines = (DATA / SETS[name]).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines[:most]]


def request_of(example: dict[str, Any], how: Sampling) -> Request:
    grammar = sg.json_schema(example["schema"], **{**sg.JSON_DUMPS, "escapes": "utf8"})
    return Request(example["text"], grammar, how, max_tokens=160)


def right_fields(example: dict[str, Any], value: Any) -> tuple[int, int]:
    """Return how many fields are right, and how many there are."""
    right = 0
    for path in example["kinds"]:
        wanted, given = example["answer"], value
        for key in path.split("."):
            wanted = wanted[key]
            given = given.get(key, ...) if isinstance(given, dict) else ...
        right += given == wanted and isinstance(given, bool) == isinstance(wanted, bool)
    return right, len(example["kinds"])


def measured(
    engine: Engine, examples: list[dict[str, Any]], how: Sampling
) -> tuple[list[Result], np.ndarray, float]:
    """Return the results, right and asked fields for each text, and processor seconds."""
    began = time.process_time()
    results = engine.generate([request_of(example, how) for example in examples])
    taken = time.process_time() - began
    fields = [right_fields(one, result.value) for one, result in zip(examples, results, strict=True)]
    return results, np.array(fields), taken


def interval(own: np.ndarray, plain: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of the difference of shares, both ways on the same sentences."""
    picked = np.random.default_rng(7).integers(0, len(own), (2000, len(own)))
    shares = [(of[picked, 0].sum(1) / of[picked, 1].sum(1)) for of in (own, plain)]
    low, high = np.percentile(shares[0] - shares[1], (2.5, 97.5))
    return float(low), float(high)


def disagreement(examples: list[dict[str, Any]], results: list[Result], large: Engine) -> dict[str, float]:
    """Return FS-GEN's measure along greedy texts: teacher-forced, both models under the text's own mask."""
    small = Engine(SMALL)
    agree: list[float] = []
    differ: list[float] = []
    for example, result in zip(examples, results, strict=True):
        request = request_of(example, Sampling(temperature=0.0))
        assert request.grammar is not None
        matcher = sg.Matcher(large.compiled(request.grammar))
        mask = sg.allocate_mask(1, large.tokenizer.vocab_size)
        pairs = [one.model.prefill(one.prompt_tokens(request)) for one in (large, small)]
        laws, caches = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        for token in result.tokens:
            matcher.fill_mask(mask)
            ids = tokens_of(mask.array[0])
            if len(ids) > 1:
                own, other = (law.float().numpy()[ids].astype(np.float64) for law in laws)
                surprise = log_softmax(own)
                entropy = float(-(np.exp(surprise) * surprise).sum() / np.log(2))
                (agree if own.argmax() == other.argmax() else differ).append(entropy)
            matcher.advance(token)
            laws = [
                one.model.decode([token], [cache])[0]
                for one, cache in zip((large, small), caches, strict=True)
            ]
    return {
        "share of free tokens where large and small differ": len(differ) / (len(agree) + len(differ)),
        "entropy where they agree, bits": float(np.mean(agree)) if agree else 0.0,
        "entropy where they differ, bits": float(np.mean(differ)) if differ else 0.0,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sentences", type=int, default=10_000, help="at most so many of each set")
    parser.add_argument("--only", default="", help="ways whose names contain this, beside the plain ones")
    add_results(parser)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    engine = Engine(LARGE)
    rows: list[tuple[object, ...]] = []
    plain_ways = {plain for plain, _ in WAYS.values()}
    for name in SETS:
        examples, plain_of = sentences(name, asked.sentences), dict[str, np.ndarray]()
        measured(engine, examples[:8], WAYS["greedy"][1])  # what is compiled at the first use
        for way, (plain, how) in WAYS.items():
            if way not in plain_ways and asked.only not in way:
                continue
            results, fields, taken = measured(engine, examples, how)
            plain_of.setdefault(way, fields)
            share, base = (of[:, 0].sum() / of[:, 1].sum() for of in (fields, plain_of[plain]))
            low, high = interval(fields, plain_of[plain])
            count = len(results)
            row = (
                *(name, way, count, int(fields[:, 1].sum()), f"{share:.4f}", f"{share - base:.4f}"),
                *(f"{low:.4f}", f"{high:.4f}", f"{sum(one.usage.calls for one in results) / count:.1f}"),
                f"{sum(one.usage.strategy_calls for one in results) / count:.1f}",
                *(f"{taken:.2f}", sum(one.error is not None for one in results)),
            )
            rows.append(row)
            print(
                f"{name:13} {way:16} right {share:.3f}  {share - base:+.3f} ({low:+.3f} to {high:+.3f})  "
                f"calls {row[8]} and {row[9]}  {taken:7.1f} s  errors {row[11]}",
                flush=True,
            )
            if way == "greedy":
                for measure, value in disagreement(examples, results, engine).items():
                    print(f"{name:13} {measure}: {value:.3f}", flush=True)
                    rows.append((name, measure, count, "", f"{value:.4f}", *[""] * 7))
    about = {
        "load": load(),
        "versions": f"structgen {sg.__version__} torch {version('torch')}",
    }
    write(asked.results, "strategies", about, NAMES, rows)


if __name__ == "__main__":
    main()
