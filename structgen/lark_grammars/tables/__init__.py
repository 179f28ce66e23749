"""The arrays of a Lark grammar that compiled code reads, before a vocabulary is known.

`contextual_language` joins lexer, parser and completions into a `Language`. `grammar_tables` stores lexer and
parser as arrays. `prepared_lexer` computes the lexer's states once, when lark loads the grammar.
"""
