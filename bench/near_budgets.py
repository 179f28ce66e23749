"""Masks near the end of a budget, for `bench_budgets.py --near`: exact, never empty, and what they cost.

The subjects: long texts of several scripts in the schemas of tests/oracles/near_ends.py, in those of
schemas/ and of MaskBench (where its folder is given), and in grammars of text. From a place in a text on,
the budget is what the document needs and up to 40 more; random allowed tokens are taken, or those behind
which most is needed, until the document ends. Each mask is asked whether tokens drawn from it, and from
those that it leaves out, need what it says (`Matcher.tokens_to_finish` of the state behind each).
jsonschema-rs judges the documents.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs

import structgen as sg

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "oracles"))

from near_ends import schemas, texts  # noqa: E402

GRAMMARS = (
    r"[a-z]{3,5000}(x|yy|zzz)",
    r"(\w+ )*end",
    r".{10,4000}(日本|の)",
    r"([ж-я]+, ){2,300}[ж-я]{5}\.",
    r"\"(\\[nt\"]|[^\"\\]){40,}\"",
)
_LAST = 60
"""Tokens of a document at most, from the place on where its end is near."""


class NearEnds:
    """Walks one grammar after the other; `rows` has what is counted, times in CPU milliseconds."""

    def __init__(self, tokenizer: sg.Tokenizer, seed: int) -> None:
        self._tokenizer, self._chance = tokenizer, random.Random(f"{seed} near")
        self._mask = sg.allocate_mask(1, tokenizer.vocab_size)
        self.counts: Counter[str] = Counter()
        self.times: list[float] = []
        self.states = 0
        self.faults: list[str] = []

    def add(self, name: str, grammar: Any, documents: int, schema: Any = None) -> None:
        """Walk documents of a grammar; one without documents is passed by."""
        try:
            compiled = sg.compile(grammar, self._tokenizer, store=False)
        except sg.StructgenError as error:
            self.counts[f"stopped by {type(error).__name__}"] += 1
            return
        for _ in range(documents):
            try:
                text = self._document(compiled)
                if schema is not None and not _is_valid(schema, json.loads(text)):
                    raise AssertionError(f"{text!r} is not valid")
            except (AssertionError, sg.StructgenError) as error:
                self.faults.append(f"{name}: {type(error).__name__}: {error}"[:300])
            self.counts["documents"] += 1
        self.states = max(self.states, compiled.sizes["machine_states"])

    def _document(self, compiled: sg.CompiledGrammar) -> str:
        chance, pieces = self._chance, self._tokenizer.token_bytes
        text = texts(compiled, chance, chance.choice([20, 200, 600, 1500]))
        state = compiled.step_bytes(compiled.start, text)
        assert state is not None, "a text that was walked"
        matcher, worst = sg.Matcher(compiled, state), chance.random() < 0.2
        left = min(matcher.tokens_to_finish() + chance.choice([0, 1, 3, 8, 20, 40]), _LAST)
        left = max(left, matcher.tokens_to_finish())
        while True:
            since = time.thread_time_ns()
            matcher.fill_mask(self._mask, budget=left)
            self.times.append((time.thread_time_ns() - since) / 1e6)
            allowed = self._mask.allowed().tolist()
            assert allowed, f"the mask behind {text!r} is empty under {left}"
            if chance.random() < 0.2:
                self._judge(compiled, matcher.state, set(allowed), left)
            few = chance.sample(allowed, min(len(allowed), 8))
            token = max(few, key=lambda one: self._need(compiled, matcher.state, one)) if worst else few[0]
            if (piece := pieces[token]) is None:
                return text.decode()
            matcher.advance(token)
            text, left = text + piece, left - 1

    def _judge(
        self, compiled: sg.CompiledGrammar, state: sg.core.State, allowed: set[int], left: int
    ) -> None:
        plain = [token for token in compiled.allowed(state) if self._tokenizer.token_bytes[token]]
        denied = [token for token in plain if token not in allowed]
        for token in (*self._chance.sample(plain, min(len(plain), 6)), *denied[:6]):
            need = self._need(compiled, state, token)
            self.counts["tokens judged"] += 1
            assert (need < left) == (token in allowed), f"token {token} with {left} left needs {need}"

    def _need(self, compiled: sg.CompiledGrammar, state: sg.core.State, token: int) -> int:
        after = compiled.step(state, token)
        assert after is not None, "a token of the mask"
        return -1 if after.is_finished else compiled.tokens_to_finish(after)

    @property
    def rows(self) -> list[tuple[str, float]]:
        """What was counted."""
        times = sorted(self.times) or [0.0]
        found = [(f"near: {what}", count) for what, count in sorted(self.counts.items())]
        found += [("near: masks", len(self.times)), ("near: faults", len(self.faults))]
        for what, share in (("p50", 0.5), ("p99", 0.99), ("slowest", 1.0)):
            found.append(
                (f"near: {what} mask, ms", round(times[min(int(share * len(times)), len(times) - 1)], 2))
            )
        return [*found, ("near: most states of a grammar", self.states)]


def _is_valid(schema: Any, value: Any) -> bool:
    return bool(jsonschema_rs.validator_for(schema, validate_formats=False).is_valid(value))


def subjects(seed: int, count: int) -> Iterator[tuple[str, Any, Any]]:
    """Yield so many generated schemas, those of schemas/, and grammars: name, grammar, schema or None."""
    chance = random.Random(seed)
    for number, schema in zip(range(count), schemas(chance), strict=False):
        options = {"escapes": chance.choice(["canonical", "any"])}
        yield f"generated {number}", sg.json_schema(schema, **options), schema
    for path in sorted((ROOT / "schemas").glob("*.json")):
        schema = json.loads(path.read_text(encoding="utf-8"))["schema"]
        yield path.name, sg.json_schema(schema, formats="annotate"), schema
    for pattern in GRAMMARS:
        yield pattern, sg.regex(pattern), None
    for path in sorted((ROOT / "grammars").glob("*.lark")):
        yield path.name, sg.lark(path.read_text(encoding="utf-8")), None
