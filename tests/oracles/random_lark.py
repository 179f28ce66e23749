"""Small Lark grammars drawn at random, each by its seed: the same in every process and on every machine."""

from __future__ import annotations

import random
from typing import Any, NamedTuple

import lark
from lark.indenter import Indenter
from lark_reference import build, takes, texts


class Lines(Indenter):
    """An indenter whose terminals have short names; a tab is two columns."""

    NL_type = "NL"
    OPEN_PAREN_types = ["OPEN"]  # noqa: RUF012 (lark's)
    CLOSE_PAREN_types = ["CLOSE"]  # noqa: RUF012
    INDENT_type = "INDENT"
    DEDENT_type = "DEDENT"
    tab_len = 2


class Drawn(NamedTuple):
    """A grammar that lark builds, and of which it takes three texts or more of up to four letters."""

    text: str
    alphabet: str
    """The letters that its texts are made of."""
    options: dict[str, Any]
    """Of `sg.lark` and of lark's own class: the indenter, where it has one."""
    reference: lark.Lark


_ATOMS = ("a", "b", "c", "ab", "[ab]", "[^a]", ".", "bc")
_LOOKS = (r"\b", "(?=a)", "(?!b)", "(?<=a)", "(?<!b)", "$")
_QUANTIFIERS = ("", "", "", "*", "+", "?", "*?", "+?", "{1,2}")
_IGNORED = ('"c"', '"bc"', "/b+/", "/c+/", "/[bc]/", "/c?b/", "/ab?/", "/(cb)+/", "/c[^b]*/", "/a*c.*/")
"""What is ignored; the last two take in all up to a certain letter, as comments do, or all that follows."""
_BLOCKS = ("NL INDENT x NL DEDENT", "NL INDENT y+ DEDENT", "NL INDENT x DEDENT", "NL INDENT start DEDENT")
_LINES = (
    '"a"', '"c"', "NL", "NL", "x", "y", "W", "OPEN x CLOSE", '"a" NL', 'W ":" NL INDENT x+ DEDENT', *_BLOCKS,
)  # fmt: skip
_NEWLINES = (r"/(\r?\n[\t ]*)+/", r"/(\n[ ]*)+/", r"/\n+ */", r"/\n[ \n]*/", r"/\n/")
_BLANKS = ('" "', "/ +/", r"/\s+/", "/[ c]/", r"/ *c[^\n]*/")


def drawn(family: str, seed: int) -> Drawn:
    """Return the grammar of a seed: the first drawn that lark builds, and of which it takes some texts.

    Families: "plain", without look-arounds; "looks", with them; "lines", with the indenter `Lines`. Cost:
    50 ms, most of them lark's.
    """
    source = random.Random(f"{family} {seed}")
    while True:
        is_lines = family == "lines"
        text, alphabet = _lines(source) if is_lines else (_plain(source, family == "looks"), "abc")
        options: dict[str, Any] = {"postlex": Lines()} if is_lines else {}
        try:
            reference = build(text, **options)
        except lark.exceptions.LarkError:
            continue
        if sum(takes(reference, one) for one in texts(alphabet, 4)) > 2:
            return Drawn(text, alphabet, options, reference)


def _plain(source: random.Random, looks: bool) -> str:
    names = "ABC"[: source.randint(1, 3)]
    symbols = [*names, *names, '"a"', '"b"', '"ab"', "x", "y", "start"]
    lines = _rules(source, symbols, least=0)
    for name in names:
        priority = source.choice(("", "", "", ".1", ".-1"))
        is_string = source.randrange(3) == 0
        text = "".join(source.choices("abc", k=source.randint(1, 3)))
        lines.append(f"{name}{priority}: " + (f'"{text}"' if is_string else f"/{_pattern(source, looks)}/"))
    if source.randrange(3):
        lines.append("%ignore " + source.choice((*_IGNORED, f"/{_pattern(source, looks)}/")))
    return "\n".join(lines) + "\n"


def _lines(source: random.Random) -> tuple[str, str]:
    lines = _rules(source, _LINES, least=1)
    word = source.choice(("/b+/", "/ab/", '"c"', "/[ab]+/", "/a(?! )/"))
    lines += [f"NL: {source.choice(_NEWLINES)}", f"W: {word}", 'OPEN: "("', 'CLOSE: ")"']
    lines.append("%declare INDENT DEDENT")
    if source.randrange(4):
        lines.append("%ignore " + source.choice(_BLANKS))
    text = "\n".join(lines) + "\n"
    return text, "ac\n " + (":" if '":"' in text else "")


def _rules(source: random.Random, symbols: list[str] | tuple[str, ...], least: int) -> list[str]:
    lines = []
    for rule in ("start", "x", "y"):
        ways = [
            " ".join(
                f"({source.choice(symbols)}){source.choice(('', '', '', '?', '*', '+'))}"
                for _ in range(source.randint(1 if rule == "start" else least, 3))
            )
            for _ in range(source.randint(1, 3))
        ]
        lines.append(f"{rule}{source.choice(('', '', '.1'))}: {' | '.join(ways)}")
    return lines


def _pattern(source: random.Random, looks: bool, depth: int = 1) -> str:
    """Return a regular expression of Python's."""
    parts = []
    for _ in range(source.randint(1, 3)):
        if depth and source.randrange(3) == 0:
            opening = source.choice(("(?:", "(?:", "(?=", "(?!") if looks else ("(?:",))
            ways = [_pattern(source, looks, depth - 1) for _ in range(source.randint(1, 3))]
            atom = f"{opening}{'|'.join(ways)})"
        else:
            atom = source.choice((*_ATOMS, *_LOOKS) if looks else _ATOMS)
        is_look = atom in _LOOKS or atom.startswith(("(?=", "(?!"))
        parts.append(atom if is_look else f"(?:{atom}){source.choice(_QUANTIFIERS)}")
    return "".join(parts)
