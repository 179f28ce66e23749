"""Subschemas as disjunctions of conjunctions of plain facts, interned as integers.

`place` interns demands (conjunctions) and places (disjunctions); `assertions` pushes negation inward; `shape`
and `shape_disjunctions` hold facts about one object or array; `key_clauses`, `evaluated` and
`overlapping_branches` keep independent choices from multiplying; `scalars` and `formulas` are strings and
numbers.
"""
