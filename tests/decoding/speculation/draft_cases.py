"""What the tests of drafters share: a tokenizer, grammars, and what is known of a request."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from object_schemas import BOOLEAN, STRING, object_of

import structgen as sg
from structgen.decoding.speculation.drafts.draft import NO_DRAFT, Draft
from structgen.decoding.speculation.drafts.drafter import DraftContext, RequestFacts
from structgen.decoding.speculation.planning.drafting import Drafting

ROOT = Path(__file__).parent.parent.parent.parent
sys.path.insert(0, str(ROOT / "bench"))
from draft_replay import replay as replay  # noqa: E402

ROW = 0.01
"""The cost of one more row in passes, next to nothing: every guess is worth one."""
PERSON: dict[str, Any] = object_of(name=STRING, kind={"enum": ["customer", "supplier"]}, active=BOOLEAN)


@cache
def tokenizer() -> sg.Tokenizer:
    return sg.Tokenizer.from_huggingface(ROOT / "models/tokenizer")


GRAMMARS: dict[str, Callable[[], sg.Grammar]] = {
    "JSON": lambda: sg.json_schema(PERSON, **sg.JSON_DUMPS),
    "text": lambda: sg.regex(r"(red|green|blue) [0-9]{1,3}(, (red|green|blue) [0-9]{1,3})*"),
    "Lark": lambda: sg.lark('start: (NAME "=" NUMBER ";")+\nNAME: /[a-z]+/\nNUMBER: /[0-9]+/\n%ignore " "\n'),
}
"""One of each machine."""


@cache
def of_machine(name: str) -> sg.CompiledGrammar:
    return sg.compile(GRAMMARS[name](), tokenizer())


@cache
def _compiled(schema: str) -> sg.CompiledGrammar:
    return sg.compile(sg.json_schema(json.loads(schema), **sg.JSON_DUMPS), tokenizer())


def compiled(schema: Any) -> sg.CompiledGrammar:
    return _compiled(json.dumps(schema))


def facts(prompt: bytes = b"", **more: Any) -> RequestFacts:
    return RequestFacts(tokenizer().encode(prompt), tokenizer(), **more)


def view(matcher: sg.Matcher | None, tokens: Sequence[int] = (), room: int = 1000) -> DraftContext:
    return DraftContext(tokens, matcher, room, frozenset(tokenizer().eos_token_ids))


def answer(value: Any) -> list[int]:
    """Return a document as json.dumps writes it, as tokens, with the end token."""
    return [*tokenizer().encode(json.dumps(value).encode()), tokenizer().eos_token_ids[0]]


class Own:
    """A drafter of somebody's own, which proposes nothing."""

    name = "own"

    def begin(self, facts: RequestFacts) -> None:
        pass

    def propose(self, view: DraftContext, most: int) -> Draft:
        return NO_DRAFT

    def observe(self, taken: Sequence[int], accepted: int) -> None:
        pass

    def end(self) -> None:
        pass


class Fixed(Own):
    """Proposes the same draft in each pass."""

    name = "fixed"

    def __init__(self, draft: Draft) -> None:
        self.draft = draft

    def propose(self, view: DraftContext, most: int) -> Draft:
        return self.draft


def paths(draft: Draft) -> set[tuple[int, ...]]:
    """Return the paths to all nodes."""
    return {tuple(draft.path(node)) for node in range(len(draft))}


def trusts(drafting: Drafting) -> dict[str, float]:
    """Return the acceptance rate of each drafter."""
    return {member.drafter.name: member.trust for member in drafting._members}
