"""Regular expressions: one tree, its readers, and the text that formulas hold.

`syntax_tree` has the nodes. Two readers make them: `ecma_syntax` reads ECMA-262, the dialect of JSON Schema;
`python_syntax` reads Python's `re` from re's own parse tree, and `python_sets` asks re which characters a
class has. Three back ends read them: `automata.strings.patterns` makes automata, Lark's lexer matches in
Python's order (`structgen.grammars.lark_grammars.lexer`), and `ecma_text` writes ECMA-262, for which
`look_behinds` puts look-behinds without look-aheads.

`pattern_dialects` is a rewriting of text: Rust's and Python's patterns in a pydantic schema, as ECMA-262.

`optional_counts` and `counted_class` write counts more plainly, for automata.
"""
