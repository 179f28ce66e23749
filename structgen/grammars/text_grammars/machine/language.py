"""`Language`: the contract between a grammar of texts and the machine that masks it.

A language is a set of words over *symbols*: the bytes 0 to 255, and special tokens (token t is the symbol
256 + t, which has no text). A *configuration* is the state of a reader between two symbols, a hashable
value: equal configurations have the same continuations. `step` returns None where no word of the
language continues (there are no dead ends), so that masks are exact.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from structgen.base.language.expectation import Expected
from structgen.base.limits import Limits
from structgen.machines.core.grammar import Grammar

if TYPE_CHECKING:
    from structgen.grammars.text_grammars.machine.masked_part import MaskedPart
    from structgen.machines.core.compiled import CompiledGrammar
    from structgen.machines.store.mask_store import MaskStore
    from structgen.tokens.tokenizer import Tokenizer

Config: TypeAlias = Any
"""The state of a reader of a language, hashable; of which type it is, its language alone knows."""
TOKEN: Final = 256
"""The symbol of the special token t is TOKEN + t."""
ALL_BYTES: Final = bytes(range(256))


@lru_cache(16)
def class_representatives(classes: bytes) -> list[int]:
    """Return the first byte of each class, in the order of the classes."""
    return [classes.index(kind) for kind in sorted(set(classes))]


class CompileTarget(NamedTuple):
    """The tokenizer and the store for which a grammar is compiled, with its parts that have masks."""

    tokenizer: Tokenizer
    store: MaskStore
    is_one_of_many: bool = False
    """Whether the part is one of many alternatives, of which a text reaches few."""


class InsidePart(NamedTuple):
    """A place of a configuration inside a text of a part that has masks of its own."""

    part: MaskedPart
    state: int
    """The part's state, by its number."""
    after_end: Config | None
    """The configuration of the whole language if the part's text ended here; None where nothing may follow
    it."""
    ends: bool
    """Whether the whole text is a word where the part's text is."""


class Language(ABC):
    """A set of words, expanded as texts reach it. Not thread-safe: the lock of its compiled grammar is
    held."""

    classes: bytes = ALL_BYTES
    """The class of each byte. Bytes of one class have the same effect in every configuration."""
    outer_classes: bytes | None = None
    """The same for configurations outside parts with masks of their own (`inside_parts`), which are fewer;
    None: `classes`."""
    specials: frozenset[int] = frozenset()
    """The special tokens among the symbols, by token id."""
    counts_tokens: bool = False
    """Whether `after_token_end` changes configurations."""
    has_stack: bool = False
    """Whether `height` counts anything."""
    locks: int = 0
    """How many locks of compiled grammars are taken, at most, one inside the other, by who asks it."""
    lexemes: Any = None
    """Its texts as lexemes (`ParsedLexemes`), for masks; None: a configuration is read as a whole."""
    parts: Sequence[Language] = ()
    """The languages that it is made of."""
    description: str = "a text"
    """The text that may come next in any configuration, in words; `expected_items` may tell more."""

    def height(self, config: Config) -> int:
        """Return the places of the parser's stack, or the open brackets of a JSON text: the most of all
        places of the configuration; 0 where nothing is counted."""
        return 0

    @abstractmethod
    def start(self) -> Config:
        """Return the configuration before the first symbol. Raises GrammarError where there is no word."""

    @abstractmethod
    def step(self, config: Config, symbol: int) -> Config | None:
        """Return the configuration after a symbol; None exactly where no word continues with it."""

    def config_after(self, config: Config, symbols: Iterable[int]) -> Config | None:
        """Return the configuration after symbols; None where no word continues with them."""
        after: Config | None = config
        for symbol in symbols:
            after = None if after is None else self.step(after, symbol)
        return after

    @abstractmethod
    def accepts(self, config: Config) -> bool:
        """Return whether the symbols read so far are a word."""

    def text_status(self, config: Config) -> int:
        """Return how the text stands, by the numbers of `stepping`: NEVER, or STOPS where it may end here;
        of a text that is a part, also WORD, and STOPS and others by what may follow."""
        return int(self.accepts(config))

    @abstractmethod
    def shortest_rest(self, config: Config) -> Sequence[int]:
        """Return the symbols of a shortest rest: empty exactly where the symbols read so far are a word.

        After the first of these symbols the shortest rest is shorter by at least one.
        """

    def first_bytes(self, config: Config) -> bytes:
        """Return the bytes that may come next, ascending. Cost: 256 steps, where they are not told."""
        next_bytes = self.cheap_next_bytes(config)
        if next_bytes is not None:
            return next_bytes
        return bytes(byte for byte in range(256) if self.step(config, byte) is not None)

    def cheap_next_bytes(self, config: Config) -> bytes | None:
        """Return the bytes that may come next, ascending; None where it costs as much to find them one by
        one."""
        return None

    def forced_run(self, config: Config) -> tuple[bytes, Config] | None:
        """Return bytes that must come next, and the configuration after them: before the last, the text has
        one place, inside a literal, and does not end. They may be fewer than what must come; None: none are
        known."""
        return None

    def expected_items(self, config: Config) -> list[Expected]:
        """Return the items that may come next, in words; the caller adds the end of the text."""
        first = self.first_bytes(config)
        return [Expected(self.description, (), first)] if first else []

    def after_token_end(self, config: Config) -> Config | None:
        """Return the configuration after the end of a token whose last symbol was just read; None where no
        token may end here. Languages that count no tokens return the configuration itself."""
        return config

    def inside_parts(self, config: Config) -> tuple[tuple[InsidePart, ...], Config | None]:
        """Return the places of a configuration inside parts with masks of their own, and the configuration of
        all its other places (None: there are none)."""
        return (), config

    def single_configs(self, config: Config) -> Iterable[Config]:
        """Return configurations with one place each; of a word, the configuration itself. Places at the end
        of a part are left out: the place behind the part is there too, and nearer to an end."""
        return (config,)

    def goes_on(self, config: Config) -> bool:
        """Return whether any symbol may follow. Cost: at most a step for each class of bytes."""
        next_bytes = self.cheap_next_bytes(config)
        if next_bytes:
            return True
        if next_bytes is not None and not self.specials:
            return False
        # no byte is known: a special token may follow, which `cheap_next_bytes` never lists
        return any(self.step(config, symbol) is not None for symbol in self.symbols())

    def symbols(self) -> list[int]:
        """Return the first byte of each class, and the special tokens."""
        special_symbols = (TOKEN + token for token in sorted(self.specials))
        return [*class_representatives(self.classes), *special_symbols]

    def after_inside(self, config: Config, state: int) -> Config:
        """Return the configuration after some text inside the one part in which all places of a configuration
        are: the part is now in `state`, and its text has not ended on the way."""
        raise NotImplementedError(f"{type(self).__name__} has no parts with masks")

    @property
    def sizes(self) -> dict[str, int]:
        """How far the language is expanded: numbers by name; by default those of its parts, added up."""
        sizes = Counter[str]()
        for part in dict.fromkeys(self.parts):  # equal parts share one language, which counts once
            sizes.update(part.sizes)
        return dict(sizes)

    @property
    def compiled_parts(self) -> frozenset[CompiledGrammar]:
        """The compiled grammars of its parts that have masks of their own."""
        return frozenset(grammar for part in self.parts for grammar in part.compiled_parts)


class LanguageGrammar(Grammar):
    """A grammar whose texts a `Language` reads, as `CompiledText` needs it; `TextGrammar` adds operators."""

    __slots__ = ()

    @abstractmethod
    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        """Return a new language of the grammar's texts. Raises GrammarError where there is no text.

        `target`: the tokenizer for which parts with masks of their own are compiled. Without it every part
        is read byte by byte.
        """
