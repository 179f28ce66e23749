"""Draft trees, the protocol of drafters, and the choice of nodes that are worth a row.

`draft` is the tree and its builder, `flat_trees` its compiled loops, `drafter` the protocol of drafters and
its arguments, `planner` the choice over many trees, `grammar_memo` a memo of each compiled grammar.
"""
