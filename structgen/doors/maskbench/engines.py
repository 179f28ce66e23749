"""What a mask engine is to maskbench: a few calls. An *adapter* is a function that binds them to an engine's
own functions directly, because they are timed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, TypeAlias

from structgen.base.errors import OptionError
from structgen.doors.maskbench.vocabularies import load_tokenizer

if TYPE_CHECKING:
    from structgen.tokens.tokenizer import Tokenizer


class EngineRefusal(Exception):
    """An engine refuses a schema. `reason` groups (a keyword, a limit); the message is the engine's own."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """Everything a worker process needs to make its engine; plain values, since it crosses by pickle."""

    name: str
    """The column's name."""
    adapter: str
    """`module:function`, called with the tokenizer and the options; returns a `MaskEngine`."""
    tokenizer: str = "bytes"
    options: Mapping[str, Any] = field(default_factory=dict)

    def create_engine(self) -> tuple[MaskEngine, Tokenizer]:
        """Return the engine with its tokenizer. Raises what the adapter does where it is not installed."""
        tokenizer = load_tokenizer(self.tokenizer)
        module, _, name = self.adapter.partition(":")
        # The module is imported in the worker, so an engine cannot disturb the parent process.
        adapter = getattr(import_module(module), name)
        engine: MaskEngine = adapter(tokenizer, **self.options)
        return engine, tokenizer


def engine_configs(engines: str, tokenizer: str, policies: Mapping[str, Any]) -> list[EngineConfig]:
    """Return the configs of engines, which are named with commas between them: `structgen`, and
    `module:function` for an adapter of another one.

    Raises `OptionError` for another name, and for two adapters whose functions have the same name.
    """
    configs: dict[str, EngineConfig] = {}
    # The names of columns are those of functions: `peers:llguidance` is called llguidance.
    for entry in map(str.strip, engines.split(",")):
        module, _, name = entry.rpartition(":")
        if entry == "structgen":
            config = EngineConfig(name, "structgen.doors.maskbench.ours:structgen", tokenizer, policies)
        elif module and name.isidentifier():
            config = EngineConfig(name, entry, tokenizer)
        else:
            raise OptionError(
                f"{entry!r} is not an engine.",
                where="--engine",
                cure="Write structgen, or module:function for another engine's adapter. bench/peers.py of "
                "structgen's repository has those of llguidance, xgrammar and glrmask: "
                "PYTHONPATH=bench structgen maskbench PATH --engine structgen,peers:llguidance.",
            )
        # The same engine twice is one column. Two engines of one name could not be told apart.
        if configs.setdefault(name, config) != config:
            raise OptionError(
                f"Two engines have the name {name}.", where="--engine", cure="Rename one of the functions."
            )
    return list(configs.values())


@dataclass
class Session:
    """One document that an engine follows: the engine's calls. The fields after `ends` are not timed, and
    keep their defaults if an engine has no such call."""

    fill: Callable[[], object]
    """Writes the next mask into `row`."""
    commit: Callable[[int], object]
    """Takes a token. If the token is not allowed, it returns False or raises an error."""
    row: memoryview
    """The mask: int32 words, in which token t is bit t % 32 of word t // 32."""
    ends: Sequence[int] = ()
    """The end tokens. If there are none, `may_end` returns whether the document may end here."""
    may_end: Callable[[], bool] = bool
    """Returns whether the document may end. It is called after the last token that the engine takes. Raises
    `LimitError` if the engine has reached a bound on its work."""
    fill_closing: Callable[[], object] | None = None
    """Fills the row so that any allowed token brings the end nearer."""
    why: Callable[[bytes, int], tuple[int, str]] = lambda _text, start: (start, "")
    """Returns the byte at which a text leaves the language, and what was expected there. Its arguments: the
    text, and the byte at which the refused token begins."""
    clock: Callable[[], int] = perf_counter_ns
    """Times `fill` and `commit`, in nanoseconds. `time.process_time_ns` is the clock of a busy machine."""

    def allows_token(self, token: int) -> bool:
        """Return whether the row that was filled last has the token."""
        # Token t is bit t % 32 of word t // 32.
        return bool(self.row[token >> 5] >> (token & 31) & 1)

    def end_allowed(self) -> bool:
        """Return whether the document may end here; asked after a fill."""
        return any(self.allows_token(token) for token in self.ends) or self.may_end()


Start: TypeAlias = Callable[[], Session]
"""Begins a document under a compiled schema."""


@dataclass
class MaskEngine:
    """A mask engine whose vocabulary is loaded and which is warm. This one-time work is not in any figure."""

    version: str
    compile: Callable[[str], Start]
    """Compiles a schema, given as JSON text. Raises `EngineRefusal` where the engine refuses it; any other
    exception counts as a crash."""
