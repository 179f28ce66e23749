"""Model calls per token without a model: replays a recorded text with drafts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from structgen.decoding.speculation.drafts.drafter import DraftContext, Drafter, RequestFacts
from structgen.decoding.speculation.planning.drafting import Drafting
from structgen.decoding.speculation.planning.speculator import plan_drafts
from structgen.machines.core.matcher import Matcher


@dataclass(frozen=True, slots=True)
class Replayed:
    """The counts of a replay."""

    tokens: int
    calls: int
    """Forward passes over the text, without the one over the prompt."""
    drafted: int
    """Nodes that were verified."""
    accepted: dict[str, int]
    dropped: dict[str, str]

    @property
    def calls_per_token(self) -> float:
        """Calls divided by tokens; 1 without speculation."""
        return self.calls / max(self.tokens, 1)


def replay(
    tokens: Sequence[int],
    drafters: Sequence[Drafter],
    facts: RequestFacts,
    matcher: Matcher | None,
    most: int,
    row: float = 0.0,
    room: int = 1 << 20,
    *,
    chain: bool = False,
) -> Replayed:
    """Return the counts that the drafters would give if the model had chosen exactly these tokens.

    `matcher` stands before the first token, and is advanced; `most` bounds the nodes of a draft, `room` the
    tokens of the text; `row` is the time of one more row, in passes without a draft; `chain` leaves the
    likeliest chain of what all propose. Raises StructgenError if the grammar refuses the tokens.
    """
    drafting = Drafting(drafters, facts, chain=chain)
    ends = frozenset(facts.tokenizer.eos_token_ids)
    calls = drafted = at = 0
    by_drafter = Counter[str]()
    while at < len(tokens):
        view = DraftContext(tokens[:at], matcher, room - at, ends)
        (draft,) = plan_drafts([drafting.propose_tree(view, most)], 1.0, row)
        accepted = draft.accepted(tokens[at:])
        taken = list(tokens[at : at + accepted + 1])
        if matcher is not None:
            for token in taken:
                matcher.advance(token)
        for token in taken[:accepted]:
            by_drafter.update(drafting.drafters_of_token(token))
        drafting.observe_tokens(taken, accepted)
        calls, drafted, at = calls + 1, drafted + len(draft), at + len(taken)
    found = Replayed(len(tokens), calls, drafted, dict(by_drafter), dict(drafting.drop_reasons))
    drafting.end_drafters()
    return found
