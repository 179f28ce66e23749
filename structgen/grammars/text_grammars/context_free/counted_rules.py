"""Counts as rules: copies of a symbol, and patterns whose counts are too many for an automaton."""

from __future__ import annotations

from structgen.automata.regex.optional_counts import simplified
from structgen.automata.regex.syntax_tree import Alternation, Concatenation, Node, Repetition
from structgen.grammars.text_grammars.context_free.rules import Rule
from structgen.grammars.text_grammars.regular_formulas import asserts, written_out


class CountedRules:
    """Rules that are being written; symbols that it makes itself have names with a blank."""

    def __init__(self, most_letters: int) -> None:
        """`most_letters`: the pattern of a terminal has fewer characters, its counts written out."""
        self.most_letters, self.made = most_letters, 0
        self.rules: list[Rule] = []
        self.terminals: dict[str, Node] = {}
        self.named: dict[Node, str] = {}

    def new(self) -> str:
        self.made += 1
        return f" {self.made}"

    def pattern(self, node: Node) -> str:
        """Return the symbol of a pattern without assertions: a terminal where it is not too long."""
        if written_out(node) >= self.most_letters:
            simple = simplified(node)  # it may have nodes that no pattern writes
            node = node if asserts(simple) else simple
        is_long = written_out(node) >= self.most_letters
        if is_long and isinstance(node, Repetition):
            return self.repeated(self.pattern(node.of), node.least, node.most)
        if is_long and isinstance(node, Concatenation):
            return self.rule(tuple(map(self.pattern, node.parts)))
        if is_long and isinstance(node, Alternation):
            return self.rule(*((self.pattern(part),) for part in node.parts))
        name = self.named.get(node)
        if name is None:
            name = self.named[node] = self.new()
            self.terminals[name] = node
        return name

    def repeated(self, name: str, least: int, most: int | None) -> str:
        """Return a symbol for copies of a symbol, as rules: some for each bit of the counts. Of `most` copies
        each number is derived in one way, by its bits."""
        needed: tuple[str, ...] = ()
        more: tuple[str, ...] = ()
        fewer: tuple[str, ...] = ()
        """Up to as many copies as the bits so far of `left` say, and as all lower bits come to."""
        left = 0 if most is None else most - least
        if most is None:
            tail = self.new()
            self.rules += [(tail, (tail, name)), (tail, ())]
            more = (tail,)
        while least or left:
            if least & 1:
                needed = (name, *needed)
            if left & 1:
                more = (self.rule((name, *more), fewer),)
            least, left = least >> 1, left >> 1
            if left:
                fewer = (self.rule((name, *fewer), fewer),)
            if least or left:
                name = self.rule((name, name))
        return self.rule(needed + more)

    def rule(self, *ways: tuple[str, ...]) -> str:
        """Return a new symbol with these alternatives."""
        name = self.new()
        self.rules += [(name, way) for way in ways]
        return name
