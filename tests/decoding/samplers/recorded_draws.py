"""Digests of draws, to hold that a change of the intervals changes no draw: `python recorded_draws.py` prints
those of today, and recorded_draws.json has those from before the intervals by betting."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

from exact import ALIVE
from tasks import Even, Task

import structgen as sg

TASKS = {
    "lists": Task("recorded", "[abc]{0,4}(a|cc)", 5, (b"a", b"b", b"c", b"ab"), seed=21),
    "even": Task("recorded", "[abc]{0,4}", 4, (b"a", b"b", b"c"), seed=13, sharp=0.5, checker=Even()),
    "long": Task("recorded", "[abc]{2,9}", 9, ALIVE, seed=3, sharp=1.0),
    "pairs": Task("recorded", "([ab]c){1,2}", 4, (b"a", b"b", b"c"), seed=9),
}
RECORDED = Path(__file__).with_name("recorded_draws.json")
METHODS = ("beams", "cars", "importance", "smc", "awrs", "asap", "rejection", "masked")
SCHEMA = {
    "type": "object",
    "properties": {"city": {"enum": ["Lima", "San Francisco"]}, "age": {"maximum": 9}},
}


def digest(found: sg.Samples[Any]) -> str:
    """Return the digest of the texts, their tokens, and the numbers to nine digits."""
    numbers = [f"{one:.9g}" for one in (*found.logprobs, *found.log_weights)]
    said = [found.texts, list(map(list, found.token_ids)), numbers, found.statistics.model_rows]
    return blake2b(json.dumps(said).encode(), digest_size=8).hexdigest()


def digests() -> Iterator[tuple[str, str]]:
    """Yield a name and the digest of each run."""
    for name, task in TASKS.items():
        for method in METHODS:
            yield f"{name} {method}", digest(task.sample(40, method, seed=5))
    engine = sg.Engine("structgen/extract")
    for method in METHODS:
        found = sg.sample(
            engine, "Marta lives in Lima.", sg.json_schema(SCHEMA), 48, method=method, max_tokens=40
        )
        yield f"extract {method}", digest(found)


if __name__ == "__main__":
    print(json.dumps(dict(digests()), indent=1))
