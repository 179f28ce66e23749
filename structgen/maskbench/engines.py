"""What a mask engine is to maskbench: a few calls, bound to the engine's own, for they are timed."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from structgen.maskbench.readers import Case
    from structgen.tokens.tokenizer import Tokenizer


class EngineRefusal(Exception):
    """An engine refuses a schema. `reason` groups (a keyword, a limit); the message is the engine's own."""

    def __init__(self, reason: str, message: str, *, by_policy: bool = False) -> None:
        self.reason, self.by_policy = reason, by_policy
        super().__init__(message)


class Unavailable(Exception):
    """An engine cannot run here; the message says why."""


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """Everything a worker process needs to make its engine; plain values, since it crosses by pickle."""

    name: str
    """The column's name: `structgen:cold`, `llguidance`."""
    factory: str
    """`module:callable`, called with this config and the tokenizer; returns an `MaskEngine`."""
    tokenizer: str = "bytes"
    policies: Mapping[str, Any] = field(default_factory=dict)
    variant: str = ""
    cache: str = ""
    """STRUCTGEN_CACHE of the worker; "" leaves the user's own."""
    memory: int = 0
    """Bytes of address space that the worker may take; 0 is no bound."""


class Session:
    """One document being written."""

    refusals: ClassVar[tuple[type[BaseException], ...]] = ()
    """What `commit` raises for a token that is not allowed; to return False says the same."""

    def __init__(
        self,
        fill: Callable[[], object],
        commit: Callable[[int], object],
        row: memoryview,
        end_tokens: Sequence[int],
    ) -> None:
        """`fill` writes the next mask into `row` (int32 words); `commit` takes a token."""
        self.fill, self.commit, self.row, self.end_tokens = fill, commit, row, end_tokens

    def allows(self, token: int) -> bool:
        """Return whether the row that was filled last has the token."""
        return bool(self.row[token >> 5] >> (token & 31) & 1)

    def end_allowed(self) -> bool:
        """Return whether the document may end here; asked after a fill, untimed."""
        return any(self.allows(token) for token in self.end_tokens)

    def fill_closing(self) -> None:
        """Fill the row so that any allowed token brings the end nearer, where the engine can; untimed."""
        self.fill()

    def locate(self, text: bytes, start: int) -> tuple[int, str]:
        """Return the byte where a text leaves the language, and what was expected there.

        `start` is where the refused token begins: the answer of an engine that tells no more.
        """
        return start, ""

    def error(self) -> str:
        """Return the engine's own word for why it takes no more, or ""."""
        return ""

    def is_limited(self) -> bool:
        """Return whether the engine takes no more since a bound on its work was met, where it tells."""
        return False


class MaskEngine(ABC):
    """A mask engine with its vocabulary loaded and warm: the one-time work of both is in no figure."""

    name: str
    version: str
    limits: ClassVar[tuple[type[BaseException], ...]] = ()
    """What the engine raises where a bound on its work is met."""

    def prepare(self) -> None:  # noqa: B027 - most engines have nothing to do
        """Make ready for the next schema, untimed."""

    def warm_up(self, tokenizer: Tokenizer) -> None:
        """Do the work that is done once a process: load compiled code, build tables of the vocabulary."""
        session = self.compile('{"type": "object", "properties": {"a": {"type": "string"}}}')()
        session.fill()
        session.commit(tokenizer.encode(b"{")[0])

    @abstractmethod
    def compile(self, schema: str) -> Callable[[], Session]:
        """Compile a schema, given as JSON text, and return a function that begins a session under it.

        Raises `EngineRefusal` where the engine refuses the schema; any other exception counts as a crash.
        """

    def compile_schema_of(self, case: Case) -> Callable[[], Session]:
        """Compile a case's schema; an engine that takes schemas by URI gets the case's."""
        return self.compile(case.schema)

    def widest(self) -> MaskEngine | None:
        """Return this engine with every text of an accepted value in its language; None if that is so now."""
        return None


def create(config: EngineConfig) -> tuple[MaskEngine, Tokenizer]:
    """Return the engine of a config, with its tokenizer. Raises `Unavailable` where it is not installed."""
    if config.cache:
        os.environ["STRUCTGEN_CACHE"] = config.cache
    from structgen.maskbench.vocabularies import load

    tokenizer = load(config.tokenizer)
    module, _, name = config.factory.partition(":")
    engine: MaskEngine = getattr(import_module(module), name)(config, tokenizer)
    engine.warm_up(tokenizer)
    return engine, tokenizer
