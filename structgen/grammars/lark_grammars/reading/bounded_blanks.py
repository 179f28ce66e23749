"""Bounds what a Lark grammar ignores between two lexemes: `ignore_at_most` of `sg.lark`.

A *run* is the text between two lexemes, all of which the grammar ignores. lark allows runs of any length.
With `%ignore " "` and at most 2 characters, `a  b` is a text, and `a   b` is none.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from itertools import chain

from structgen.automata.regex.syntax_tree import (
    Alternation,
    CharacterClass,
    Concatenation,
    Node,
    Repetition,
    descendants_of,
    nullable,
)
from structgen.automata.unicode.charsets import Ranges, union
from structgen.base.errors import GrammarError
from structgen.grammars.lark_grammars.reading.lark_loader import parse_pattern
from structgen.grammars.lark_grammars.reading.loaded_grammar import ParserTables


def bound_tables(tables: ParserTables, max_length: int) -> ParserTables:
    """Return tables whose lexer takes a run of at most so many characters as one lexeme, and refuses longer
    ones. lark's order of the terminals stays. Errors: those of `find_ignored`."""
    ignored = tables.ignored_terminals
    names = {tables.terminals[number].name for number in ignored}
    patterns = {terminal.name: terminal.pattern for terminal in tables.terminals if terminal.pattern}
    ranges = find_ignored(patterns, names, tables.flags)
    # The look-ahead keeps a longer run from being two lexemes: no lexeme may begin inside of a run.
    members = "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in ranges)
    pattern = f"[{members}]{{1,{max_length}}}(?![{members}])"
    terminals = tuple(
        replace(terminal, pattern=pattern, is_string=False) if number in ignored else terminal
        for number, terminal in enumerate(tables.terminals)
    )
    return replace(tables, terminals=terminals)


def run_terminals(ranges: Ranges, max_length: int) -> dict[str, Node]:
    """Return the terminals of the runs that are allowed, and of longer ones."""
    character = CharacterClass(ranges)
    return {
        "ignored text": Repetition(character, 1, max_length),
        "longer ignored text": Repetition(character, max_length + 1, None),
    }


def find_ignored(
    patterns: Mapping[str, str], ignored_names: Collection[str], flags: int = 0, *, is_lexed: bool = True
) -> Ranges:
    """Return the characters that a grammar ignores, in any number and order.

    `patterns`: those of the terminals, by name, such as `{"WS": "[ \\t]+"}`; `flags`: those of `re`;
    `is_lexed`: whether a lexer reads the texts. Raises GrammarError where a bound on runs would change more
    than their length: a character is ignored in longer texts only, such as comments, or another terminal may
    begin with an ignored character.
    """
    # bound terminals have no patterns: other grammars read them
    trees = {
        name: parse_pattern(pattern, flags, where=f"terminal {name}") for name, pattern in patterns.items()
    }
    nodes = [node for name in ignored_names for node in descendants_of(trees[name])]
    ranges = union(pair for node in nodes if isinstance(node, CharacterClass) for pair in node.ranges)
    # a run has any characters in any order if each of them alone is ignored
    faults = (
        f"%ignore names {chr(point)!r} only inside of longer texts, such as comments."
        for low, high in ranges
        for point in range(low, high + 1)
        if not any(re.fullmatch(patterns[name], chr(point), flags) for name in ignored_names)
    )
    # a longer run would begin one of these terminals in place of being refused
    clashes = (
        f"The terminal {name} may begin with a character that %ignore names."
        for name in sorted(trees.keys() - set(ignored_names))
        for low, high in _first_ranges(trees[name])
        if is_lexed and any(low <= last and first <= high for first, last in ranges)
    )
    # the first one alone is looked for: a set such as [^x] has a million characters
    for fault in chain(faults, clashes):
        cure = "Ignore blanks only, and begin terminals with other characters; or leave it out."
        raise GrammarError(fault, where="ignore_at_most", cure=cure)
    return ranges


def _first_ranges(node: Node) -> Iterator[tuple[int, int]]:
    """Yield the characters with which a text of a node may begin."""
    match node:
        case CharacterClass(ranges):
            yield from ranges
        case Repetition(of=inner):
            yield from _first_ranges(inner)
        case Alternation(parts) | Concatenation(parts):
            for part in parts:
                yield from _first_ranges(part)
                if isinstance(node, Concatenation) and not nullable(part):
                    break
