"""Subschemas as disjunctions of conjunctions of plain facts, interned as integers.

`place` interns demands (conjunctions) and places (disjunctions); `assertions` pushes negation inward; `shape`
and `shape_disjunctions` hold facts about one object or array; `branch_facts` reads what a branch says of
keys, from which `overlapping_branches`, `key_clauses` and `evaluated` keep independent choices from
multiplying; `scalars` and `formulas` are strings and numbers. A new field of `Schema` is read only where
`reading.keywords.SPEAKS_OF` lists it.

`literals` are schemas and their negations as they stand in a conjunction, `denials` adds a negation to one.
`simple_patterns` answers what shows on the face of a pattern; `wording` says formulas in words, for people.
"""
