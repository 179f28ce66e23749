"""Regular expressions: one syntax tree, and the modules that read and write it.

A *pattern* is the text of a regular expression; its *tree* has a node for each part. `a|b*` is an alternation
of a character and a repetition.

- `syntax_tree` has the nodes.
- Two readers make trees. `ecma_syntax` reads ECMA-262, the dialect of JSON Schema. `python_syntax` reads
  Python's `re`, with the help of re's own parser; `python_sets` asks re which characters a class has.
- `ecma_text` writes a tree as ECMA-262. `look_behinds` removes the look-aheads from look-behinds for it.
- `optional_counts` and `counted_class` simplify counts before automata are made.

Automata of trees are made in `automata.strings.patterns`. Lark's lexer matches trees in Python's order
(`structgen.grammars.lark_grammars.lexer`).
"""
