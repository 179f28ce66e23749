"""Regular languages: texts that a formula over patterns and words takes, read by the automata of strings.

`sg.regex`, `sg.literal` and `sg.choice` make them; their unions, intersections, differences and complements
are formulas again, and concatenations of patterns without assertions are one pattern: one automaton each,
determinised lazily, in which what has no completion is no state.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal, cast

from structgen.automata.regex import ecma_syntax
from structgen.automata.regex.python_to_ecma import ecma_of_python
from structgen.automata.strings.string_pool import StringPool
from structgen.automata.unicode.partition import Partition
from structgen.errors import GrammarError, OptionError, RegexError
from structgen.language.ir import DEAD, UNKNOWN, All, Any_, Formula, Not, Pattern, Spec, Words
from structgen.limits import Limits
from structgen.machine_core.expected import Expected
from structgen.text_grammars.machine.language import CompileTarget, Config, Language, TextGrammar

_UTF8_CUTS = (0x80, 0x90, 0xA0, 0xC0, 0xC2, 0xE0, 0xE1, 0xED, 0xEE, 0xF0, 0xF1, 0xF4, 0xF5)
"""Where bytes begin that UTF-8 reads otherwise than those below."""
_SHOWN = 60


def regex(
    pattern: str | re.Pattern[str],
    *,
    dialect: Literal["python", "ecma"] = "python",
    flags: int = 0,
    limits: Limits | None = None,
) -> RegularGrammar:
    """Return the grammar of the texts that a regular expression matches from their start to their end.

    `dialect`: "python", as re.fullmatch reads it, with its `flags` and all of its syntax but back-references
    and conditions; or "ecma", ECMA-262 with the flag u, under which an escape that is none (`\\a`, `\\-`)
    and a lone `{` are errors. Raises `RegexError` with the place, or `OptionError`. Cost: that of reading it;
    the automaton is determinised as texts reach it.
    """
    if isinstance(pattern, re.Pattern):
        flags |= pattern.flags
        pattern = pattern.pattern
    if not isinstance(pattern, str):
        raise OptionError(
            f"A pattern is a string, not a {type(pattern).__name__}.",
            where="sg.regex",
            cure='Write sg.regex(r"[0-9]+").',
        )
    if dialect == "python":
        source = ecma_of_python(pattern, flags)
    elif dialect == "ecma":
        if flags:
            raise OptionError(
                "The ecma dialect takes no flags.",
                where="flags",
                cure='Leave them out, or use dialect="python".',
            )
        try:
            ecma_syntax.parse(pattern, True)
        except RegexError as error:
            raise RegexError(error.what, where=error.where or "pattern", cure=error.cure) from None
        source = f"^(?:{pattern})$"
    else:
        raise OptionError(
            f"There is no dialect {dialect!r}.", where="dialect", cure='Use "python" or "ecma".'
        )
    what = f"a text that /{_cut(pattern)}/ matches"
    return RegularGrammar(Pattern(source), what, limits=limits)


def literal(text: str, *, limits: Limits | None = None) -> RegularGrammar:
    """Return the grammar of one text."""
    return choice((text,), limits=limits)


def choice(texts: Iterable[str], *, limits: Limits | None = None) -> RegularGrammar:
    """Return the grammar of some texts, of which one is to be chosen. Raises `OptionError` where there is
    none, or one is no string."""
    words = [texts] if isinstance(texts, str) else list(texts)
    for word in words:
        if not isinstance(word, str):
            raise OptionError(
                f"A text is a string, not a {type(word).__name__}.", where="texts", cure="Give strings."
            )
        if any("\ud800" <= char < "\ue000" for char in word):
            raise OptionError(
                f"The text {_cut(word)!r} has a lone surrogate, which UTF-8 cannot write.",
                where="texts",
                cure="Write the character it is half of.",
            )
    if not words:
        raise OptionError("There is nothing to choose from.", where="texts", cure="Give one text at least.")
    shown = ", ".join(json.dumps(_cut(word), ensure_ascii=False) for word in sorted(set(words))[:4])
    return RegularGrammar(
        Words(frozenset(words)), f"{shown}, ..." if len(words) > 4 else shown, limits=limits
    )


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


class RegularGrammar(TextGrammar):
    """A formula over patterns and words as a grammar."""

    __slots__ = ("_limits", "body", "formula", "what")

    def __init__(self, formula: Formula, what: str, *, limits: Limits | None = None) -> None:
        self.formula, self.what = formula, what
        self._limits = Limits() if limits is None else limits
        self.body: str | None = _body(formula)
        """A pattern of the same texts that holds wherever it stands, or None."""

    @classmethod
    def of_body(cls, body: str, what: str, limits: Limits) -> RegularGrammar | None:
        """Return the grammar of a pattern without assertions; None where its groups are too deep."""
        try:
            ecma_syntax.parse(f"^(?:{body})$")
        except RegexError:
            return None
        return cls(Pattern(f"^(?:{body})$"), what, limits=limits)

    @property
    def canonical(self) -> str:
        return f"regular {_spelled(self.formula)}"

    @property
    def limits(self) -> Limits:
        return self._limits

    @property
    def source(self) -> str:
        return "a regular expression"

    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        return RegularLanguage(self.formula, self.what, limits)

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self.formula, self.what, self._limits)


def _again(formula: Formula, what: str, limits: Limits) -> RegularGrammar:
    return RegularGrammar(formula, what, limits=limits)


def _spelled(formula: Formula) -> str:
    """Return a formula in writing: equal formulas alike in every process."""
    match formula:
        case Pattern(source):
            return f"/{source}/"
        case Words():
            return json.dumps(sorted(formula.of))
        case Not():
            return f"not({_spelled(formula.of)})"
        case All() | Any_():
            name = "all" if isinstance(formula, All) else "any"
            return f"{name}({','.join(map(_spelled, formula.of))})"
    raise AssertionError(f"{type(formula).__name__} is no formula of texts")


def _body(formula: Formula) -> str | None:
    if isinstance(formula, Words):
        return "|".join("".join(map(_escaped, word)) for word in sorted(formula.of))
    if isinstance(formula, Pattern) and formula.source.startswith("^(?:") and formula.source.endswith(")$"):
        body = formula.source[4:-2]
        return None if _asserts(ecma_syntax.parse(f"(?:{body})")) else body
    return None


def _escaped(char: str) -> str:
    return char if char.isascii() and char.isalnum() else f"\\u{{{ord(char):x}}}"


def _asserts(node: ecma_syntax.Node) -> bool:
    """Return whether what a tree matches depends on what stands around it."""
    stack = [node]
    while stack:
        top = stack.pop()
        if isinstance(top, (ecma_syntax.Seq, ecma_syntax.Alt)):
            stack += top.parts
        elif isinstance(top, ecma_syntax.Repeat):
            stack.append(top.of)
        elif not isinstance(top, ecma_syntax.Chars):
            return True
    return False


class RegularLanguage(Language):
    """A formula over patterns and words, determinised lazily; a configuration is a state of its automaton."""

    def __init__(self, formula: Formula, what: str, limits: Limits, *, json: bool = False) -> None:
        """`json`: the shortest rest is the one whose JSON text is the shortest."""
        self._pool = StringPool(limits, plain=not json)
        self._what = what
        self._start = self._pool.start(Spec((formula,)), _met)
        if self._start == DEAD:
            raise GrammarError(
                f"No text is {what}.", where="grammar", cure="Ask for less, or for something that can be."
            )
        self.classes = byte_classes(self._pool.partitions)

    def start(self) -> Config:
        return self._start

    def step(self, config: Config, symbol: int) -> Config | None:
        if symbol > 255:
            return None
        state = cast(int, config)
        pool = self._pool
        after = int(pool.trans[state, symbol])
        if after == UNKNOWN:
            pool.expand(state, symbol)
            after = int(pool.trans[state, symbol])
        return None if after < 0 else after

    def accepts(self, config: Config) -> bool:
        return bool(self._pool.outcome[config] >= 0)

    def shortest(self, config: Config) -> Sequence[int]:
        return self._pool.finish(cast(int, config))[0]

    def expected(self, config: Config) -> list[Expected]:
        first = bytes(byte for byte in range(256) if self.step(config, byte) is not None)
        return [Expected(self._what, (), first)] if first else []

    @property
    def sizes(self) -> dict[str, int]:
        return {"string_states": self._pool.count}


def _met(met: frozenset[int]) -> int:
    return 0


def byte_classes(partitions: Iterable[Partition]) -> bytes:
    """Return for each byte its class: bytes of one class stand for characters of one class, wherever."""
    ascii_kinds: list[list[int]] = []
    cuts = set(_UTF8_CUTS)
    for partition in partitions:
        kinds: list[int] = []
        for start, end, kind in zip(
            partition.starts, [*partition.starts[1:], 0x110000], partition.kinds, strict=True
        ):
            kinds += [kind] * (min(end, 0x80) - min(start, 0x80))
            if start >= 0x80 and not 0xD800 <= start < 0xE000:
                encoded = chr(start).encode()
                for byte in encoded[:-1]:
                    cuts |= {byte, byte + 1}
                cuts.add(encoded[-1])
        ascii_kinds.append(kinds)
    numbers: dict[tuple[int, ...], int] = {}
    classes = bytearray(numbers.setdefault(name, len(numbers)) for name in zip(*ascii_kinds, strict=True))
    if not classes:
        classes = bytearray(0x80)
        numbers[()] = 0
    number = len(numbers) - 1
    for byte in range(0x80, 0x100):
        number += byte in cuts
        classes.append(number)
    return bytes(classes)
