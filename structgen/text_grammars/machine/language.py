"""`Language`: the contract between a grammar of texts and the machine that masks it.

A language is a set of words over *symbols*: the bytes 0 to 255, and special tokens, token t as 256 + t (a
special token has no text, and never matches any). It is read from left to right by *configurations*, hashable
values: equal ones have the same continuations. `step` never leads where no word goes on (no dead ends), which
is what makes masks exact.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from structgen.core.grammar import Grammar
from structgen.language.expectation import Expected
from structgen.limits import Limits

if TYPE_CHECKING:
    from structgen.core.compiled import CompiledGrammar
    from structgen.store.mask_store import MaskStore
    from structgen.text_grammars.machine.part import MaskedPart
    from structgen.tokens.tokenizer import Tokenizer

Config: TypeAlias = Hashable
"""Where a reader of a language stands."""
TOKEN: Final = 256
"""Symbol of the special token t: TOKEN + t."""
ALL_BYTES: Final = bytes(range(256))


class CompileTarget(NamedTuple):
    """What a grammar is compiled against: its parts are, too, where they have masks of their own."""

    tokenizer: Tokenizer
    store: MaskStore


class InsidePart(NamedTuple):
    """A place of a configuration that stands inside a text of a language with masks of its own."""

    part: MaskedPart
    state: int
    """Where it stands: a state of the part's, by its number."""
    behind: Config | None
    """The configuration behind that text, if it ended here; None where nothing may follow it."""
    ends: bool
    """Whether all is a word where that text is."""


class Language(ABC):
    """A set of words, expanded as it is read. Not thread-safe: its compiled grammar's lock is held."""

    classes: bytes = ALL_BYTES
    """For each byte its class: bytes of one class are alike in every configuration, and one of them is
    asked about."""
    outer: bytes | None = None
    """The same for configurations that stand inside no language with masks of its own (`inside`); None:
    `classes`. They are fewer: such a language tells all bytes apart."""
    specials: frozenset[int] = frozenset()
    """The special tokens among the symbols, by token id."""
    counts: bool = False
    """Whether `boundary` does anything."""
    has_places: bool = False
    """Whether `places` does anything."""

    has_stack: bool = False
    """Whether `height` says anything."""

    def height(self, config: Config) -> int:
        """Return how many places the parser's stack has, in a JSON text how many brackets are open: the most
        of all places of the configuration; 0 where nothing is counted."""
        return 0

    @abstractmethod
    def start(self) -> Config:
        """Return the configuration before the first symbol. Raises GrammarError where there is no word."""

    @abstractmethod
    def step(self, config: Config, symbol: int) -> Config | None:
        """Return the configuration after a symbol; None exactly where no word of the language goes on so."""

    @abstractmethod
    def accepts(self, config: Config) -> bool:
        """Return whether what was read is a word."""

    @abstractmethod
    def shortest(self, config: Config) -> Sequence[int]:
        """Return the symbols of a shortest rest: empty exactly where what was read is a word.

        After the first of them the shortest rest is shorter by at least one.
        """

    @abstractmethod
    def expected(self, config: Config) -> list[Expected]:
        """Return what may come next, in words; the end is left to the caller."""

    def boundary(self, config: Config) -> Config | None:
        """Return the configuration after the end of a token (one whose symbols were read just now); None
        where a token may not end here. Only languages that count tokens do anything."""
        return config

    def inside(self, config: Config) -> tuple[tuple[InsidePart, ...], Config | None]:
        """Return the places of a configuration that stand inside texts of languages with masks of their own,
        and the configuration of all the others, if there are any."""
        return (), config

    def places(self, config: Config) -> Iterable[Config]:
        """Return configurations of single places, without those that stand at the end of a part: where
        they go on, what is behind the part is a place too, and nearer to an end."""
        return (config,)

    def goes_on(self, config: Config) -> bool:
        """Return whether anything may follow. Cost: a step for each class of bytes, at most."""
        symbols = [self.classes.index(kind) for kind in set(self.classes)]
        symbols += [TOKEN + token for token in self.specials]
        return any(self.step(config, symbol) is not None for symbol in symbols)

    def moved(self, config: Config, index: int) -> Config:
        """Return the configuration after some text in which the one place of a configuration, of those that
        `inside` returns, has come to another state, and has ended nowhere before."""
        raise NotImplementedError(f"{type(self).__name__} has no places inside of others")

    @property
    def sizes(self) -> dict[str, int]:
        """How far the language is expanded: numbers by name."""
        return {}

    @property
    def compiled_parts(self) -> frozenset[CompiledGrammar]:
        """The compiled grammars of its parts that have masks of their own."""
        return frozenset()


class LanguageGrammar(Grammar):
    """A grammar whose texts a `Language` reads, as `CompiledText` needs it; `TextGrammar` adds operators."""

    __slots__ = ()

    @abstractmethod
    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        """Return a new language of the grammar's texts. Raises GrammarError where there is no text.

        `target`: the tokenizer for which parts with masks of their own are compiled. Without it every part
        is read byte by byte.
        """
