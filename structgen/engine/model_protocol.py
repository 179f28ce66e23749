"""What the engine asks of a model: `Model`, and the protocols that a model may serve besides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from inspect import getattr_static
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor


class Cache(Protocol):
    """What a model has read of one text: keys and values, or whatever it keeps."""

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        ...

    def copy(self) -> Cache:
        """Return another that goes on from here by itself."""
        ...


@runtime_checkable
class Released(Protocol):
    """What a cache may have besides, where a model has room for few of them."""

    def release(self) -> None:
        """Give the room back; the cache is not used any more."""
        ...


class Model(Protocol):
    """A causal language model, one forward pass a step. Anything with these members serves.

    A cache belongs to one text; the engine hands it back and never looks inside. Rows of a batch come and go
    between calls, in any order.
    """

    @property
    def vocab_size(self) -> int:
        """Width of the logits; at least the tokenizer's vocabulary."""
        ...

    @property
    def context(self) -> int:
        """The most tokens of a text, prompt included."""
        ...

    def prefill(self, tokens: Sequence[int]) -> tuple[Tensor, Any]:
        """Return the logits [V] after a prompt of at least one token, and its cache."""
        ...

    def decode(self, tokens: Sequence[int], caches: Sequence[Any]) -> Tensor:
        """Return the logits [rows, V] after one more token of each text; the caches then hold it."""
        ...


@runtime_checkable
class ReadsMany(Protocol):
    """What a model may have besides, so that prompts that come together are read in one pass."""

    def prefill_many(self, prompts: Sequence[Sequence[int]]) -> Sequence[tuple[Tensor, Any]]:
        """Return for each prompt what `prefill` does."""
        ...


@runtime_checkable
class TakesBack(Protocol):
    """What a model may have besides, so that it reads tokens before it is certain that they are taken."""

    keeps_logits: bool
    """Whether the logits of a step lie in memory that stays, with room for the next power of two of rows.
    They are then overwritten by the step after the next one."""

    def decode(self, tokens: Sequence[int], caches: Sequence[Any]) -> Tensor:
        """As `Model.decode`."""
        ...

    def decode_instead(self, tokens: Sequence[int], caches: Sequence[Any]) -> Tensor:
        """Return the logits [rows, V] after other tokens in place of the last one of each text. Those of the
        last step stay as they are."""
        ...


@dataclass(frozen=True, slots=True)
class DraftSupport:
    """Which drafts a model verifies in one pass, and why not more."""

    shape: Literal["tree", "chain", "none"]
    """`chain`: drafts in which each node has one child."""
    reason: str = ""
    """Why it is no tree; empty for `tree`."""


@runtime_checkable
class VerifiesDrafts(Protocol):
    """What a model may have besides, so that drafts are verified: many tokens of each text in one pass."""

    @property
    def draft_support(self) -> DraftSupport:
        """Which drafts it verifies."""
        ...

    def decode_tree(
        self,
        tokens: Sequence[int],
        parents: Sequence[int],
        counts: Sequence[int],
        caches: Sequence[Any],
    ) -> Tensor:
        """Return the logits [sum(counts), V] after each node of a tree of tokens for each text.

        Text i has the next `counts[i]` (at least 1) of `tokens` and `parents`. Its first token is decided,
        and its parent is -1. Each other token is a guess after the node `parents[j]`: numbers count within
        the text's own nodes from 0, and a parent's is smaller. Siblings are different tokens. The logits of
        a node are those that `decode` gives when it reads the tokens from the first one to the node, one by
        one.

        The caches hold none of the nodes until `keep` says which are read. A cache for which `keep` is not
        called is as it was; `decode`, `decode_tree` and `copy` may be called for it.
        """
        ...

    def keep(self, paths: Sequence[Sequence[int]], caches: Sequence[Any]) -> None:
        """Have each cache hold the nodes of a path of its last tree: the first node, a child of it, a child
        of that one, and so on. Called at most once after each `decode_tree`, with some or all of its
        caches."""
        ...


def verifier_of(model: Model) -> VerifiesDrafts | None:
    """Return the model where it has what verifies drafts. `draft_support` is not asked where the model
    defines it: to say what it verifies may take a model some passes."""
    missing = object()
    for name in ("draft_support", "decode_tree", "keep"):
        if getattr_static(model, name, missing) is missing and not hasattr(model, name):
            return None
    return cast(VerifiesDrafts, model)


def draft_support_of(model: Model) -> DraftSupport:
    """Return which drafts a model verifies: none where it does not say. Cost: what the model takes to say."""
    verifier = verifier_of(model)
    if verifier is not None:
        return verifier.draft_support
    return DraftSupport("none", f"a {type(model).__name__} verifies no drafts: it has no decode_tree")
