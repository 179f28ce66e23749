"""From Python objects to languages.

`type_hints` (a type, its JSON Schema, and the way back from JSON text) stands on `pydantic_schema`
(pydantic's schema, corrected where it is looser than pydantic's validation), `patterns` (regular expressions
of Rust and Python as JSON Schema reads them), `formats` (what strings pydantic takes for dates and the like)
and `attrs_classes`. `python_regex` reads a regular expression of Python's into a tree, with re's own
parser, and `python_ecma` puts it in ECMA-262's syntax; `ebnf` reads GBNF. `regex` is the annotation
`sg.Regex`. pydantic is loaded by those that need it, not before.
"""
