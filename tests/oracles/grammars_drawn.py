"""Random small Lark grammars, with what is ignored; and lark itself, asked which texts over an alphabet it
takes."""

from __future__ import annotations

import random
from typing import Any

import lark
import lark.lexer
from lark.indenter import Indenter
from lark_reference import build

ALPHABET = "abc# "
IGNORED = (
    "/#[^\\n]*/", "/#.*/", "/ *#[^\\n]*/", "/\\s+/", '" "', "/ +/", "/c/", "/b+/", "/#a*b/",
    "/ (#|b)*/", "/( |#b*)+/", '"a"', '"b"', '"ab"', "/[ab]/", "/a+b?/",
)  # fmt: skip
ATOMS = ("a", "b", "c", "[ab]", "[^a]", "#", " ", ".")
LOOKS = ("\\b", "(?<!a)", "(?<=b)", "$", "(?=b)", "(?!a)")
ENDS = (
    *LOOKS, "", "\\Z", "\\B", "(?!.)", "(?!\\n)", "(?<=a)", "(?<!b)", "(?=\\Z)", "(?!\\Z)", "(?=b?\\Z)",
    "(?!b\\Z)",
)  # fmt: skip
"""What may stand at the end of a pattern, and of each alternative."""
FLAGS = ("", "", "i", "m", "s", "ms")
COUNTS = ("", "", "", "*", "+", "?", "*?", "+?", "{1,2}")


class Blocks(Indenter):
    """An indenter."""

    NL_type = "_NL"
    OPEN_PAREN_types = ("LPAR",)
    CLOSE_PAREN_types = ("RPAR",)
    INDENT_type = "_INDENT"
    DEDENT_type = "_DEDENT"
    tab_len = 2


def pattern(draw: random.Random, looks: bool, depth: int = 2) -> str:
    """Return a pattern of Python's re."""
    found = ""
    for _ in range(draw.randint(1, 3)):
        if looks and draw.randrange(4) == 0:
            found += draw.choice(LOOKS)
        elif depth and draw.randrange(3) == 0:
            parts = [pattern(draw, looks, depth - 1) for _ in range(draw.randint(1, 3))]
            found += "(?:" + "|".join(parts) + ")" + draw.choice(COUNTS)
        else:
            found += draw.choice(ATOMS) + draw.choice(COUNTS)
    return found


def ended(draw: random.Random) -> str:
    """Return a pattern of some alternatives, of which each ends in an anchor or a look-around, with flags."""
    ways = [pattern(draw, draw.random() < 0.5) + draw.choice(ENDS)]
    ways += [pattern(draw, False, 0) + draw.choice(ENDS) for _ in range(draw.randint(0, 2))]
    return f"/{'|'.join(ways)}/{draw.choice(FLAGS)}"


def drawn(seed: int, looks: bool = False, ends: bool = False) -> str:
    """Return a grammar's text. `looks`, `ends`: with look-arounds, anywhere or at the ends of patterns."""
    draw = random.Random(seed)
    names = "ABCD"[: draw.randint(1, 4)]
    symbols = [*names, *names, '"a"', '"b"', '"ab"', "x", "y", "start"]
    lines = []
    for rule in ("start", "x", "y"):
        ways = [
            " ".join(
                draw.choice(symbols) + draw.choice(("", "", "", "?", "*", "+"))
                for _ in range(draw.randint(0, 3))
            )
            for _ in range(draw.randint(1, 3))
        ]
        lines.append(f"{rule}: " + " | ".join(ways))
    for name in names:
        priority = draw.choice(("", "", "", ".1", ".-1"))
        text = "".join(draw.choice("abc") for _ in range(draw.randint(1, 3)))
        lines.append(
            f'{name}{priority}: "{text}"'
            if draw.random() < 0.5
            else f"{name}{priority}: {ended(draw) if ends else f'/{pattern(draw, looks)}/'}"
        )
    lines += [f"%ignore {one}" for one in draw.sample([*IGNORED, *names], draw.randint(0, 2))]
    return "\n".join(lines) + "\n"


def with_literals_ignored(seed: int) -> str:
    """Return a grammar's text that ignores a literal, or a pattern of letters."""
    literal = ('"a"', '"b"', '"ab"', "/[ab]/", "/a+b?/")[seed % 5]
    return drawn(seed) + f"%ignore {literal}\n"


def drawn_blocks(seed: int) -> str:
    """Return a grammar's text for the indenter `Blocks`."""
    draw = random.Random(seed)
    word = draw.choice(('"a"', "/a+/", "/[ab]/", '"a" | "b"'))
    simple = draw.choice(
        ("T _NL", "T+ _NL", "T [LPAR T* RPAR] _NL", "LPAR stmt* RPAR _NL | T _NL", "T _NL | T")
    )
    block = draw.choice(
        ('T ":" _NL _INDENT stmt+ _DEDENT', "T _NL _INDENT stmt+ _DEDENT", '":" _NL _INDENT stmt _DEDENT T')
    )
    newline = draw.choice(("/(\\r?\\n[\\t ]*)+/", "/(\\n *)+/"))
    lines = [
        f"start: {draw.choice(('stmt+', 'stmt*', '_NL? stmt+'))}", f"stmt: {simple} | {block}", f"T: {word}",
        'LPAR: "("', 'RPAR: ")"', f"_NL: {newline}", "%declare _INDENT _DEDENT",
    ]  # fmt: skip
    lines += [
        f"%ignore {one}"
        for one in draw.sample(["/\\s+/", "/ +/", "/#[^\\n]*/", "/ *#b*/"], draw.randint(0, 2))
    ]
    return "\n".join(lines) + "\n"


def judge(text: str, postlex: Any = None) -> lark.Lark | None:
    """Return lark's parser of a grammar, None where lark refuses it."""
    try:
        return build(text, **({} if postlex is None else {"postlex": postlex}))
    except lark.exceptions.LarkError:
        return None
