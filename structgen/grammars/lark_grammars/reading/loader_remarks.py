"""Collects remarks about a grammar: conflicts that lark resolves silently, unused rules and terminals.

A *conflict* is a state of the LALR(1) parser in which a terminal allows two actions. To *shift* is to read
the terminal; to *reduce* is to finish a rule. An *item* is a rule with the number of its symbols that were
read. As text it has a dot there: `s: IF e • ELSE s`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from structgen.base.language.remarks import Conflict, Remarks
from structgen.grammars.lark_grammars.reading.loaded_grammar import rule_as_written
from structgen.grammars.text_grammars.context_free.rules import reachable_symbols


def _item_text(rule: Any, dot: int) -> str:
    """Return an item as text. `dot`: how many symbols of the rule were read."""
    names = [symbol.name for symbol in rule.expansion]
    names.insert(dot, "•")
    return f"{rule.origin.name}: {' '.join(names)}"


def conflicts_of(analysis: Any) -> tuple[Conflict, ...]:
    """Return the conflicts that lark's LALR(1) analysis (`LALR_Analyzer`) resolved, each once.

    lark shifts where it could reduce too, and of several rules it reduces by the one of the highest priority
    (lark/parsers/lalr_analysis.py). Cost: a few milliseconds for a thousand states.
    """
    conflicts: set[Conflict] = set()
    for state in analysis.lr0_itemsets:
        shifts = {symbol.name for symbol in state.transitions if symbol.is_term}
        for terminal, rules in state.lookaheads.items():
            if len(rules) == 1 and terminal.name not in shifts:
                continue
            sorted_rules = sorted(rules, key=_priority_key)
            reduce_texts = [_item_text(rule, len(rule.expansion)) for rule in sorted_rules]
            # The first reduction wins over the others, and a shift over all of them.
            winning_texts = reduce_texts[:1]
            losing_texts = reduce_texts[1:]
            if terminal.name in shifts:
                losing_texts = reduce_texts
                winning_texts = sorted(
                    _item_text(item.rule, item.index)
                    for item in state.closure
                    if not item.is_satisfied and item.next == terminal
                )
            conflicts.add(Conflict(terminal.name, tuple(winning_texts), tuple(losing_texts)))
    # lark's states are in sets, whose order differs between processes.
    return tuple(sorted(conflicts, key=_conflict_key))


def _priority_key(rule: Any) -> tuple[int, str]:
    """Return the key by which rules are sorted: rules of the highest priority come first."""
    return -(rule.options.priority or 0), str(rule)


def _conflict_key(conflict: Conflict) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    return conflict.terminal, conflict.dropped, conflict.kept


def remarks_of(
    grammar: Any,
    built: Any,
    analysis: Any,
    start: str,
    never: tuple[str, ...],
) -> Remarks:
    """Return the remarks about a grammar. `grammar`, `built`, `analysis`: lark's `Grammar`, the `Lark` that
    was built of it, and its parser's `LALR_Analyzer`. `start`: the start rule; `never`: the terminals that
    nothing makes."""
    used_terminals = set(built.ignore_tokens)
    indenter = built.options.postlex
    if indenter is not None:
        used_terminals |= {indenter.NL_type, indenter.INDENT_type, indenter.DEDENT_type}
    unused = unused_names(grammar, built.rules, used_terminals, start)
    return Remarks(conflicts_of(analysis), *unused, never)


def unused_names(
    grammar: Any,
    expanded_rules: Sequence[Any],
    used_terminals: set[str],
    start: str,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the rules of a `grammar` (lark's `Grammar`) that the `start` rule does not reach, and the
    terminals that no reached rule uses. `expanded_rules`: the rules that lark expanded; `used_terminals`:
    terminals that are used outside of rules. For `start: A` and `other: B` it returns `("other",)` and
    `("B",)`."""
    expansions = []
    for rule in expanded_rules:
        nonterminals = tuple(symbol.name for symbol in rule.expansion if not symbol.is_term)
        expansions.append((rule.origin.name, nonterminals))
    reachable = reachable_symbols(expansions, [start])
    # An instance of a template is a rule `name{arguments}`.
    used_rules = {rule_as_written(name).partition("{")[0] for name in reachable}
    unused_rules = sorted(str(name) for name, *_rest in grammar.rule_defs if name not in used_rules)

    used_terminals = set(used_terminals)
    for rule in expanded_rules:
        if rule.origin.name in reachable:
            used_terminals.update(symbol.name for symbol in rule.expansion if symbol.is_term)
    # lark has inlined the trees of terminals into the trees that name them, so a part is found as an object.
    trees = {str(name): tree for name, (tree, _priority) in grammar.term_defs}
    names = {id(tree): name for name, tree in trees.items() if tree is not None}
    parts: dict[str, tuple[str, ...]] = {}
    for name, tree in trees.items():
        subtrees = () if tree is None else tree.iter_subtrees()
        parts[name] = tuple(names[id(part)] for part in subtrees if id(part) in names)
    reachable_terminals = reachable_symbols(parts.items(), used_terminals & parts.keys())
    return tuple(unused_rules), tuple(sorted(parts.keys() - reachable_terminals))
