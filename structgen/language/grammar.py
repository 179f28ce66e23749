"""`Grammar`: a language as a value, before it meets a tokenizer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from hashlib import blake2b

from structgen.limits import Limits


class Grammar(ABC):
    """A language, as every front end hands it to `sg.compile`: a frozen value.

    Two grammars are equal when their canonical forms are; a grammar pickles by its canonical form.
    """

    __slots__ = ("__weakref__",)

    @property
    @abstractmethod
    def canonical(self) -> str:
        """The canonical form: a text that says all about the language, however it was written."""

    @property
    @abstractmethod
    def limits(self) -> Limits:
        """The bounds on work and memory."""

    @property
    def spelling(self) -> str:
        """A text that says all about the language, as it was written: equal texts are equal grammars, and it
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
