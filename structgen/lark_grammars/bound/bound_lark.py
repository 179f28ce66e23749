"""Lark grammars under the contextual lexer whose declared terminals are bound to other grammars.

The texts of such a grammar are defined in docs/decisions/016-bound-terminals.md. It is read symbol by symbol
(`bound_reading`); its masks are those of any `Language`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from structgen.core.compiled import CompiledGrammar
from structgen.errors import GrammarError
from structgen.language.expectation import Expected
from structgen.lark_grammars.bound.bound_reading import NOTHING, BoundReader, InsideBound, Item, Items, Proofs
from structgen.lark_grammars.compiled.loaded_lark import LarkGrammar
from structgen.lark_grammars.liveness.cells import classes_of_bytes
from structgen.limits import Limits
from structgen.text_grammars.machine.language import TOKEN, CompileTarget, Config, Language
from structgen.text_grammars.machine.language import InsidePart as Within
from structgen.text_grammars.machine.scanning import common_classes
from structgen.text_grammars.text_grammar import TextGrammar, language_if_any


class BoundLark(TextGrammar):
    """A Lark grammar with bound terminals. Made by `lark`."""

    __slots__ = ("_bound", "of")

    def __init__(self, of: LarkGrammar, bound: Mapping[str, TextGrammar]) -> None:
        """`of`: the grammar with stand-ins for the bound terminals."""
        self.of, self._bound = of, dict(bound)

    @property
    def canonical(self) -> str:
        """What lark made of the grammar, and the grammars that are bound."""
        parts = ", ".join(f"{name}={self._bound[name].canonical}" for name in sorted(self._bound))
        return f"lark {self.of.canonical} where {parts}"

    @property
    def identity(self) -> str:
        """A name that distinguishes it from other grammars of this process."""
        parts = ", ".join(f"{name}={self._bound[name].identity}" for name in sorted(self._bound))
        return f"{self.of.identity} where {parts}"

    @property
    def limits(self) -> Limits:
        """The bounds on work and memory."""
        return self.of.limits

    @property
    def source(self) -> str:
        """What it was made from."""
        return "a Lark grammar with bound terminals"

    def without_bytes(self, missing: frozenset[int]) -> TextGrammar:
        """Return the grammar of the texts that have none of some bytes."""
        bound = {name: of.without_bytes(missing) for name, of in self._bound.items()}
        return BoundLark(self.of.without_bytes(missing), bound)

    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        """Return the language, not compiled. Raises GrammarError if a part has no text, or has the empty
        text."""
        numbers = {one.name: number for number, one in enumerate(self.of.tables.terminals)}
        languages: dict[int, Language | None] = {}
        is_whole = self.of.tables.available is None
        for name, of in self._bound.items():
            language = of.language(limits, target) if is_whole else language_if_any(of, limits, {}, target)
            if language is not None and language.accepts(language.start()):
                raise GrammarError(
                    f"What {name} is bound to has the empty text, and a lexeme has a character.",
                    where=f"bind, {name}",
                    cure="Bind it to texts of one character at least, and make it optional in the rules.",
                )
            # a terminal that no rule uses has no number
            if name in numbers:
                languages[numbers[name]] = language
        return BoundLanguage(self.of, languages, limits)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.of.__reduce__()


class BoundLanguage(Language):
    """The texts of the grammar; a configuration is a set of live items."""

    has_stack = True

    def __init__(self, grammar: LarkGrammar, bound: Mapping[int, Language | None], limits: Limits) -> None:
        """`grammar`: with stand-ins for the bound terminals; `bound`: these (None: without a text)."""
        self.reader = BoundReader(grammar, bound, limits)
        of_lark = classes_of_bytes(bytes(self.reader.planned.lexer.classes), grammar.tables)
        own, parts = bytes(self.reader.lexer.classes), self.reader.bound.values()
        self.classes = common_classes([of_lark, own, *(language.classes for language in parts)])
        self.specials = frozenset(token for language in parts for token in language.specials)
        self.counts_tokens = self.reader.counts_tokens
        self._symbols = [self.classes.index(kind) for kind in range(max(self.classes) + 1)]
        symbols = [*self._symbols, *(TOKEN + token for token in sorted(self.specials))]
        self._proofs = Proofs(self.reader, limits, symbols)

    def start(self) -> Config:
        """Return the configuration before the first symbol. Raises GrammarError where there is no text."""
        items = self._live(self.reader.start())
        if not items:
            raise GrammarError(
                "The grammar accepts no text: each one that its rules derive is an error to the lexer.",
                where="start",
                cure="Look for terminals that take the beginning of others, or of what is bound.",
            )
        return items

    def _symbol_of(self, byte: int) -> int:
        return self._symbols[self.classes[byte]]

    def _live(self, items: Items) -> Items:
        return frozenset(filter(self._proofs.is_live, items))

    def step(self, config: Config, symbol: int) -> Config | None:
        """Return the configuration after a symbol; None exactly if no text continues so."""
        return self._live(self.reader.step(cast(Items, config), symbol)) or None

    def boundary(self, config: Config) -> Config | None:
        """Return the configuration after the end of a token."""
        if not self.counts_tokens:
            return config
        return self._live(self.reader.bounded(cast(Items, config))) or None

    def places(self, config: Config) -> Iterable[Config]:
        """Return the configurations of the items, one by one; items whose bound text may end are left out."""
        for item in cast(Items, config):
            if not isinstance(item, InsideBound) or not self.reader.bound[item.terminal].accepts(item.config):
                yield frozenset({item})

    def inside(self, config: Config) -> tuple[tuple[Within, ...], Config | None]:
        """Return the items inside bound texts that have masks of their own. Empty if a lexeme may look behind
        its beginning: the rest of the bound text then decides whether the whole is valid."""
        if not self.reader.lexer.is_local:
            return (), config
        found: list[Within] = []
        others: set[Item] = set()
        for item in cast(Items, config):
            insides: tuple[Within, ...] = ()
            if isinstance(item, InsideBound):
                insides, left = self.reader.bound[item.terminal].inside(item.config)
                if insides and left is not None:
                    others.add(item._replace(config=left))
            if not insides or not isinstance(item, InsideBound):
                others.add(item)
                continue
            for one in insides:
                behind = set() if one.after_end is None else {item._replace(config=one.after_end)}
                after = self._behind(item) if one.ends else NOTHING
                found.append(one._replace(after_end=after | behind or None, ends=self.accepts(after)))
        return tuple(found), frozenset(others) or None

    def _behind(self, item: InsideBound) -> Items:
        """Return the live items after a bound text that ends here."""
        place = self.reader.read(item.place, item.terminal, 0)
        return self._live(self.reader.fresh(place, item.carry))

    def after_inside(self, config: Config, state: int) -> Config:
        """Return the configuration after some text inside a bound one."""
        found: Items = NOTHING
        for item in cast("frozenset[InsideBound]", config):
            language = self.reader.bound[item.terminal]
            after = language.after_inside(item.config, state)
            found |= {item._replace(config=after)} | (
                self._behind(item) if language.accepts(after) else NOTHING
            )
        return found

    def height(self, config: Config) -> int:
        """Return the largest stack height of all items, or the height of a bound text."""
        highest = 0
        for item in cast(Items, config):
            highest = max(highest, self.reader.planned.height(item.place))
            if isinstance(item, InsideBound):
                highest = max(highest, self.reader.bound[item.terminal].height(item.config))
        return highest

    def accepts(self, config: Config) -> bool:
        """Return whether the symbols so far are a text."""
        return self.reader.accepts(cast(Items, config))

    def shortest(self, config: Config) -> Sequence[int]:
        """Return a short completion."""
        rests = [self._proofs.rest(item) for item in cast(Items, config)]
        return min((rest for rest in rests if rest is not None), key=lambda rest: (len(rest), rest))

    def expected(self, config: Config) -> list[Expected]:
        """Return the terminals that may come or continue, with the rules that use them; for a bound terminal,
        the `expected` of its own grammar."""
        found: dict[tuple[str, tuple[str, ...]], tuple[set[int], set[str]]] = {}
        for item in cast(Items, config):
            for one in self._of_item(item):
                first, read = found.setdefault((one.what, one.sources), (set(), set()))
                first |= set(one.first)
                read |= {one.read_before} - {""}
        shown = [
            Expected(what, of, bytes(sorted(first)), " or ".join(sorted(read)))
            for (what, of), (first, read) in found.items()
        ]
        return sorted(shown, key=lambda one: (not one.sources, one.what))

    def _of_item(self, item: Item) -> list[Expected]:
        if isinstance(item, InsideBound):
            rules = self.reader.planned.expectations.rules(item.place, item.terminal)
            live = {one for one in self._symbols if self._live(self.reader.step((item,), one))}
            told = self.reader.bound[item.terminal].expected(item.config)
            own = [
                replace(one, first=bytes(byte for byte in one.first if self._symbol_of(byte) in live))
                for one in told
            ]
            # what has no bytes is a special token
            own = [one for one, of in zip(own, told, strict=True) if one.first or not of.first]
            if any(one.sources for one in own):
                return own
            return [Expected(one.what, rules, one.first) for one in own]
        reader, tables = self.reader, self.reader.tables
        first: dict[tuple[int, tuple[str, ...], str], set[int]] = {}
        kinds: dict[int, set[int]] = {}
        for byte, kind in enumerate(self.classes):
            kinds.setdefault(kind, set()).add(byte)
        for place, state, column in reader.readings(item):
            is_begun = state < 0 or reader.lexer.states[state].has_begun
            read = "" if is_begun else reader.planned.expectations.last_read(place)
            for byte in self._symbols:
                to = reader.moved(state, byte)
                alone = item._replace(place=place, state=state, column=column)
                if to < 0 or not self._live(reader.step((alone,), byte)):
                    continue
                for name in self._proofs.terminals(to):
                    if reader.read(place, name, reader.planned.answers.widths(place)[0]) >= 0:
                        key = name, reader.planned.expectations.rules(place, name), read
                        first.setdefault(key, set()).update(kinds[self.classes[byte]])
        return [
            Expected(tables.terminals[name].shown, rules, bytes(sorted(of)), read)
            for (name, rules, read), of in first.items()
        ]

    @property
    def sizes(self) -> dict[str, int]:
        """The numbers of lexeme states, of parser stacks, and of the parts of the bound languages."""
        found = {"lexer_states": len(self.reader.lexer.states), "stacks": self.reader.planned.sizes["stacks"]}
        for language in self.reader.bound.values():
            for name, number in language.sizes.items():
                found[name] = found.get(name, 0) + number
        return found

    @property
    def compiled_parts(self) -> frozenset[CompiledGrammar]:
        """The compiled grammars of the bound terminals that have masks of their own."""
        return frozenset(one for language in self.reader.bound.values() for one in language.compiled_parts)
