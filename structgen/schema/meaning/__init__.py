"""Subschemas as disjunctions of conjunctions of plain facts, interned as integers.

What comes in: `Schema` values. What goes out: for a demand its formulas of strings and numbers, and its
shapes: facts about one object or array. Read `place` first.

- `literals` are schemas and their negations; `place` interns demands (conjunctions of literals) and places
  (disjunctions of demands).
- `scalars` and `formulas`: strings and numbers. `simple_patterns` answers questions that the text of a
  pattern decides; `wording` says formulas in words, for people.
- `facts` is a conjunction under construction, `assertions` adds the keywords of a schema to it, and `denials`
  a negation. `shape_disjunctions` makes the shapes (`shape`) of it.
- `branch_facts` reads the keywords of a branch about keys. With it `overlapping_branches`, `key_clauses` and
  `evaluated` keep independent choices from multiplying.

A new field of `Schema` is read only where `reading.keywords.SPEAKS_OF` lists it.
"""
