"""Online Speculative Decoding (Liu et al. 2024, "Online Speculative Decoding", arXiv:2310.07177): the draft
model is trained while it serves.

Definition: where a guess is refused, the target's law is kept with the text before it. After some of them the
draft is distilled on what was kept.

What differs here: the network stays as it is; a tenant has an adapter, its own copy of the last layer (`head`
and `bias`), and nothing else of one tenant's texts reaches another. A law is the target's 8 likeliest allowed
tokens, as the verification pass knew them. Adapters are made by whoever asks for them, and bounded by bytes:
the one that was used least recently is dropped.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from methods.distilled_draft import DistilledDraft
from methods.draft_network import DraftNetwork, Numbers
from structgen.speculation import Draft, DraftContext, RequestFacts, VerifiedDraft

EVERY: Final = 8
"""Refused positions that are kept until the adapter learns from them."""
RATE: Final = 0.3
STEPS: Final = 2
"""Steps of gradient descent on what was kept."""
MOST_BYTES: Final = 8 << 20
"""The memory of all adapters."""


@dataclass
class Refused:
    """What is kept of a refused position."""

    state: Numbers
    allowed: np.ndarray
    law: Numbers
    """[V], of the target; it adds up to what the network knows of it."""


@dataclass
class Adapter:
    """A tenant's own last layer."""

    head: Numbers
    bias: Numbers
    kept: list[Refused] = field(default_factory=list)

    @property
    def nbytes(self) -> int:
        """Its memory, with the refused positions that it may keep."""
        row = self.head.shape[1] * 4 + len(self.bias) * 5
        return self.head.nbytes + self.bias.nbytes + EVERY * row

    def learn(self, network: DraftNetwork, position: Refused) -> None:
        """Keep a position, and descend when there are enough. Cost then: `STEPS` passes of the last layer and
        back for each of them."""
        self.kept.append(position)
        if len(self.kept) < EVERY:
            return
        kept, self.kept = self.kept, []
        states = np.stack([one.state for one in kept])
        # the last layer sees states of any length: the step is measured in their squares
        rate = RATE / float((states * states).sum(1).mean() + 1.0)
        for _ in range(STEPS):
            laws = [network.law(one.state, one.allowed, self.head, self.bias) for one in kept]
            slope = np.stack([law * one.law.sum() - one.law for law, one in zip(laws, kept, strict=True)])
            self.bias -= rate * slope.sum(0)
            self.head -= rate * (slope @ network.embedding[:-1]).T @ states


class Adapters:
    """The adapters of some tenants; the engine's thread alone uses them."""

    def __init__(self, network: DraftNetwork, most_bytes: int = MOST_BYTES) -> None:
        self.network, self.most_bytes = network, most_bytes
        self._of: OrderedDict[str, Adapter] = OrderedDict()

    @property
    def nbytes(self) -> int:
        """The memory of all adapters."""
        return sum(one.nbytes for one in self._of.values())

    @property
    def tenants(self) -> tuple[str, ...]:
        """Whose adapters there are; the one that was used last is the last."""
        return tuple(self._of)

    def of(self, tenant: str) -> Adapter:
        """Return a tenant's adapter, at first the network's last layer, and drop others above the bound."""
        found = self._of.pop(tenant, None) or Adapter(self.network.head.copy(), self.network.bias.copy())
        self._of[tenant] = found
        while self.nbytes > self.most_bytes and len(self._of) > 1:
            self._of.popitem(last=False)
        return found


class OnlineDraft(DistilledDraft):
    """Drafts with the tenant's adapter, and trains it where a guess was refused."""

    name, top = "online", 8

    def __init__(self, adapters: Adapters) -> None:
        super().__init__(adapters.network)
        self.adapters = adapters

    def begin(self, facts: RequestFacts) -> None:
        """Begin with what the tenant's adapter has learnt."""
        super().begin(facts)
        self.adapter = self.adapters.of(facts.tenant)
        self.head, self.bias = self.adapter.head, self.adapter.bias
        self.seen: VerifiedDraft | None = None

    def propose(self, view: DraftContext, most: int) -> Draft:
        """Return the tree, and note the view for what is learnt of it."""
        self.view, self.from_state = view, view.start
        return super().propose(view, most)

    def verified(self, seen: VerifiedDraft) -> None:
        """Note what the pass knew."""
        self.seen = seen

    def observe(self, taken: Sequence[int], accepted: int) -> None:
        """Learn the target's law where the text left the draft."""
        seen, self.seen = self.seen, None
        if seen is not None and not self.unread:
            reached = seen.draft.accepted(taken)
            if reached < len(taken):
                self._learn(seen, list(taken[:reached]))
        super().observe(taken, accepted)

    def _learn(self, seen: VerifiedDraft, path: list[int]) -> None:
        children, node = seen.draft.children(), -1
        for token in path:
            node = children[node + 1][token]
        places, law = self.network.places, np.zeros(len(self.network.tokens), np.float32)
        for token, share in zip(seen.tokens[node + 1].tolist(), seen.chances[node + 1].tolist(), strict=True):
            if token in places:
                law[places[token]] = share
        allowed = self.allowed(self.view, self.from_state, path)
        if law.any() and allowed.any():
            self.adapter.learn(self.network, Refused(self.state_behind(path), allowed, law))
