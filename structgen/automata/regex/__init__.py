"""Regular expressions: one tree, its readers, and the text that formulas hold.

`syntax_tree` has the nodes. Two readers make them: `ecma_syntax` reads ECMA-262, the dialect of JSON Schema;
`python_syntax` reads Python's `re`, and `regex_module` the `regex` module (both from re's own parse tree,
`re_parse_tree`). Three back ends read them: `programs` makes byte automata, Lark's lexer matches in Python's
order (`structgen.lark_grammars.lexer.ordered_matching`), and `ecma_text` writes ECMA-262. The first and the
last look for any match, so `atomic_groups` rewrites atomic groups for them.

`pattern_dialects` is a rewriting of text: Rust's and Python's patterns in a pydantic schema, as ECMA-262.
"""
