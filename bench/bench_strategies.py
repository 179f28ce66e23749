"""What does each decoding strategy do to the fields that the embedded model gets right?

    python bench/bench_strategies.py [--sentences 40] [--only guidance]

The sentences are those written by hand (tests/data/extract/hand_written.jsonl) and those of everyday kinds
(everyday.jsonl). Each way of choosing tokens writes the document of each sentence with models/extract under
its schema; a field is right when its value is. Beside the share of right fields: its difference to the plain
way of the same temperature, with a 95 % interval by the bootstrap over sentences (2,000 draws, a frozen
seed); forward passes of the text's own row and of further rows, for each text; and processor seconds of all
texts, with one thread. Strategies that lose stay in the table.

`voted 10` is self-consistency: of ten draws the value that most of them have, the first one of equals; its
calls are those of all draws.

Searches count their further passes and rows beside. The reward of plan and valued is a check that knows no
answer: the share of the words of the document's strings that stand in the sentence. `switched` is a model of
both embedded models, a curve of 8 points over tau with the share of the large model's rows; `fused` joins the
two on bytes. `n-grams` of superposed are those of 5,000 documents of the training, with their weight `a`.

Contrast and guidance read the outline with an empty text as their other prompt.

Prints the table and writes bench/results/strategies-DATE.csv.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from methods.cautious import Cautious
from methods.contrast import Contrast
from methods.fused_models import FusedModels
from methods.model_arithmetic import ContrastiveDecoding, ProxyTuning
from methods.momentum import Momentum
from methods.pause_and_rerank import PauseAndRerank
from methods.superposed import SuperposedDecoding, superposable
from methods.switched_models import SwitchedModels
from methods.value_guided import ValueGuided
from records import arguments
from told import tell

import structgen as sg
from structgen.decoding.engine import Engine, Request, Result, Sampling

DATA = Path(__file__).parent.parent / "tests" / "data" / "extract"
SETS = {"hand-written": "hand_written.jsonl", "everyday": "everyday.jsonl"}
LARGE, SMALL = "structgen/extract", "structgen/extract-draft"
sys.path.insert(0, str(Path(__file__).parent.parent / "models"))
from data.sentences import Example, Examples, written  # noqa: E402
from evaluate import right_fields  # noqa: E402

_SOURCE = Examples(4242)
TRAINING = tuple(written(_SOURCE.draw().answer) for _ in range(5000))
"""Documents of the kind that the models were trained on: the texts of superposed's n-grams."""


class WordsFound:
    """A reward that knows no answer: the share of the words of a document's strings that stand in the
    sentence."""

    def __init__(self, text: str) -> None:
        self._words = set(re.findall(r"\w+", text.lower()))

    def __call__(self, value: Any) -> float:
        words = re.findall(r"\w+", " ".join(_strings(value)).lower())
        return sum(word in self._words for word in words) / len(words) if words else 1.0


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _strings(one)


def rewarded(kind: Callable[..., Any], **options: Any) -> Callable[[dict[str, Any]], Sampling]:
    """Return what makes the sampling of a sentence, whose reward reads it."""
    return lambda example: Sampling(
        temperature=0.0, strategy=kind(reward=WordsFound(example["text"]), **options)
    )


@dataclass(frozen=True)
class Voted:
    """Self-consistency: the value that most of `draws` texts of a sentence have, the first one of equals."""

    how: Sampling
    draws: int

    def value(self, results: list[Result]) -> Any:
        """Return the value of the results of one sentence; None where all have an error."""
        written = [json.dumps(one.value) for one in results if one.error is None]
        return json.loads(max(written, key=written.count)) if written else None


How: TypeAlias = Sampling | Voted | Callable[[dict[str, Any]], Sampling] | partial[Any]
"""How a way chooses tokens: for all sentences, for each one, or greedily with another model."""


def greedy(strategy: Any = ()) -> tuple[str, How]:
    """Return a way that takes the likeliest token, beside the plain one."""
    return "greedy", Sampling(temperature=0.0, strategy=strategy)


def drawn(strategy: Any = ()) -> tuple[str, How]:
    """Return a way that draws at temperature 1, beside the plain one."""
    return "temperature 1", Sampling(seed=1, strategy=strategy)


def both(kind: Callable[..., Any], *names: str, **options: Any) -> Any:
    """Return what is made of two models, by their names."""
    return kind(*map(Engine, names), **options)


def arithmetic(kind: Callable[..., Any], *names: str, **options: Any) -> Sampling:
    """Return greedy choice with small models beside the text's own, by their names."""
    return Sampling(temperature=0.0, strategy=both(kind, *names, **options))


_S = sg.strategies
WAYS: dict[str, tuple[str, How]] = {
    "greedy": greedy(),
    **{f"guidance {scale:g}": greedy(_S.Guidance("", scale)) for scale in (0.5, 1.5, 2.0, 3.0)},
    **{f"contrast {weight:g}": greedy(Contrast("", weight)) for weight in (0.25, 0.5, 1.0)},
    **{
        f"contrastive {weight:g}": ("greedy", partial(arithmetic, ContrastiveDecoding, SMALL, weight=weight))
        for weight in (0.25, 0.5, 1.0)
    },
    **{
        f"proxy {weight:g}": ("greedy", partial(arithmetic, ProxyTuning, LARGE, SMALL, weight=weight))
        for weight in (0.25, 1.0)
    },
    "momentum 0.2": greedy(Momentum()),
    **{f"pause {tau:g}": greedy(PauseAndRerank(tau)) for tau in (0.05, 0.3, 1.0)},
    **{
        f"plan {rollouts}": ("greedy", rewarded(_S.PlanningSearch, rollouts=rollouts)) for rollouts in (8, 32)
    },
    "valued 0.2": ("greedy", rewarded(ValueGuided, k=3)),
    **{f"superposed {heat:g}": greedy(SuperposedDecoding(temperature=heat)) for heat in (0.06, 1.0)},
    **{
        f"superposed 0.06, n-grams {a:g}": greedy(SuperposedDecoding(texts=TRAINING, a=a))
        for a in (0.02, 0.54)
    },
    **{
        f"switched {tau:g}": (
            "greedy",
            partial(both, SwitchedModels, SMALL, LARGE, tau=tau, window=2, least_tokens=1),
        )
        for tau in (-1.0, 0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 10.0)
    },
    "fused 0.2": ("greedy", partial(both, FusedModels, LARGE, SMALL)),
    "fused 0.2 released": ("greedy", partial(both, FusedModels, LARGE, SMALL, approximate=True)),
    "temperature 1": drawn(),
    **{f"cautious {trials}": drawn(Cautious(trials)) for trials in (3, 10)},
    "voted 10": ("temperature 1", Voted(Sampling(seed=1), 10)),
    "cautious 10, voted 10": ("temperature 1", Voted(Sampling(seed=1, strategy=Cautious(10)), 10)),
    **{f"mirostat {tau:g}": drawn(_S.Mirostat(tau)) for tau in (0.1, 1.0, 3.0)},
}
"""For each way: the plain way that it is compared with."""


def sentences(name: str, most: int) -> list[dict[str, Any]]:
    """Return the first sentences of a set."""
    lines = (DATA / SETS[name]).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines[:most]]


def measured(
    engine: Engine, examples: list[dict[str, Any]], how: Any
) -> tuple[list[Result], np.ndarray, float]:
    """Return the results, right and asked fields for each sentence, and processor seconds."""
    if isinstance(how, SwitchedModels | FusedModels):
        engine, how = Engine(how), Sampling(temperature=0.0, strategy=getattr(how, "listener", ()))
    voted = how if isinstance(how, Voted) else Voted(how, 1)
    if isinstance(how, Sampling) and any(isinstance(one, SuperposedDecoding) for one in how.strategies):
        engine = superposable(LARGE)
    began, requests = time.process_time(), []
    for one in examples:
        grammar = sg.json_schema(one["schema"], **{**sg.JSON_DUMPS, "escapes": "utf8"})
        own = voted.how if isinstance(voted.how, Sampling) else voted.how(one)
        requests.append(Request(one["text"], grammar, own, max_tokens=160, n=voted.draws))
    results = engine.generate(requests)
    taken = time.process_time() - began
    groups = [results[at : at + voted.draws] for at in range(0, len(results), voted.draws)]
    right = [
        right_fields(Example(**one), json.dumps(voted.value(group))).values()
        for one, group in zip(examples, groups, strict=True)
    ]
    return results, np.array([(sum(one), len(one)) for one in right]), taken


def further_rows(how: Any, results: list[Result]) -> int:
    """Return the rows besides the texts' own: of searches, mixtures, or the second model of a fused one."""
    if isinstance(how, FusedModels):
        return how.rows
    return sum(max(one.usage.strategy_rows, one.usage.strategy_calls) for one in results)


def interval(own: np.ndarray, plain: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of the difference of shares, both ways on the same sentences."""
    picked = np.random.default_rng(7).integers(0, len(own), (2000, len(own)))
    shares = [(of[picked, 0].sum(1) / of[picked, 1].sum(1)) for of in (own, plain)]
    low, high = np.percentile(shares[0] - shares[1], (2.5, 97.5))
    return float(low), float(high)


def ways_measured(
    sets: Sequence[str], most: int, only: str = "", without: Sequence[str] = ()
) -> Iterator[dict[str, Any]]:
    """Yield a row for each set of sentences and way: the plain ones, and those whose names contain `only` and
    begin with none of `without`. `large`: of switched models, the share of rows that are the large one's."""
    torch.set_num_threads(1)
    engine = Engine(LARGE)
    plain_ways = {plain for plain, _ in WAYS.values()}
    for name in sets:
        examples, plain_of = sentences(name, most), dict[str, np.ndarray]()
        measured(engine, examples[:8], WAYS["greedy"][1])  # what is compiled at the first use
        for way, (plain, how) in WAYS.items():
            is_left_out = only not in way or way.startswith(tuple(without))
            if way not in plain_ways and is_left_out:
                continue
            how = how() if isinstance(how, partial) else how
            results, fields, taken = measured(engine, examples, how)
            plain_of.setdefault(way, fields)
            share, base = (float(of[:, 0].sum() / of[:, 1].sum()) for of in (fields, plain_of[plain]))
            low, high = interval(fields, plain_of[plain])
            count, is_switched = len(examples), isinstance(how, SwitchedModels)
            yield {
                "sentences": name,
                "way": way,
                "texts": count,
                "fields": int(fields[:, 1].sum()),
                "right": share,
                "difference": share - base,
                "low": low,
                "high": high,
                "calls": sum(one.usage.calls for one in results) / count,
                "further_calls": sum(one.usage.strategy_calls for one in results) / count,
                "further_rows": further_rows(how, results) / count,
                "seconds": taken,
                "errors": sum(one.error is not None for one in results),
                "large": how.counts[1] / sum(how.counts) if is_switched else "",
            }


def main() -> None:
    """Measure, print and write."""
    parser = arguments(__doc__)
    parser.add_argument("--sentences", type=int, default=10_000, help="at most so many of each set")
    parser.add_argument("--only", default="", help="ways whose names contain this, beside the plain ones")
    parser.add_argument("--without", default=(), nargs="*", help="ways whose names begin so are left out")
    parser.add_argument("--sets", default=tuple(SETS), nargs="*", choices=SETS, help="sets of sentences")
    asked = parser.parse_args()
    rows = ways_measured(asked.sets, asked.sentences, asked.only, asked.without)
    tell(asked, "strategies", rows, ["torch"])


if __name__ == "__main__":
    main()
