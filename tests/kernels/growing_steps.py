"""Steps over a table that grows: the states of any grammar, as the device would hold those that were met.

`structgen_kernels.advance` steps explicit automata, which have few states. Here a table holds the states that
documents have met so far, with their masks, and grows when a document meets another one. A step is the same
`advance`. A host is asked only for a state whose mask is not in the table: its row of `state_rows` is -1.

    state, class of token --transitions--> state --state_rows--> row of the store
"""

from __future__ import annotations

import torch
from structgen_kernels import reference
from torch import Tensor

import structgen as sg


class GrowingSteps:
    """The table of one compiled grammar, in torch. State 0 is the start, whose mask is known.

    A *class* is a set of tokens that have the same effect in all known states. A new state may split classes:
    a part keeps the number, the others get new ones. So a table only gets rows and columns, and entries of
    other states stay as they are.
    """

    def __init__(self, compiled: sg.CompiledGrammar) -> None:
        self.compiled = compiled
        self.numbers = {compiled.start.index: 0}
        """The number of a state in its grammar -> its number here."""
        self.indices = [compiled.start.index]
        """The number in its grammar of each state."""
        self.token_class = torch.zeros(compiled.vocab_size, dtype=torch.int64)
        self.transitions = torch.full((1, 1), -1)
        """int64 [S, C]: the state after a class of tokens; -1: refused, or the state before is not known."""
        self.state_rows = torch.full((1, 1), -1)
        """int64 [S, 1]: the row of the store that is a state's mask; -1: it is not known."""
        self.store = torch.zeros((0, compiled.vocabulary.words), dtype=torch.int32)
        self._rows: dict[bytes, int] = {}
        """The content of a row of the store -> its number."""
        self.learn(0)

    def step(self, states: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return the states [n] after tokens [n], -1 for a refused one, and their rows of the store. A row of
        -1 beside a state says that `learn` must add it before the next step."""
        advanced = reference.advance(
            states, tokens[:, None], self.transitions, self.token_class[None], None, self.state_rows
        )
        assert advanced.indices is not None
        return advanced.states[:, 0], advanced.indices[:, 0, 0]

    def learn(self, state: int) -> None:
        """Ask the grammar for the mask of a state and for the states after its tokens, and add them. A
        finished state allows nothing. Cost: a step of the grammar for each allowed token."""
        compiled, index = self.compiled, self.indices[state]
        mask = torch.zeros(self.store.shape[1], dtype=torch.int32)
        if not compiled.finishes(index):
            mask = torch.from_numpy(compiled.bits(index).copy())
        self.state_rows[state] = self._row_of(mask)
        effect = torch.full_like(self.token_class, -1)
        for token in reference.allowed_of(mask[None], compiled.vocab_size)[0].nonzero()[:, 0].tolist():
            effect[token] = self._number_of(compiled.next_index(index, token))
        added = len(self.indices) - len(self.state_rows)
        self.state_rows = torch.cat((self.state_rows, torch.full((added, 1), -1)))
        self.transitions = torch.nn.functional.pad(self.transitions, (0, 0, 0, added), value=-1)
        self._split_classes(state, effect)

    def _split_classes(self, state: int, effect: Tensor) -> None:
        """Write the row of a state, for which classes are split. `effect`: int64 [V], the states after it."""
        base = len(self.indices) + 1
        pairs, pair_of_token = torch.unique(self.token_class * base + effect + 1, return_inverse=True)
        old_classes = pairs // base
        is_new = torch.zeros_like(pairs, dtype=torch.bool)
        is_new[1:] = old_classes[1:] == old_classes[:-1]
        width = self.transitions.shape[1]
        classes = torch.where(is_new, width + is_new.cumsum(0) - 1, old_classes)
        self.token_class = classes[pair_of_token]
        self.transitions = torch.cat((self.transitions, self.transitions[:, old_classes[is_new]]), 1)
        self.transitions[state, classes] = pairs % base - 1

    def _number_of(self, index: int) -> int:
        """Return the number here of a state of the grammar; a new one is the next."""
        if index not in self.numbers:
            self.numbers[index] = len(self.indices)
            self.indices.append(index)
        return self.numbers[index]

    def _row_of(self, mask: Tensor) -> int:
        """Return the number of the row of the store that equals a mask; a new one is added."""
        row = self._rows.setdefault(mask.numpy().tobytes(), len(self._rows))
        if row == len(self.store):
            self.store = torch.cat((self.store, mask[None]))
        return row
