"""A Lark grammar, compiled against a tokenizer.

What comes in: the tables of `reading`, and a tokenizer. What goes out: a `CompiledLark` with masks,
completions and expectations.

`loaded_lark` has the grammar as it was loaded, `compiled_lark` the compiled one: read these first.
`lark_answers` answers the questions of compiled code; `kept_lark` reads and writes the file of a grammar.
`costs` and `lark_completions` find shortest texts. `lark_expected` says which terminals may come next, and
`beaten` which ones never do. `lark_language` reads a grammar byte by byte.

`bound_lark` has grammars whose declared terminals are bound to other grammars.
"""
