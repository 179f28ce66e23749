"""`Grammar`: a language as a value, before it meets a tokenizer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal, NoReturn

from structgen.errors import UnsupportedError
from structgen.limits import Limits
from structgen.system.lazy_names import public_name

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

    def __get_pydantic_json_schema__(self, *_asked: object) -> NoReturn:
        """Raise `UnsupportedError` where pydantic writes the schema of a type beside which the grammar stands
        in `Annotated`: it would be passed over."""
        raise UnsupportedError(
            f"{type(self).__name__} in Annotated, beside a type, would be passed over.",
            keyword="Annotated",
            where="type",
            cure="Give the grammar itself as the whole target, or write sg.Regex for a pattern.",
        )

    # The operators are those of text grammars, a room above: the public door finds the grammar's texts there.

    def __add__(self, other: Grammar | str) -> Grammar:
        """Return the grammar of a text of this grammar followed by a text of another."""
        return _texts_of(self) + other

    def __radd__(self, other: Grammar | str) -> Grammar:
        return _texts_of(other) + self

    def __or__(self, other: Grammar | str) -> Grammar:
        """Return the grammar of the texts of either grammar."""
        return _texts_of(self) | other

    def __ror__(self, other: Grammar | str) -> Grammar:
        return _texts_of(other) | self

    def __and__(self, other: Grammar | str) -> Grammar:
        """Return the grammar of the texts of both grammars; one of them must be regular."""
        return _texts_of(self) & other

    def __rand__(self, other: Grammar | str) -> Grammar:
        return _texts_of(other) & self

    def __sub__(self, other: Grammar | str) -> Grammar:
        """Return the grammar of the texts of this grammar that another, regular grammar does not have."""
        return _texts_of(self) - other

    def __rsub__(self, other: Grammar | str) -> Grammar:
        return _texts_of(other) - self

    def __invert__(self) -> Grammar:
        """Return the grammar of all texts that this grammar, which must be regular, does not have."""
        return ~_texts_of(self)

    def repeat(self, least: int = 0, most: int | None = None) -> Grammar:
        """Return the grammar of `least` to `most` texts of this one, one after another (None: no bound)."""
        return _texts_of(self).repeat(least, most)

    def optional(self) -> Grammar:
        """Return the grammar of the texts of this one, and the empty text."""
        return self.repeat(0, 1)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Grammar):
            return NotImplemented
        return self is other or self.canonical == other.canonical

    def __hash__(self) -> int:
        return hash(self.canonical)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.fingerprint}>"


def _texts_of(part: Grammar | str) -> Grammar:
    """Return the text grammar of the same texts. Raises OptionError for what is no part of others."""
    # a grammar that is no part of others loads no text grammars
    found: Grammar = public_name("sequence")(part)
    return found
