"""Counts the rules that lark would make of a grammar, before lark makes them.

lark *writes out* a grammar: each rule of the text becomes one plain rule for each of its *alternatives*, the
sequences of symbols that it allows. `s: (a | b) (c | d)` comes to four: `a c`, `a d`, `b c` and `b d`. lark
also copies what is repeated less than fifty times, and makes rules of each use of a *template*, a rule with
parameters. Each of these can double with every few characters of the text, and lark has no bounds. The rules
are counted here on the trees that lark has read; nothing is copied.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

from structgen.base.errors import LimitError
from structgen.base.limits import Limits
from structgen.grammars.text_grammars.context_free.productive_symbols import least_lengths

_FACTOR: Final = 10
"""The most copies in one of the rules that a longer repetition is split into."""


def check_terminals(text: str, limits: Limits) -> None:
    """Raise LimitError if the pattern of a terminal in the grammar `text` has too many parts, more than
    `limits.automaton_states`. Parts are counted after the terminals in it are written out, since lark walks
    over each. An imported terminal counts as one part. Terminals in a cycle are not counted: lark refuses
    them later. Raises lark's errors."""
    from lark import load_grammar

    parse: Any = load_grammar._parse_grammar
    # Name of a terminal -> the names and literals in its definition.
    parts: dict[str, list[str]] = {}
    for tree in parse(text, "<string>").find_data("term"):
        # The first value of a definition is its name.
        values = tree.scan_values(lambda part: True)
        defined_name, *parts_here = (str(getattr(part, "name", part)) for part in values)
        parts[defined_name] = [*parts.get(defined_name, []), *parts_here]
    sizes: dict[str, int] = {}
    # A definition comes after the terminals that it uses, whose sizes are known then.
    uses = {name: set(used) & parts.keys() for name, used in parts.items()}
    order = TopologicalSorter(uses)
    with suppress(CycleError):
        for name in order.static_order():
            sizes[name] = sum(sizes.get(part, 1) for part in parts[name])
            if sizes[name] > limits.automaton_states:
                raise LimitError(
                    f"The pattern of {name} expands to more than {limits.automaton_states:,} parts.",
                    limit="automaton_states",
                    where="grammar",
                )


def check_rules(definitions: Sequence[Any], limits: Limits, where: str) -> int:
    """Return how many rules lark would make of a grammar; equal alternatives are counted separately.

    `definitions`: the `rule_defs` of lark's `Grammar`; `where`: the grammar's name in messages. Raises
    LimitError for more than `limits.grammar_rules`. Cost: linear in the size of the trees; the tree of a
    template counts once for each use."""
    counter = _RuleCounter(definitions, limits.grammar_rules, where)
    for _name, parameters, tree, _options in definitions:
        if not parameters:
            counter.count_definition(tree, {})
    while counter.waiting:
        name, *arguments = counter.waiting.pop()
        parameters, tree = counter.templates[name]
        # A wrong number of arguments is an error of lark's, which comes later.
        names = zip(map(str, parameters), arguments, strict=False)
        counter.count_definition(tree, dict(names))
    return counter.count


class _RuleCounter:
    """Counts the rules of one grammar: the sum is in `count`, and `waiting` has what is not counted yet."""

    def __init__(self, definitions: Sequence[Any], max_rules: int, where: str) -> None:
        self.max_rules = max_rules
        self.where = where
        self.count = 0
        """The number of rules so far."""
        self.templates = {
            str(name): (parameters, tree) for name, parameters, tree, _options in definitions if parameters
        }
        """Name of a template -> its parameters and its tree."""
        self.met: dict[tuple[str, ...], str] = {}
        """A template's name and the names of its arguments -> a short name of this use, such as `{0}`."""
        self.waiting: list[tuple[str, ...]] = []
        """The uses of templates whose rules are not counted yet."""

    def count_definition(self, tree: Any, names: Mapping[str, str]) -> None:
        """Count the rules of one definition, whose right side is `tree`. `names`: for a template, the names
        of its arguments by its parameters."""
        # Two statements: `count_alternatives` adds to `self.count` the rules that lark makes in between.
        count = self.count_alternatives(tree, names)
        self.count = self.check_count(self.count + count)

    def check_count(self, count: int) -> int:
        """Return `count` itself. Raises LimitError where it exceeds the limit, so no product grows without
        bounds."""
        if count > self.max_rules:
            raise LimitError(
                f"The grammar expands to more than {self.max_rules:,} rules.",
                limit="grammar_rules",
                where=self.where,
                cure="Move each counted choice, such as (a | b)~9, to a rule of its own; or "
                "increase it with limits=sg.Limits(grammar_rules=...).",
            )
        return count

    def count_alternatives(self, tree: Any, names: Mapping[str, str]) -> int:
        """Return the number of alternatives of a tree, and count the rules that lark makes for its parts.
        `names`: as in `count_definition`. For example, `(a | b) [c]` has four alternatives."""
        kind = getattr(tree, "data", None)
        if kind == "value":
            self.name_value(tree, names)
            return 1
        parts = [part for part in getattr(tree, "children", ()) if hasattr(part, "data")]
        if kind == "expr":
            return self.count_repetition(self.count_alternatives(parts[0], names), tree.children[1:])
        counts = [self.count_alternatives(part, names) for part in parts]
        if kind == "expansions":
            return self.check_count(sum(counts))
        product = 1
        for count in counts:
            product = self.check_count(product * count)
        return product + (kind == "maybe")  # [...] may be left out: one more alternative

    def count_repetition(self, count: int, operator: Sequence[Any]) -> int:
        """Return the number of alternatives of a repetition, and count the rules that lark makes for it. Its
        part has `count` alternatives; `operator`: `?`, `*` or `+`, or `~` with one or two bounds. For
        example, `a?` has two."""
        sign, *bounds = operator
        if sign == "?":
            return count + 1
        if sign != "~":  # `*`, `+`: lark makes a recursive rule, twice the part's size
            self.count = self.check_count(self.count + 2 * count)
            return 2
        minimum, maximum = int(bounds[0]), int(bounds[-1])
        from lark.load_grammar import REPEAT_BREAK_THRESHOLD

        if maximum >= REPEAT_BREAK_THRESHOLD:  # fewer copies are written in place
            # lark splits the count into factors of at most _FACTOR: rules for each, of so many copies.
            rule_count = 2 * _FACTOR * count**_FACTOR * maximum.bit_length()
            self.count = self.check_count(self.count + rule_count)
            return 1
        return self.check_count(sum(count**copies for copies in range(minimum, maximum + 1)))

    def name_value(self, value: Any, names: Mapping[str, str]) -> str:
        """Return the name of a symbol or of the use of a template, and note each new use in `waiting`.
        `names`: as in `count_definition`."""
        (tree,) = value.children
        if getattr(tree, "data", None) != "template_usage":
            own_name = str(getattr(tree, "name", tree))
            return names.get(own_name, own_name)
        template, *arguments = tree.children
        template_name = names.get(str(template.name), str(template.name))
        use = template_name, *(self.name_value(argument, names) for argument in arguments)
        if use not in self.met:
            # A short name: the names of nested uses, written out, would double with each level.
            self.met[use] = f"{{{self.check_count(len(self.met))}}}"
            if template_name in self.templates:  # lark refuses any other name
                self.waiting.append(use)
        return self.met[use]


def check_shortest(
    rules: Iterable[Any],
    terminals: Iterable[Any],
    start: str,
    limits: Limits,
) -> None:
    """Raise LimitError if even the shortest text of a grammar takes more than `limits.oracle_steps`. The
    limit is needed because a completion writes such a text.

    `rules`, `terminals`: as lark has compiled them; `start`: the start rule. A terminal counts one step, and
    a long one the square of its least length over 125: `start: /[a-z]{5000}/` counts 200,000. Cost: that of
    `least_lengths`."""
    plain: list[tuple[str, tuple[str, ...]]] = []
    known_lengths: dict[str, int] = {}
    for rule in rules:
        symbols = tuple(str(symbol.name) for symbol in rule.expansion)
        plain.append((str(rule.origin.name), symbols))
        known_lengths |= {str(symbol.name): 1 for symbol in rule.expansion if symbol.is_term}
    # The search for a completion goes over all states of a lexeme for each byte of it.
    for terminal in terminals:
        known_lengths[str(terminal.name)] = max(1, terminal.pattern.min_width**2 // 125)
    shortest_length = least_lengths(plain, known_lengths).get(start, 0)
    if shortest_length > limits.oracle_steps:
        raise LimitError(
            f"The shortest text needs {shortest_length:,} steps.",
            limit="oracle_steps",
            where="grammar",
            cure="Reduce counts; count a long terminal in the rules: /[a-z]/~5000.",
        )
