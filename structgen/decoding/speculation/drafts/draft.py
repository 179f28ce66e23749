"""`Draft`: a tree of guessed tokens, stored in three flat arrays; and `DraftTree`, which builds one.

A *node* of the tree is one guessed token after its parent; the root, -1, is the text so far. For example, the
tokens [5, 9, 7] with the parents [-1, 0, 0] guess 5, and after it 9 or 7.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from structgen.base.errors import OptionError
from structgen.base.native.array_types import Array, Float32Array, Int32Array

MOST_NODES: Final = 256
"""The most nodes of one text that a pass reads, because they delay the other texts of the batch."""


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """A tree of guessed tokens. Node i is `tokens[i]` after node `parents[i]`; -1 is the root, the text so
    far. Parents come before their children; siblings are different tokens.

    `chances[i]`, above 0 and at most 1, is the probability that the model chooses node i after its parent. It
    decides which nodes are verified, never what the model writes.
    """

    tokens: Int32Array
    parents: Int32Array
    chances: Float32Array

    def __post_init__(self) -> None:
        """Check the tree. Raises OptionError if the three arrays do not describe one. Cost: 1 us a node."""
        dtypes = {"tokens": np.int32, "parents": np.int32, "chances": np.float32}
        for name, dtype in dtypes.items():
            column = _read_column(name, getattr(self, name), dtype)
            object.__setattr__(self, name, column)
        count = len(self.tokens)
        if not len(self.parents) == len(self.chances) == count:
            raise OptionError(
                f"The draft has {count} tokens, {len(self.parents)} parents and {len(self.chances)} chances.",
                where="draft",
                cure="Pass one of each for every node.",
            )
        child_keys: set[tuple[int, int]] = set()
        # The loop is over Python's numbers, because with those of numpy it takes several times as long.
        tokens = self.tokens.tolist()
        parents = self.parents.tolist()
        chances = self.chances.tolist()
        for i, (token, parent, chance) in enumerate(zip(tokens, parents, chances, strict=True)):
            if not -1 <= parent < i:
                fault = f"The parent of node {i} is {parent}."
                cure = "Parents precede their children; -1 is the root."
            elif token < 0:
                fault = f"The token of node {i} is {token}."
                cure = "Token ids are 0 or more."
            elif not 0.0 < chance <= 1.0:
                fault = f"The chance of node {i} is {chance}."
                cure = "Pass a number above 0, up to 1."
            elif (parent, token) in child_keys:
                fault = f"Node {i} is token {token} after node {parent}, and so is an earlier node."
                cure = "Give each child of a node a different token."
            else:
                child_keys.add((parent, token))
                continue
            raise OptionError(fault, where="draft", cure=cure)

    @classmethod
    def chain(cls, tokens: Iterable[int], chance: float = 1.0) -> Draft:
        """Return the draft in which each token follows the one before it, all with the same chance."""
        token_list = list(tokens)
        count = len(token_list)
        return cls(
            np.array(token_list, np.int32),
            np.arange(-1, count - 1, dtype=np.int32),
            np.full(count, chance, np.float32),
        )

    @classmethod
    def made(cls, tokens: Any, parents: Any, chances: Any) -> Draft:
        """Return the draft of three sequences of numbers without checking them, for code that builds valid
        trees. Cost: 2 us."""
        # The constructor is bypassed, because its checks take 1 us a node.
        draft = object.__new__(cls)
        columns = {
            "tokens": np.array(tokens, np.int32),
            "parents": np.array(parents, np.int32),
            "chances": np.array(chances, np.float32),
        }
        for name, column in columns.items():
            column.setflags(write=False)
            object.__setattr__(draft, name, column)
        return draft

    def __len__(self) -> int:
        return len(self.tokens)

    def children(self) -> list[dict[int, int]]:
        """Return a table {token: node} of the children of the root, of node 0, of node 1, ... The list is one
        longer than the draft: node i is at i + 1. Cost: linear."""
        parents = self.parents.tolist()
        tables: list[dict[int, int]] = [{}]
        tables += ({} for _ in parents)
        for i, token in enumerate(self.tokens.tolist()):
            tables[parents[i] + 1][token] = i
        return tables

    def path(self, node: int) -> list[int]:
        """Return the tokens on the path from the root to a node, the node's own token last."""
        tokens = []
        while node >= 0:
            tokens.append(int(self.tokens[node]))
            node = int(self.parents[node])
        return tokens[::-1]

    def accepted(self, taken: Sequence[int]) -> int:
        """Return how many of the tokens that the model chose follow a path of the tree, from the first on.
        `taken`: the tokens that the model chose."""
        children = self.children()
        node = -1
        count = 0
        for token in taken:
            if (child := children[node + 1].get(token)) is None:
                break
            node = child
            count += 1
        return count

    def part(self, nodes: Iterable[int]) -> Draft:
        """Return the draft of some of the nodes. The parent of each must be among them. Cost: 5 us, and 0.1
        us a node."""
        kept_nodes = sorted(nodes)
        if len(kept_nodes) == len(self):
            return self
        if not kept_nodes:
            return NO_DRAFT
        # The number in the part of each old node; the root stays -1.
        places = {node: place for place, node in enumerate([-1, *kept_nodes], -1)}
        new_parents = [places[parent] for parent in self.parents[kept_nodes].tolist()]
        return Draft.made(self.tokens[kept_nodes], new_parents, self.chances[kept_nodes])


class DraftTree:
    """Builds a draft node by node. A token that a node already has is not added twice."""

    __slots__ = ("chances", "children", "parents", "tokens")

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.parents: list[int] = []
        self.chances: list[float] = []
        self.children: list[dict[int, int]] = [{}]
        """A table {token: node} of the children of the root, of node 0, of node 1, ..."""

    def __len__(self) -> int:
        return len(self.tokens)

    def add_node(self, parent: int, token: int, chance: float) -> int:
        """Add a token after a parent, and return its node. If the parent has this token already, its node
        keeps the larger chance."""
        # The number of the next node, unless the parent has the token already.
        next_node = len(self.tokens)
        node = self.children[parent + 1].setdefault(token, next_node)
        if node < next_node:
            self.chances[node] = max(self.chances[node], chance)
        else:
            self.tokens.append(token)
            self.parents.append(parent)
            self.chances.append(chance)
            self.children.append({})
        return node

    def make_draft(self) -> Draft:
        """Return the draft. Cost: 3 us."""
        return Draft.made(self.tokens, self.parents, self.chances)


def _read_column(name: str, value: Any, dtype: Any) -> Array:
    """Return a read-only one-dimensional array of a type, `dtype`. `name`: the field, for messages. Raises
    OptionError if the conversion would change a number."""
    array = np.asarray(value)
    # numpy's letters for integers with and without a sign, and for floats. An empty list counts as floats.
    kinds = "iu" if dtype is np.int32 else "f"
    is_other_kind = array.size and array.dtype.kind not in kinds
    if array.ndim != 1 or is_other_kind:
        raise OptionError(
            f"{name} has the shape {array.shape} and the type {array.dtype}.",
            where="draft",
            cure="Pass int32 tokens, int32 parents and float32 chances, each of the shape [n].",
        )
    if array.size and kinds == "iu":
        # numpy would silently wrap a number outside these limits around.
        limits = np.iinfo(np.int32)
        if array.min() < limits.min or array.max() > limits.max:
            fault = f"{name} contains a number that is not an int32."
            raise OptionError(fault, where="draft", cure="Pass token ids.")
    column = np.array(array, dtype)
    column.setflags(write=False)
    return column


NO_DRAFT = Draft(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32))
"""The draft without a node: the model chooses one token, as without speculation."""
