"""`Grammar`: a language as a value, before it meets a tokenizer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal

from structgen.limits import Limits

if TYPE_CHECKING:
    from structgen.core.compiled import CompiledGrammar
    from structgen.store.mask_store import MaskStore
    from structgen.tokens.tokenizer import Tokenizer


class Grammar(ABC):
    """A language, as every front end hands it to `sg.compile`: a frozen value.

    Two grammars are equal when their canonical forms are; a grammar pickles by its canonical form. A new kind
    of grammar is a subclass in a room of its own, whose `compiled` chooses the machine that reads it.
    """

    __slots__ = ("__weakref__",)

    @property
    @abstractmethod
    def canonical(self) -> str:
        """The canonical form: a text that identifies the language, however it was written."""

    @property
    @abstractmethod
    def limits(self) -> Limits:
        """The bounds on work and memory."""

    @abstractmethod
    def compiled(
        self, tokenizer: Tokenizer, limits: Limits | None, store: MaskStore | Literal[False] | None
    ) -> CompiledGrammar:
        """Return the grammar compiled against a tokenizer; `sg.compile` has checked the arguments.

        `limits` stands for the grammar's own. `store`: None for the process's default, False for none.
        """

    @property
    def spelling(self) -> str:
        """A text that identifies the language as it was written: equal texts are equal grammars, and it
        costs less than the canonical form."""
        return self.canonical

    @property
    def fingerprint(self) -> str:
        """The BLAKE2b hash (32 hexadecimal digits) of the canonical form, the same in every process."""
        return blake2b(self.canonical.encode("utf-8"), digest_size=16).hexdigest()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Grammar):
            return NotImplemented
        return self is other or self.canonical == other.canonical

    def __hash__(self) -> int:
        return hash(self.canonical)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.fingerprint}>"
