"""A Lark grammar, compiled against a tokenizer.

`loaded_lark` has the grammar as it was loaded, `compiled_lark` the compiled one. `lark_answers` answers what
compiled code asks; `kept_lark` reads and writes the file of a grammar. `costs` and `lark_completions` find
shortest texts, `lark_expected` and `beaten` say what may come and what never does, and `lark_language` reads
byte by byte.

`bound_lark` has grammars whose declared terminals are bound to other grammars.
"""
