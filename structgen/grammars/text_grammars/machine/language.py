"""`Language`: the contract between a grammar of texts and the machine that masks it.

A *language* is a set of words over *symbols*. A symbol is a byte (0 to 255) or a special token (the number
256 + t for token t, which has no text). A *word* is a whole text of the language. A *configuration* is the
state of a reader between two symbols, a hashable value; equal configurations have the same continuations. For
the words {`ab`, `ac`}, the configurations may be the numbers 0 to 2: `step(0, 97)` is 1, since 97 is `a`, and
`step(1, 98)` is 2. `step` returns None where no word continues: there are no dead ends, so masks are exact.

A *part* is a language inside the language; some parts have masks of their own (a JSON Schema, say). A *place*
is one of the ways to read the text so far; a configuration may have several.
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
"""The state of a reader of a language, hashable. Its type is known to its language alone."""
TOKEN: Final = 256
"""The symbol of the special token t is TOKEN + t."""
ALL_BYTES: Final = bytes(range(256))


@lru_cache(16)
def class_representatives(classes: bytes) -> list[int]:
    """Return the first byte of each class, in the order of the classes."""
    return [classes.index(kind) for kind in sorted(set(classes))]


class CompileTarget(NamedTuple):
    """The tokenizer and the mask store for which a grammar, and its parts with masks, are compiled."""

    tokenizer: Tokenizer
    store: MaskStore
    is_one_of_many: bool = False
    """Whether the grammar is one of many alternatives, of which each text reaches few."""


class InsidePart(NamedTuple):
    """A place of a configuration inside a text of a part that has masks of its own."""

    part: MaskedPart
    state: int
    """The number of the part's own state."""
    after_end: Config | None
    """The configuration of the whole language after the part, if the part's text ends here; None where
    nothing may follow the part."""
    ends: bool
    """Whether the whole text may end wherever the part's text may end."""


SplitConfig: TypeAlias = tuple[tuple[InsidePart, ...], Config | None]
"""The places of a configuration that are inside parts with masks of their own, and a configuration with all
other places (None: there are no others)."""


class Language(ABC):
    """A set of words, whose configurations are computed as texts reach them. It is not thread-safe: the
    caller holds the lock of its compiled grammar."""

    classes: bytes = ALL_BYTES
    """The class of each byte. Bytes of one class have the same effect in every configuration."""
    outer_classes: bytes | None = None
    """The same, but for configurations outside of parts with masks of their own (`inside_parts`): fewer
    classes suffice there. None: they are `classes`."""
    specials: frozenset[int] = frozenset()
    """The special tokens among the symbols, by token id."""
    counts_tokens: bool = False
    """Whether `after_token_end` changes configurations."""
    has_stack: bool = False
    """Whether `height` counts anything."""
    locks: int = 0
    """How many locks of compiled grammars a call takes at most, one inside the other."""
    lexemes: Any = None
    """The language as lexemes and a parser (`ParsedLexemes`), which makes masks faster; None: it has no
    lexemes."""
    parts: Sequence[Language] = ()
    """The languages that this language is made of."""
    description: str = "a text"
    """What may come next in any configuration, in words, for messages; `expected_items` may be more exact."""

    def height(self, config: Config) -> int:
        """Return the height of the parser's stack, or the number of open brackets of a JSON text: the largest
        among the places of the configuration. 0 where nothing is counted."""
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
        """Return whether the text may end here, as a number of `stepping`: NEVER (0), or STOPS (1). For a
        text that is a part, also WORD (2): the whole text may end, and the part goes on. Larger numbers mean
        STOPS, and distinguish what may follow."""
        return int(self.accepts(config))

    @abstractmethod
    def shortest_rest(self, config: Config) -> Sequence[int]:
        """Return the symbols of a shortest rest (what completes a word from here): empty exactly where the
        symbols read so far are a word.

        After the first of these symbols the shortest rest is shorter by at least one.
        """

    def first_bytes(self, config: Config) -> bytes:
        """Return the bytes that may come next, ascending. Cost: 256 steps where `cheap_next_bytes` is
        None."""
        next_bytes = self.cheap_next_bytes(config)
        if next_bytes is not None:
            return next_bytes
        return bytes(byte for byte in range(256) if self.step(config, byte) is not None)

    def cheap_next_bytes(self, config: Config) -> bytes | None:
        """Return the bytes that may come next, ascending; None where the language has no cheaper way than to
        try each byte."""
        return None

    def forced_run(self, config: Config) -> tuple[bytes, Config] | None:
        """Return bytes that must come next, and the configuration after them; None where none are known.
        After `<to`, for example, `ol>` must come. Before the last of these bytes the text has one place,
        inside a literal, and cannot end. More bytes may be obligatory than are returned."""
        return None

    def expected_items(self, config: Config) -> list[Expected]:
        """Return the items that may come next, in words; the caller adds the end of the text."""
        first = self.first_bytes(config)
        return [Expected(self.description, (), first)] if first else []

    def after_token_end(self, config: Config) -> Config | None:
        """Return the configuration after the end of a token whose last symbol was just read. None: no token
        may end here. A language that does not count tokens returns the configuration itself."""
        return config

    def inside_parts(self, config: Config) -> SplitConfig:
        """Return the places of a configuration that are inside parts with masks of their own, and a
        configuration with all other places (None: there are no others)."""
        return (), config

    def single_configs(self, config: Config) -> Iterable[Config]:
        """Return configurations with one place each, which together are `config`; of a complete word, only
        `config` itself. A place at the end of a part is left out, since the place after the part is also
        there, and is nearer to the end of the text."""
        return (config,)

    def goes_on(self, config: Config) -> bool:
        """Return whether any symbol may follow. Cost: at most one step for each class of bytes and each
        special token."""
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
        """Return the configuration after some text inside one part. All places of `config` are inside this
        part, which is in `state` after the text; its text has not ended on the way."""
        raise NotImplementedError(f"{type(self).__name__} has no parts with masks")

    @property
    def sizes(self) -> dict[str, int]:
        """How much of the language was computed so far: numbers by name, by default the sums over its
        parts."""
        sizes = Counter[str]()
        for part in dict.fromkeys(self.parts):  # equal parts share one language, which counts once
            sizes.update(part.sizes)
        return dict(sizes)

    @property
    def compiled_parts(self) -> frozenset[CompiledGrammar]:
        """The compiled grammars of its parts that have masks of their own."""
        return frozenset(grammar for part in self.parts for grammar in part.compiled_parts)


class LanguageGrammar(Grammar):
    """A grammar whose texts a `Language` reads: what `CompiledText` needs. `TextGrammar` adds operators."""

    __slots__ = ()

    @abstractmethod
    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        """Return a new language of the grammar's texts. Raises GrammarError where there is no text.

        `target`: the tokenizer for which parts with masks of their own are compiled. Without it every part
        is read byte by byte.
        """
