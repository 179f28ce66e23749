"""Regular expressions as trees.

`ecma_syntax` parses ECMA-262, the dialect of JSON Schema. `python_syntax` reads Python's with re's own
parser, and `regex_module` those of the `regex` module; `python_to_ecma` writes such a tree as an ECMA-262
pattern of the same texts. `pattern_dialects` does so for the patterns of Rust and Python that pydantic takes.
"""
