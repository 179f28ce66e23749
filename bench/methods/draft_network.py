"""The network of a small draft model: a gated recurrent unit (Cho et al. 2014) over a part of the vocabulary.

A vocabulary of 49,152 tokens spends two million weights on an embedding of width 40. Texts under a grammar
use few of them, so the network knows some 2,000 tokens; what else it reads is one unknown token. The state
behind a text is one vector, whatever its length: a node of a draft tree costs one matrix product, and nothing
is rolled back. Input and output share the embedding. Here in numpy; `distillation` trains it in torch.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

import structgen as sg

Numbers = npt.NDArray[np.float32]


@dataclass(frozen=True)
class DraftNetwork:
    """The weights, all float32, of V tokens, width D and a state of H numbers."""

    tokens: npt.NDArray[np.int32]
    """[V], ascending: the tokens that it knows."""
    embedding: Numbers
    """[V + 1, D]; the last row is that of all other tokens."""
    inner: Numbers
    """[3 H, D], for what is read: the reset gate, the update gate, the new state."""
    recurrent: Numbers
    """[3 H, H], for the state."""
    inner_bias: Numbers
    recurrent_bias: Numbers
    head: Numbers
    """[D, H]"""
    bias: Numbers
    """[V]"""

    @cached_property
    def places(self) -> dict[int, int]:
        """Return the place of each token that it knows."""
        return {token: place for place, token in enumerate(self.tokens.tolist())}

    @property
    def weights(self) -> int:
        """The number of weights."""
        return sum(getattr(self, one.name).size for one in fields(self)[1:])

    def start(self) -> Numbers:
        """Return the state [H] before a text."""
        return np.zeros(self.recurrent.shape[1], np.float32)

    def read(self, state: Numbers, tokens: Sequence[int]) -> Numbers:
        """Return the state behind further tokens. Cost: 3 H (D + H) products each."""
        size = len(state)
        rows = [self.places.get(token, len(self.tokens)) for token in tokens]
        for told in self.embedding[rows] @ self.inner.T + self.inner_bias:
            own = self.recurrent @ state + self.recurrent_bias
            gates = 1.0 / (1.0 + np.exp(-told[: 2 * size] - own[: 2 * size]))
            new = np.tanh(told[2 * size :] + gates[:size] * own[2 * size :])
            state = new + gates[size:] * (state - new)
        return state

    def law(self, state: Numbers, allowed: npt.NDArray[np.bool_], head: Numbers, bias: Numbers) -> Numbers:
        """Return the probabilities [V] of the next token among those that are allowed, all 0 where it knows
        none of them. `head` and `bias` are its own or those of an adapter."""
        if not allowed.any():
            return np.zeros(len(allowed), np.float32)
        logits = np.where(allowed, self.embedding[:-1] @ (head @ state) + bias, -np.inf)
        shares = np.exp(logits - logits.max())
        law: Numbers = shares / shares.sum()
        return law

    def save(self, path: Path, tokenizer: sg.Tokenizer) -> None:
        """Write a file of arrays, whole or not at all. Raises OSError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.npz")
        arrays = {one.name: getattr(self, one.name) for one in fields(self)}
        np.savez(partial, fingerprint=np.array(tokenizer.fingerprint), **arrays)
        os.replace(partial, path)

    @classmethod
    def load(cls, path: Path, tokenizer: sg.Tokenizer) -> DraftNetwork:
        """Return the network of a file. Raises StructgenError if there is no such file, if it is damaged, or
        if it is for another tokenizer."""
        try:
            with np.load(path, allow_pickle=False) as file:
                fingerprint = str(file["fingerprint"])
                found = cls(**{one.name: file[one.name] for one in fields(cls)})
            found.check()
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise _unusable(path, f"It is no draft network: {error}.") from error
        if fingerprint != tokenizer.fingerprint:
            raise _unusable(path, "It is for another tokenizer.")
        return found

    def check(self) -> None:
        """Raise ValueError unless the shapes fit and all weights are finite."""
        count, width, size = len(self.tokens), self.embedding.shape[-1], self.head.shape[-1]
        shapes = {
            "tokens": (count,),
            "embedding": (count + 1, width),
            "inner": (3 * size, width),
            "recurrent": (3 * size, size),
            "inner_bias": (3 * size,),
            "recurrent_bias": (3 * size,),
            "head": (width, size),
            "bias": (count,),
        }
        for name, shape in shapes.items():
            array, kind = getattr(self, name), np.int32 if name == "tokens" else np.float32
            if array.shape != shape or array.dtype != kind or not np.isfinite(array).all():
                raise ValueError(f"{name} has {array.dtype} {array.shape}, or numbers that are not finite")


def _unusable(path: Path, what: str) -> sg.StructgenError:
    return sg.StructgenError(
        what, where=str(path), cure="Delete it, and make it: python bench/methods/distilled_ways.py FOLDER."
    )


def allowed_places(words: npt.NDArray[np.int32], tokens: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """Return which of some tokens a row of a mask allows."""
    return ((words[tokens >> 5] >> (tokens & 31)) & 1).astype(np.bool_)
