"""Digests of draws, to hold that a change of the intervals changes no draw: `python recorded_draws.py` prints
those of today, and recorded_draws.json has those from before the intervals by betting."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

from random_laws import laws

import structgen as sg

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
    for law in laws(range(40_000, 40_006)):
        for method in METHODS:
            if method != "rejection" or law.z > 0.05:
                yield f"law {law.seed} {method}", digest(law.sample(method, 40))
    engine = sg.Engine("structgen/extract")
    for method in METHODS:
        found = sg.sample(
            engine, "Marta lives in Lima.", sg.json_schema(SCHEMA), 48, method=method, max_tokens=40
        )
        yield f"extract {method}", digest(found)


if __name__ == "__main__":
    print(json.dumps(dict(digests()), indent=1))
