"""`SchemaSource`: a schema with its policies, in the form that the machine of JSON texts needs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

from structgen.base.limits import Limits
from structgen.schema.reading.missing_bytes import Quoting, quoting_of
from structgen.schema.reading.policies import Policies

if TYPE_CHECKING:
    from structgen.base.language.ir import Network
    from structgen.schema.meaning.scalars import NumberOracle, StringOracle


class SchemaSource(ABC):
    """A language of JSON texts, described by a network (`language.ir`)."""

    __slots__ = ()

    @property
    @abstractmethod
    def policies(self) -> Policies:
        """The policies by which the texts of a value are written."""

    @property
    def quoting(self) -> Quoting:
        """The way in which strings are written, and the bytes that no text has."""
        return quoting_of(self.policies.escapes)

    @property
    @abstractmethod
    def limits(self) -> Limits:
        """The bounds on work and memory."""

    @property
    @abstractmethod
    def spelling(self) -> str:
        """A text that identifies the language: equal texts are equal languages."""

    @abstractmethod
    def make_network(
        self,
        strings: StringOracle,
        numbers: NumberOracle,
        limits: Limits | None = None,
        *,
        widest: Callable[[], NumberOracle] | None = None,
    ) -> Network:
        """Return a new network of the language.

        The two oracles answer for its strings and numbers, and `widest` makes the number oracle of the widest
        policies, for errors (`SchemaNetwork`). `limits` None: those of the language. For example
        `source.make_network(strings, numbers)`. Raises `UnsatisfiableSchema` where no text is in the
        language.
        """
