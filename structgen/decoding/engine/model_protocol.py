"""The methods that the engine needs of a model: the protocol `Model`, and four optional protocols.

*Logits* [V] are the model's scores of all V tokens after a text. A *cache* is the model's state after one
text. A *pass* is one call of the model for several texts.

`Model` reads a prompt (`prefill`) and then one token of each text in a pass (`decode`). `ReadsMany` reads
several prompts in one pass. `ReadsPieces` reads a prompt piece by piece, so that other texts go on meanwhile.
`KeepsPrompts` keeps beginnings of prompts for later ones. `VerifiesDrafts` reads a tree of guesses for each
text in one pass (`decode_tree`), and then keeps the accepted path (`keep`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from inspect import getattr_static
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, cast, runtime_checkable

from structgen.base.errors import StructgenError

if TYPE_CHECKING:
    from torch import Tensor

TokenIds: TypeAlias = Sequence[int]
"""The ids of tokens, in order."""


class Model(Protocol):
    """A causal language model. Any object with these members will do.

    A cache is the state of the model after one text, with `nbytes` and `copy()`, an independent one. The
    engine passes it back and never looks inside. Rows of a batch appear and disappear between calls, in any
    order.
    """

    @property
    def vocab_size(self) -> int:
        """The number of logits, V: at least the size of the tokenizer's vocabulary."""

    @property
    def context(self) -> int:
        """The most tokens of a text, prompt included."""

    def prefill(self, tokens: TokenIds) -> tuple[Tensor, Any]:
        """Return the logits [V] after a prompt of at least one token, and its cache."""

    def decode(self, tokens: TokenIds, caches: Sequence[Any]) -> Tensor:
        """Return the logits [rows, V] after one more token of each text. The caches then include the
        token."""


@runtime_checkable
class ReadsMany(Protocol):
    """Optional: reads several prompts in one pass."""

    def prefill_many(self, prompts: Sequence[TokenIds]) -> Sequence[tuple[Tensor, Any]]:
        """Return for each prompt the result of `prefill`."""


@runtime_checkable
class ReadsPieces(Protocol):
    """Optional: reads a prompt in several passes. The logits are those of `prefill`, up to rounding."""

    @property
    def piece_tokens(self) -> int:
        """The length of a piece in tokens. Pieces end at multiples of it, or with the prompt."""

    def new_cache(self) -> Any:
        """Return the cache of a text of which nothing was read. Its `length` is the number of tokens that it
        has."""

    def read_pieces(self, pieces: Sequence[TokenIds], caches: Sequence[Any]) -> Tensor:
        """Return the logits [texts, V] after further tokens of each text, at least one. The caches then
        include them."""


@runtime_checkable
class KeepsPrompts(Protocol):
    """Optional, for a model that reads pieces: keeps what it read, for prompts that begin alike."""

    kept_prompts: Any
    """What is kept: `nbytes`, `evictions`, `is_on`, `limit_bytes(most_bytes)`."""

    def share_kept(self, tokens: TokenIds, cache: Any, salt: str = "") -> None:
        """Let the cache of a prompt begin with what is kept, if that is more than the cache has; the last
        token is never included. Prompts of different salts share nothing."""

    def keep_beginning(self, tokens: TokenIds, cache: Any, salt: str = "") -> None:
        """Keep a text for later prompts. `tokens`: those of the text, from its first one on."""


def piece_reader_of(model: Model) -> ReadsPieces | None:
    """Return the model if its prompts are read in pieces. A subclass or an object that has a `prefill` of its
    own means that it is called: then prompts are read whole."""
    if not isinstance(model, ReadsPieces):
        return None
    # the object itself, then its classes from the last to the first base
    places = [vars(model) if hasattr(model, "__dict__") else {}, *map(vars, type(model).__mro__)]
    first = {
        name: next((number for number, place in enumerate(places) if name in place), len(places))
        for name in ("read_pieces", "prefill", "prefill_many")
    }
    # one that an inner model of a wrapper has is not the wrapper's own
    return model if first["read_pieces"] <= min(first["prefill"], first["prefill_many"]) else None


FEWEST_SHARED = 16
"""The least number of common tokens that two prompts share: for fewer, no page is copied, and no prompt waits
until another one has read them. With 32, eight prompts of SmolLM2, whose template writes about 25 tokens,
take a fifth more time."""


def split_alike(parts: Sequence[tuple[Sequence[int], int, str]]) -> tuple[list[int], list[int]]:
    """Return the numbers of the prompts that are read now, and of those that wait for one of them.

    `parts` has for each prompt its tokens, how many of them are read, and its salt. A prompt waits if the
    tokens so far and the next 16 are those of an earlier prompt: it then shares what the earlier one reads.
    For example `split_alike([(a, 0, ""), (b, 0, "")])` returns `([0], [1])` if a and b begin alike.
    """
    now, later = [], []
    starts = set()
    for number, (tokens, count, salt) in enumerate(parts):
        start = count + FEWEST_SHARED
        # the last token of a prompt is read for its logits in any case, so it is not shared
        key = (salt, tuple(tokens[:start])) if start < len(tokens) else None
        if key is not None and key in starts:
            later.append(number)
        else:
            now.append(number)
            starts.add(key)
    return now, later


@dataclass(frozen=True, slots=True)
class DraftSupport:
    """The shape of drafts that a model verifies in one pass, and the reason if it is not trees."""

    shape: Literal["tree", "chain", "none"]
    """`chain`: only drafts in which each node has at most one child."""
    reason: str = ""
    """Why the model verifies no trees; empty for `tree`."""


@runtime_checkable
class VerifiesDrafts(Protocol):
    """Optional: verifies drafts, which are several tokens of each text in one pass.

    A model with a member `drafts_pay` that is False is too fast for drafts to save time: `speculation="auto"`
    is "off" with it.
    """

    @property
    def draft_support(self) -> DraftSupport:
        """The shape of drafts that the model verifies."""

    def decode_tree(
        self,
        tokens: TokenIds,
        parents: Sequence[int],
        counts: Sequence[int],
        caches: Sequence[Any],
    ) -> Tensor:
        """Return the logits [sum(counts), V] after each node of a tree of tokens for each text.

        Text i has the next `counts[i]` (at least 1) entries of `tokens` and `parents`. Its first token is
        decided and has the parent -1. Each other token is a guess after node `parents[j]`; node numbers are
        per text, from 0, and a parent comes before its children. Siblings are different tokens. The logits of
        a node equal those of `decode` after the tokens on its path, read one by one.

        The caches hold none of the nodes until `keep` names those to keep. A cache that `keep` does not name
        is unchanged; `decode`, `decode_tree` and `copy` may be called for it.
        """

    def keep(self, paths: Sequence[Sequence[int]], caches: Sequence[Any]) -> None:
        """Append to each cache the nodes of a path in its last tree: the first node, one of its children, and
        so on. The engine calls this at most once after each `decode_tree`, for some or all of its caches.
        Other caches may have been read further meanwhile."""


def check_logits(logits: Tensor, *shape: int) -> Tensor:
    """Return the logits of a model if they have the promised `shape`: [V] or [rows, V]. Raises StructgenError
    for another shape."""
    real_shape = tuple(getattr(logits, "shape", ()))
    if real_shape != shape:
        description = real_shape or type(logits).__name__
        raise StructgenError(f"The model returned {description}; logits of the shape {shape} were expected.")
    return logits


def verifier_of(model: Model) -> VerifiesDrafts | None:
    """Return the model if it has the methods that verify drafts. Does not call `draft_support` if the model
    defines it, because that may take some passes."""
    missing = object()
    for name in ("draft_support", "decode_tree", "keep"):
        # `hasattr` would compute a property, so it is asked only about members that the class lacks
        if getattr_static(model, name, missing) is missing and not hasattr(model, name):
            return None
    return cast(VerifiesDrafts, model)


def draft_support_of(model: Model) -> DraftSupport:
    """Return which drafts a model verifies; none if it does not say. Cost: that of its `draft_support`."""
    verifier = verifier_of(model)
    if verifier is not None:
        # the first use may try drafts, which takes some passes
        return verifier.draft_support
    return DraftSupport("none", f"a {type(model).__name__} verifies no drafts: it has no decode_tree")
