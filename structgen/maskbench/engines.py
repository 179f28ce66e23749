"""What a mask engine is to maskbench: a few calls, bound to the engine's own, for they are timed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

from structgen.errors import OptionError

if TYPE_CHECKING:
    from structgen.tokens.tokenizer import Tokenizer

VARIANTS = ("cold", "same-process")
"""How a process of ours begins: with an empty cache folder, or after it has run the same cases once."""
_FACTORIES = {
    "structgen": ("structgen.maskbench.ours:structgen", VARIANTS),
    "llguidance": ("structgen.maskbench.peers:llguidance", ()),
    "xgrammar": ("structgen.maskbench.peers:xgrammar", ()),
    "glrmask": ("structgen.maskbench.peers:glrmask", ("fast-compile",)),
}


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
    """`module:callable`, called with this config and the tokenizer; returns a `MaskEngine`."""
    tokenizer: str = "bytes"
    policies: Mapping[str, Any] = field(default_factory=dict)
    cache: str = ""
    """STRUCTGEN_CACHE of the worker; "" leaves the user's own."""
    memory: int = 0
    """Bytes of address space that the worker may take; 0 is no bound."""

    @property
    def variant(self) -> str:
        """What stands behind the engine's own name: `cold`, `fast-compile`, or nothing."""
        return self.name.partition(":")[2]


def engine_config(name: str, tokenizer: str, policies: Mapping[str, Any], *, memory: int = 0) -> EngineConfig:
    """Return the config of `structgen`, `structgen:cold`, `llguidance`, `glrmask:fast-compile`...

    Raises `OptionError` for a name that is none of them.
    """
    known = {
        variant: factory
        for kind, (factory, variants) in _FACTORIES.items()
        for variant in (kind, *(f"{kind}:{one}" for one in variants))
    }
    if name not in known:
        raise OptionError(f"{name!r} is no engine.", where="engine", cure=f"Choose from {', '.join(known)}.")
    own = policies if name.startswith("structgen") else {}
    return EngineConfig(name, known[name], tokenizer, own, memory=memory)


def create(config: EngineConfig) -> tuple[MaskEngine, Tokenizer]:
    """Return the engine of a config, with its tokenizer. Raises `Unavailable` where it is not installed."""
    from structgen.maskbench.vocabularies import load

    tokenizer = load(config.tokenizer)  # a published one is in the user's cache
    if config.cache:
        os.environ["STRUCTGEN_CACHE"] = config.cache
    module, _, name = config.factory.partition(":")
    engine: MaskEngine = getattr(import_module(module), name)(config, tokenizer)
    if engine.is_cold:
        session = engine.compile('{"type": "object", "properties": {"a": {"type": "string"}}}')()
        session.fill()
        session.commit(tokenizer.encode(b"{")[0])
    return engine, tokenizer


def _nothing() -> None:
    return None


def _begins(text: bytes, start: int) -> tuple[int, str]:
    return start, ""


@dataclass
class Session:
    """One document being written: calls of an engine. What comes behind `ends` is not timed, and left out
    where an engine has no such call."""

    fill: Callable[[], object]
    """Writes the next mask into `row`."""
    commit: Callable[[int], object]
    """Takes a token. Where it is not allowed, returns False or raises one of `refusals`."""
    row: memoryview
    """Int32 words."""
    ends: Sequence[int] = ()
    """The end tokens; without any, `may_end` says whether the document may end here."""
    may_end: Callable[[], bool] = bool
    refusals: tuple[type[BaseException], ...] = ()
    fill_closing: Callable[[], object] | None = None
    """Fills the row so that any allowed token brings the end nearer."""
    locate: Callable[[bytes, int], tuple[int, str]] = _begins
    """Returns the byte where a text leaves the language, and what was expected there; it is given where the
    refused token begins."""
    error: Callable[[], str] = str
    """Returns the engine's own word for why it takes no more."""
    is_limited: Callable[[], bool] = bool
    """Returns whether the engine takes no more since a bound on its work was met."""

    def allows(self, token: int) -> bool:
        """Return whether the row that was filled last has the token."""
        return bool(self.row[token >> 5] >> (token & 31) & 1)

    def end_allowed(self) -> bool:
        """Return whether the document may end here; asked after a fill."""
        return any(self.allows(token) for token in self.ends) or self.may_end()


Start: TypeAlias = Callable[[], Session]
"""Begins a document under a compiled schema."""


@dataclass
class MaskEngine:
    """A mask engine with its vocabulary loaded and warm: the one-time work of both is in no figure."""

    name: str
    version: str
    compile: Callable[[str], Start]
    """Compiles a schema, given as JSON text. Raises `EngineRefusal` where the engine refuses it; any other
    exception counts as a crash."""
    limits: tuple[type[BaseException], ...] = ()
    """What the engine raises where a bound on its work is met."""
    widest: Callable[[], MaskEngine | None] = _nothing
    """Returns this engine with every text of an accepted value in its language; None if that is so now."""

    is_cold: bool = False
    """Whether it has work to do that is done once a process: loads code, builds tables of the vocabulary."""
