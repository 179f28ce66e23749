"""Model calls per token in the engine itself, its passes really run (part 2 of bench_speculation.py).

A Llama of two small layers and of random weights, with Llama 3's vocabulary, reads the prompts and the
drafts; its logits are overridden by the recorded token (`speculation_models.Recorded`). The same answers are
counted by `replay`, for the same sets of drafters.

The engine counts the passes behind the prompt; the prompt's own pass, which chooses the first token, is added
here. `replay` counts a pass for the first token too, and drafts there as well, which the engine cannot: it
then has up to one pass less. "free rows" has the engine plan as `replay` does, a pass of many rows costing as
much as one; "own costs" is the engine as it is, whose planner knows what rows cost and drafts less.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import speculation_answers as answers
from speculation_counts import CHANGED, LOOKUP, SAME, SETS, PromptLookup, counted, facts_of
from speculation_models import Recorded, llama_small
from speculation_walls import with_end

import structgen as sg
from structgen.maskbench import vocabularies
from structgen.speculation.drafters.answer_history import AnswerHistory
from structgen.speculation.drafts.draft import NO_DRAFT
from structgen.speculation.planning.speculator import Speculator
from structgen.speculation.speculation_options import Speculation

MODES: Final[dict[tuple[str, str], Callable[[str, AnswerHistory], str | Speculation]]] = {
    (SAME, "none"): lambda *_: "off",
    (SAME, "forced tokens"): lambda *_: Speculation(["forced"], nodes=64),
    (SAME, LOOKUP): lambda *_: Speculation([PromptLookup], nodes=10),
    (SAME, "chain of 5"): lambda *_: Speculation(nodes=5, chain=True),
    (SAME, "tree of 16"): lambda *_: Speculation(nodes=16),
    (SAME, "tree of 16, earlier answer"): lambda _, known: Speculation(history=known, tenant="bench"),
    (CHANGED, "tree of 16, caller's text"): lambda text, _: Speculation(edit=text),
}
COLUMNS: Final = (
    "workload", "spelling", "drafters", "answers", "tokens", "replay_calls_per_token", "engine_free_rows",
    "engine_own_costs", "differ",
)  # fmt: skip


class FreeRows(Speculator):
    """Stands in for the engine's `Speculator`: every row of a pass is free, as it is for `replay`."""

    def wants_drafts(self, count: int, drafters: Any) -> bool:
        """Have every pass drafted."""
        return True

    def propose(self, draftings: Sequence[Any], views: Sequence[Any], mosts: Sequence[int]) -> list[Any]:
        """Return all that is guessed, up to each text's bound."""
        found = []
        for drafting, view, most in zip(draftings, views, mosts, strict=True):
            if drafting is None or view is None:
                found.append(NO_DRAFT)
            else:
                found.append(drafting.candidates(view, most))
        return found

    def ran(self, rows: int, seconds: float) -> None:
        """Learn nothing."""

    def took(self, seconds: float) -> None:
        """Learn nothing."""


def measure(
    folder: Path, count: int, spellings: Sequence[str] = ("one line", "free")
) -> list[tuple[object, ...]]:
    """Return a row for each workload, spelling and set, over the first `count` answers; see COLUMNS."""
    tokenizer = vocabularies.load("llama3")
    model = llama_small(tokenizer.vocab_size)
    listed = answers.answers(folder, count)
    wanted = [one for one in SETS if any(one.title == title for _, title in MODES)]
    replayed: dict[tuple[str, str, str], int] = {}
    for place, answer in enumerate(listed):
        for one in counted(answer, place, wanted, spellings):
            key = one.workload, one.spelling, one.drafters
            replayed[key] = replayed.get(key, 0) + one.calls
    found: list[tuple[object, ...]] = []
    for (workload, title), make in MODES.items():
        for spelling in spellings:
            tokens = differ = texts = 0
            calls = {"free": 0, "own": 0}
            engines = {kind: _Engine(tokenizer, free=kind == "free") for kind in calls}
            for answer in listed:
                if workload == CHANGED and answer.changed is None:
                    continue
                texts += 1
                for kind, engine in engines.items():
                    used, others = engine.write(model, answer, workload, spelling, make)
                    calls[kind] += used
                    differ += others
                tokens += engine.tokens
            shares = (calls["free"] / tokens, calls["own"] / tokens) if tokens else ("", "")
            replay_share = replayed.get((workload, spelling, title), 0) / max(tokens, 1)
            found.append((workload, spelling, title, texts, tokens, replay_share, *shares, differ))
    return found


class _Engine:
    """Writes answers, each by a new engine that knows what the last one has learnt of costs."""

    def __init__(self, tokenizer: sg.Tokenizer, *, free: bool) -> None:
        self._tokenizer, self._speculator = tokenizer, FreeRows() if free else None
        self.tokens = 0
        """Of the last answer."""

    def write(
        self, model: Any, answer: answers.Answer, workload: str, spelling: str, make: Callable[..., Any]
    ) -> tuple[int, int]:
        """Return the calls, and 1 where the text is another than the recorded one."""
        tokenizer = self._tokenizer
        compiled = sg.compile(answers.grammar_of(answer.schema, spelling), tokenizer)
        facts, tokens, earlier = facts_of(answer, workload, spelling, tokenizer)
        history = AnswerHistory(tokenizer)
        history.add("bench", compiled.grammar.fingerprint, earlier)
        engine: Any = sg.Engine(Recorded(model, [(facts.prompt, tokens)]), tokenizer, max_rows=1)
        if self._speculator is None:
            self._speculator = engine._loop._speculator
        engine._loop._speculator = self._speculator
        (result,) = engine.generate(
            sg.Request(
                facts.prompt,
                compiled,
                sg.Sampling(temperature=0.0),
                max_tokens=len(tokens) + 64,
                speculation=make(facts.text.decode(), history),
            )
        )
        self.tokens = len(tokens)
        return result.usage.calls + 1, with_end(result, tokenizer) != tokens
