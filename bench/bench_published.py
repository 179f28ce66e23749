"""What was shown on our own models, shown on a published one, SmolLM2 (docs/inside/published-model.md).

    python bench/bench_published.py speculation samplers

The parts:

    speculation  calls and seconds of processor a token, by drafters, on 24 texts under schemas
    samplers     error on three tasks whose law is enumerated

Free text and text under a schema beside transformers' loop: `bench_engine.py --model smollm2`. Answers, by
strategy too: `bench_answers.py`.

The model is SmolLM2-135M-Instruct (`make smollm2`) in float32 on one thread. What is compared takes turns,
and figures are medians of the rounds. Seconds are those of the processor, whatever else the machine does.
Prints each row, and writes bench/results/published-PART-DATE.csv.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import re
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from records import arguments, in_turns, middle
from told import tell

import structgen as sg

GREEDY = sg.Sampling(temperature=0.0)
Rows = Iterator[dict[str, Any]]


# --- speculation --------------------------------------------------------------------------------------------


def speculation(engine: sg.Engine, asked: argparse.Namespace) -> Rows:
    """Measure calls and seconds a token by drafters; all ways must write the same tokens."""
    from bench_speculation import PromptLookup
    from speculation_texts import DUMPS, workloads

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
    for name, items in workloads().items():
        requests = []
        for prompt, schema in items:
            # the prompt of an embedded model is the outline, a line break, the text
            told = f"Extract the fields from this text: {prompt.partition(chr(10))[2].strip()}"
            requests.append(sg.Request(told, sg.json_schema(schema, **DUMPS), GREEDY, max_tokens=120))
        runs: dict[str, Callable[[], Any]] = {
            way: lambda how=how, requests=requests: [
                engine.generate(replace(one, speculation=how))[0] for one in requests
            ]
            for way, how in ways.items()
        }
        found = in_turns(runs, min(2, asked.rounds), time.process_time)
        plain = [one.tokens for one in found["off"][0][1]]
        tokens = sum(map(len, plain))
        for way, taken in found.items():
            results = taken[-1][1]
            times = [one[0] / off[0] for one, off in zip(taken, found["off"], strict=True)]
            yield {
                "workload": name,
                "texts": len(items),
                "way": way,
                "tokens": tokens,
                "calls a token": sum(one.usage.calls + 1 for one in results) / tokens,
                "drafted a token": sum(one.usage.drafted for one in results) / tokens,
                "ms a token": 1000 * middle(taken) / tokens,
                "times off": statistics.median(times),
                "differ": sum(one.tokens != other for one, other in zip(results, plain, strict=True)),
            }


# --- samplers -----------------------------------------------------------------------------------------------

LABELS = (
    "billing refund delivery damage warranty account password login invoice discount return exchange cancel "
    "upgrade complaint praise question address payment other"
).split()
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


def sampled_tasks(
    engine: sg.Engine,
) -> Iterator[tuple[str, Any, list[int], Callable[[str], dict[Any, str]]]]:
    """Yield a name, a compiled grammar, the prompt's tokens, and what reads the fields of a text."""
    asked = f"Which of these is the message about: {', '.join(LABELS)}?\n"
    asked += "I was charged twice for the lamp and want my money back.\nAnswer in one word."
    review = sg.json_schema(REVIEW, **{**sg.JSON_DUMPS, "escapes": "utf8"})
    rate = "Rate this review: The room was small and loud, but the staff were kind."
    name = "Name a colour, a vehicle and a city, like this: yellow bus in Berlin. Use small letters."

    def members(text: str) -> dict[Any, str]:
        return {key: str(value) for key, value in json.loads(text).items()}

    def groups(text: str) -> dict[Any, str]:
        match = re.fullmatch(RIDES, text)
        assert match is not None
        return dict(enumerate(match.groups()))

    for task, grammar, prompt, read in (
        ("a label of 20", sg.choice(LABELS), asked, lambda text: {"label": text}),
        ("a review, 30 documents", review, rate, members),
        ("a regex of 240 texts", sg.regex(RIDES), name, groups),
    ):
        yield task, engine.compiled(grammar), list(engine.prompt_tokens(sg.Request(prompt, grammar))), read


class Remembered:
    """The model behind a prompt, as a function of tokens; every row is computed once."""

    def __init__(self, own: sg.Engine, prompt: list[int]) -> None:
        from structgen.decoding.speculation.drafts.model_rows import ModelRows

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

    mask = TokenMask(np.zeros((1, compiled.vocabulary.words), np.int32), compiled.vocab_size)
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


def samplers(engine: sg.Engine, asked: argparse.Namespace) -> Rows:
    """Measure the error of draws. Whether intervals hold: `bench_intervals.py`."""
    from sampler_tasks import field_error

    most, seeds = 24, range(asked.seeds)
    for task, compiled, prompt, read in sampled_tasks(engine):
        model = Remembered(engine, prompt)
        law, left = enumerated(model, compiled, most)
        z, names = sum(law.values()), list(law)
        exact = shares(names, [law[name] / z for name in names], read)
        print(f"{task}: Z {z:.3g}, not followed {left:.2g}, {len(law)} texts", file=sys.stderr, flush=True)
        chances = np.array([law[name] for name in names]) / z
        for n in (20, 50, 100):
            drawn = [np.random.default_rng(seed).choice(len(names), n, p=chances) for seed in seeds]
            ideal = [shares([names[at] for at in one], [1 / n] * n, read) for one in drawn]
            about = {"task": task, "texts": len(law), "log10 Z": math.log10(z)}
            floor = statistics.fmean(field_error(exact, one) for one in ideal)
            for method in ("masked", "importance", "smc", "awrs", "cars", "rejection", "auto"):
                how = {"method": method, "budget": 100 * n, "max_tokens": most, "name": task}
                how["tokenizer"] = compiled.tokenizer
                runs = [sg.sample(model, prompt, compiled, n, seed=seed, **how) for seed in seeds]
                full = [one for one in runs if one.texts]
                errors = [field_error(exact, shares(one.texts, one.weights, read)) for one in full]
                yield about | {
                    "method": method,
                    "n": n,
                    "seeds": len(seeds),
                    "error": (sum(errors) + len(runs) - len(full)) / len(runs),
                    "error of exact draws": floor,
                    "runs without a draw": len(runs) - len(full),
                    "model rows": statistics.fmean(one.statistics.model_rows for one in runs),
                    "draws": statistics.fmean(len(one.texts) for one in runs),
                }


PARTS: dict[str, Callable[[sg.Engine, argparse.Namespace], Rows]] = {
    "speculation": speculation,
    "samplers": samplers,
}


def main() -> None:
    """Measure the parts, print and write."""
    parser = arguments(__doc__)
    parser.add_argument("parts", nargs="+", choices=PARTS)
    parser.add_argument("--rounds", type=int, default=5, help="at most so many")
    parser.add_argument("--seeds", type=int, default=20, help="of samplers")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    engine = sg.Engine("smollm2")
    sg.run(engine, "Say yes.", bool, max_tokens=8)  # what is compiled once is no one's time
    for part in asked.parts:
        tell(asked, f"published-{part}", PARTS[part](engine, asked), ["torch", "transformers"])


if __name__ == "__main__":
    main()
