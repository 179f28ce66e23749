"""Writes counts as context-free rules: copies of a symbol (`item{3,5}`), and patterns whose counts would make
an automaton too large (`[a-z]{1,100000}`).

A *rule* is a pair (symbol, right side). A *terminal* is a symbol that stands for a pattern. A *copy* is one
occurrence of what is counted. A count needs a few rules for each of its bits: `item{4}` becomes the rules
`two -> item item` and `four -> two two`.
"""

from __future__ import annotations

from structgen.automata.regex.optional_counts import simplify_tree
from structgen.automata.regex.syntax_tree import Alternation, Concatenation, Node, Repetition
from structgen.grammars.text_grammars.context_free.rules import Rule
from structgen.grammars.text_grammars.regular_formulas import has_assertion, written_out


class CountedRules:
    """Rules that are being written. The symbols that are made here have names with a blank, such as " 3"."""

    def __init__(self, most_letters: int) -> None:
        """`most_letters`: the pattern of a terminal has fewer characters than this, once its counts are
        written out."""
        self.most_letters = most_letters
        self.symbol_count = 0
        self.rules: list[Rule] = []
        self.terminals: dict[str, Node] = {}
        self.terminal_names: dict[Node, str] = {}
        """For each pattern its terminal; equal patterns share one."""

    def new_symbol(self) -> str:
        """Return a new symbol. Its name begins with a blank, so it differs from all names in a user's
        grammar."""
        self.symbol_count += 1
        return f" {self.symbol_count}"

    def pattern_symbol(self, node: Node) -> str:
        """Return the symbol of a pattern without assertions. It is a terminal where the pattern is not too
        long; otherwise it has rules."""
        if written_out(node) >= self.most_letters:
            simple = simplify_tree(node)  # it may have nodes that no pattern writes
            if not has_assertion(simple):
                node = simple
        # too long for an automaton: the outermost operator becomes rules, and its parts are asked again
        is_long = written_out(node) >= self.most_letters
        if is_long and isinstance(node, Repetition):
            return self.repeat_symbol(self.pattern_symbol(node.of), node.min_count, node.max_count)
        if is_long and isinstance(node, Concatenation):
            return self.add_rule(tuple(map(self.pattern_symbol, node.parts)))
        if is_long and isinstance(node, Alternation):
            alternatives = [(self.pattern_symbol(part),) for part in node.parts]
            return self.add_rule(*alternatives)
        name = self.terminal_names.get(node)
        if name is None:
            name = self.new_symbol()
            self.terminal_names[node] = name
            self.terminals[name] = node
        return name

    def repeat_symbol(self, name: str, minimum: int, maximum: int | None) -> str:
        """Return a symbol that derives `minimum` to `maximum` copies of the symbol `name` (None: no bound).

        Each number of copies is derived in one way only, by the bits of the number.
        """
        needed_copies: tuple[str, ...] = ()
        optional_copies: tuple[str, ...] = ()
        fewer: tuple[str, ...] = ()
        """After n bits of the counts: the symbol that derives any number of copies below 2 ** n."""
        optional_count = 0
        if maximum is None:
            # left-recursive: the parser then keeps no stack entry for each copy
            tail = self.new_symbol()
            self.rules.append((tail, (tail, name)))
            self.rules.append((tail, ()))
            optional_copies = (tail,)
        else:
            optional_count = maximum - minimum
        # one bit of both counts at a time, the lowest first; `name` derives 1, 2, 4, ... copies
        while minimum or optional_count:
            if minimum & 1:
                needed_copies = (name, *needed_copies)
            if optional_count & 1:
                # with this bit: the copies of the lower bits, at most; without it, any number below it
                optional_copies = (self.add_rule((name, *optional_copies), fewer),)
            minimum >>= 1
            optional_count >>= 1
            if optional_count:
                fewer = (self.add_rule((name, *fewer), fewer),)
            if minimum or optional_count:
                name = self.add_rule((name, name))
        return self.add_rule(needed_copies + optional_copies)

    def add_rule(self, *ways: tuple[str, ...]) -> str:
        """Return a new symbol. `ways`: its right sides, one for each alternative."""
        name = self.new_symbol()
        self.rules += [(name, way) for way in ways]
        return name
