"""The arrays of a Lark grammar that compiled code reads, before a vocabulary is known.

`contextual_language` joins lexer, parser and completions into a `Language`. `grammar_tables` lays lexer and
parser out as arrays; `prepared_lexer` works out the lexer's states once, when lark loads the grammar.
"""
