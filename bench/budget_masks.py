"""What masks under a budget cost beside plain ones, far from the end, for `bench_budgets.py`.

A document is a random walk through the masks of a schema, completed. The first of a schema is read twice in
a grammar compiled for plain masks and twice in one for masks under a budget of four times its tokens, in
turns; the first time most states are new. Every fourth schema becomes one of two required keys, the other a
constant of some thousand bytes. Under the budget of each document another one is drawn, a random token at a
time; after a hundred tokens, under the least budget, so that it ends: far from the end and near it, the masks
alone see to that.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from typing import Any

import structgen as sg

_MOST = 100
"""Tokens of a random walk before it is completed, and of a document before it must end."""


class BudgetMasks:
    """Measures one schema after the other; `rows` has what is counted, times in CPU nanoseconds."""

    def __init__(self, tokenizer: sg.Tokenizer, seed: int) -> None:
        self._tokenizer, self._chance = tokenizer, random.Random(f"{seed} masks")
        self._stores = sg.MaskStore(path=None), sg.MaskStore(path=None)
        self._mask = sg.allocate_mask(1, tokenizer.vocab_size)
        known = (token for token in tokenizer.token_bytes if token)
        self._longest = max(map(len, known))
        self._number = {data: token for token, data in enumerate(tokenizer.token_bytes) if data}
        self.counts: Counter[str] = Counter()
        self.slowest = 0

    def add(self, schema: Any, options: dict[str, Any], texts: int) -> None:
        """Measure documents of a schema; one that is refused is passed by."""
        if self.counts["schemas"] % 4 == 3:
            constant = "".join(self._chance.choices("abcdefgh -.", k=self._chance.randint(1000, 9000)))
            schema = {
                "type": "object",
                "properties": {"constant": {"const": constant}, "value": schema},
                "required": ["constant", "value"],
            }
        try:
            grammar = sg.json_schema(schema, **options)
            plain, bounded = (sg.compile(grammar, self._tokenizer, store=store) for store in self._stores)
            for number in range(texts):
                self._document(grammar, plain if number == 0 else None, bounded)
        except sg.StructgenError as error:
            self.counts[f"stopped by {type(error).__name__}"] += 1
        self.counts["schemas"] += 1

    def _document(self, grammar: Any, plain: sg.CompiledGrammar | None, bounded: sg.CompiledGrammar) -> None:
        """Measure a document; without `plain`, see only whether it ends in time."""
        if plain is None:
            tokens = self._drawn(bounded)
        else:
            tokens = self._drawn(sg.compile(grammar, self._tokenizer, store=False))
            self.counts["masks"] += len(tokens)
            for visit in ("first", "known"):
                self.counts[f"{visit}: plain"] += self._read(plain, tokens, None)
                self.counts[f"{visit}: budget"] += self._read(bounded, tokens, 4 * len(tokens))
        self.counts["documents"] += 1
        self.counts["documents over budget"] += not self._ends(bounded, 4 * len(tokens))

    def _choice(self, matcher: sg.Matcher, budget: int | None) -> int:
        matcher.fill_mask(self._mask, budget=budget)
        allowed = self._mask.allowed()
        return int(allowed[self._chance.randrange(len(allowed))])

    def _drawn(self, compiled: sg.CompiledGrammar) -> list[int]:
        matcher = sg.Matcher(compiled)
        for _ in range(self._chance.randint(1, _MOST)):
            token = self._choice(matcher, None)
            if token in self._tokenizer.eos_token_ids:
                break
            matcher.advance(token)
        rest = matcher.compiled.completion(matcher.state)
        tokens, at = list(matcher.tokens), 0
        while at < len(rest):
            size = next(
                s
                for s in range(min(self._longest, len(rest) - at), 0, -1)
                if rest[at : at + s] in self._number
            )
            tokens.append(self._number[rest[at : at + size]])
            at += size
        return tokens

    def _read(self, compiled: sg.CompiledGrammar, tokens: list[int], budget: int | None) -> int:
        matcher, spent = sg.Matcher(compiled), 0
        for at, token in enumerate(tokens):
            left = None if budget is None else budget - at
            since = time.thread_time_ns()
            matcher.fill_mask(self._mask, budget=left)
            spent += time.thread_time_ns() - since
            matcher.advance(token)
        return spent

    def _ends(self, compiled: sg.CompiledGrammar, budget: int) -> bool:
        matcher = sg.Matcher(compiled)
        for taken in range(budget + 1):
            left = budget - taken
            if taken >= _MOST:
                left = min(left, matcher.tokens_to_finish())
            since = time.thread_time_ns()
            try:
                token = self._choice(matcher, left)
            except sg.errors.BudgetError:
                return False
            self.slowest = max(self.slowest, time.thread_time_ns() - since)
            if token in self._tokenizer.eos_token_ids:
                return True
            matcher.advance(token)
        return False

    @property
    def rows(self) -> list[tuple[str, float]]:
        """What was counted: ratio of first visits, nanoseconds more for a known state."""
        counts, masks = self.counts, max(self.counts["masks"], 1)
        found: list[tuple[str, float]] = [
            (f"far: {what}", counts[what]) for what in ("documents", "documents over budget", "masks")
        ]
        found += [(f"far: {what}", count) for what, count in sorted(counts.items()) if "stopped" in what]
        found += [
            (f"far: {what}, ns a mask", round(counts[what] / masks))
            for what in ("first: plain", "first: budget", "known: plain", "known: budget")
        ]
        ratio = counts["first: budget"] / max(counts["first: plain"], 1)
        found.append(("far: first visits, times plain", round(ratio, 2)))
        return [*found, ("near: slowest mask, ms", round(self.slowest / 1e6, 1))]
