"""A Lark grammar, compiled against a tokenizer.

`compiled_lark` has the class; `lark_answers` answers what compiled code asks; `kept_lark` reads the file of a
grammar and a vocabulary, `written_lark` writes it. `costs` and `lark_completions` find shortest texts,
`lark_expected` and `beaten` say what may come and what never does, and `lark_language` reads byte by byte.
"""
