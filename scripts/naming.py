"""How readable the names of the package are, in numbers.

`scripts/house.py` measures each room with this module and compares the figures with the table `names` of
house.toml. Five figures may only fall, and two may only rise:

- `listed`: identifiers of LISTED_WORDS in 1,000. A participle or a pronoun does not say which thing it names.
- `participles`: other identifiers of one word in -ed or -en, in 1,000 (`token` and the like excepted).
- `one_word`: functions whose name is one word, in 100. A function is a verb with its object.
- `density`: tokens in ten lines of code. Many tokens in a line hide its steps.
- `comments`: comments beside 100 lines of code. This figure may only rise.
- `examples`: docstrings with an example, of 100 functions with more than three parameters. It may only rise.

Source of the list and of its figures: readings of this package beside lark, attrs, rich, pydantic and others.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

Figures = dict[str, int]
"""The figures of one room by their names."""

LISTED_WORDS = frozenset(
    "said told asked given wanted held found made known how kept tell one what left written begun seen taken "
    "shown drawn read ended moved noted changed same other before behind above more most least".split()
)
"""Words that name no thing: participles, pronouns, prepositions and bare comparatives."""

BANNED_FUNCTIONS = frozenset(
    f"_{word}" for word in "at in live state settle behind of told said made put read".split()
)
"""Private functions of these names say nothing of their object. house.toml counts them; none may be added."""

RISING = ("comments", "examples")
"""Figures that may only rise."""

_NOUNS = frozenset(
    "len token tokens seed open even then when children hidden frozen red bed feed need speed indeed embed "
    "nested unused chosen Annotated".split()
)
_EXAMPLE_MARKS = (">>>", "for example", "For example", "`", "Example", "such as", "e.g.")
_NO_CODE = frozenset(
    {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    }
)


@dataclass(slots=True)
class NameCounts:
    """What the files of one room contain, to be divided into figures."""

    counts: Counter[str] = field(default_factory=Counter)
    listed: Counter[str] = field(default_factory=Counter)
    """How often each word of LISTED_WORDS is an identifier."""

    def add_file(self, text: str, tree: ast.Module) -> None:
        """Add a file: its text, and the tree of the same text."""
        for node in ast.walk(tree):
            if name := _identifier(node):
                self._add_identifier(name.strip("_"))
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not node.name.startswith("__"):
                self._add_function(node)
        self._add_lines(text, set(_lines_of_docstrings(tree)))

    def _add_identifier(self, name: str) -> None:
        self.counts["identifiers"] += 1
        if name in LISTED_WORDS:
            self.listed[name] += 1
        elif name not in _NOUNS and "_" not in name and name.endswith(("ed", "en")) and len(name) > 4:
            self.counts["participles"] += 1

    def _add_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.counts["functions"] += 1
        self.counts["one_word"] += "_" not in node.name.strip("_")
        parameters = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        is_method = bool(node.args.args) and node.args.args[0].arg in ("self", "cls")
        if len(parameters) - is_method > 3:
            docstring = ast.get_docstring(node) or ""
            self.counts["many"] += 1
            self.counts["examples"] += any(mark in docstring for mark in _EXAMPLE_MARKS)

    def _add_lines(self, text: str, docstrings: set[int]) -> None:
        code: set[int] = set()
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                self.counts["comments"] += 1
            elif token.type not in _NO_CODE and token.start[0] not in docstrings:
                self.counts["tokens"] += 1
                code.update(range(token.start[0], token.end[0] + 1))
        self.counts["lines"] += len(code)

    def figures(self) -> Figures:
        """Return the figures, rounded against the room: up where they may only fall, down where they may only
        rise."""
        counts = self.counts
        return {
            "listed": _ratio_up(1000 * self.listed.total(), counts["identifiers"]),
            "participles": _ratio_up(1000 * counts["participles"], counts["identifiers"]),
            "one_word": _ratio_up(100 * counts["one_word"], counts["functions"]),
            "density": _ratio_up(10 * counts["tokens"], counts["lines"]),
            "comments": 100 * counts["comments"] // max(1, counts["lines"]),
            "examples": 100 * counts["examples"] // counts["many"] if counts["many"] else 100,
        }


def worst_figures(name: str, measured: NameCounts, allowed: Figures) -> Iterator[str]:
    """Yield a message for each figure of a room that is worse than house.toml allows.

    `name` is the room (`doors/typed`). A room that house.toml does not have yet is held to the goals of the
    whole package (GOALS).
    """
    for figure, value in measured.figures().items():
        limit = allowed.get(figure, GOALS[figure])
        if (value < limit) if figure in RISING else (value > limit):
            worst = ", ".join(f"`{word}` ({count})" for word, count in measured.listed.most_common(3))
            hint = f" The words of the list that it has most: {worst}." if figure == "listed" else ""
            yield (
                f"structgen/{name} has {value} {_UNITS[figure]}, house.toml allows {limit}.{hint} "
                'CONTRIBUTING.md, "How names are made here", says how to name.'
            )


GOALS: Figures = {
    "listed": 15,
    "participles": 20,
    "one_word": 45,
    "density": 90,
    "comments": 4,
    "examples": 30,
}
"""What the whole package is to reach, and what a new room is held to."""

_UNITS = {
    "listed": "identifiers of the list of participles and pronouns in 1,000",
    "participles": "other identifiers of one word in -ed or -en in 1,000",
    "one_word": "functions of one word in 100",
    "density": "tokens in ten lines of code",
    "comments": "comments beside 100 lines of code (this figure may only rise)",
    "examples": "docstrings with an example in 100 functions of over three parameters (it may only rise)",
}


def _identifier(node: ast.AST) -> str | None:
    """Return the identifier that a node of the tree is, None for other nodes."""
    match node:
        case ast.Name(id=name) | ast.arg(arg=name) | ast.Attribute(attr=name):
            return name
        case _:
            return None


def _lines_of_docstrings(tree: ast.Module) -> Iterable[int]:
    """Yield the lines of all strings that are statements of their own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            if isinstance(node.value.value, str):
                yield from range(node.value.lineno, (node.value.end_lineno or 0) + 1)


def _ratio_up(part: int, whole: int) -> int:
    """Return part / whole rounded up, 0 where the whole is empty."""
    return -(-part // max(1, whole))
