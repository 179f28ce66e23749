"""`CompiledLark`: a Lark grammar compiled against a tokenizer.

A loaded grammar and a tokenizer come in; exact masks, states as values and completions go out. A mask is put
together by compiled code (`lark_grammars.compiled`) from records of lexeme states. When compiled code does
not know something, it notes a question; `lark_answers` answers it into the tables, and compiled code goes on.

`compiled_lark` is the machine. `vocabulary_tables` are the tables of grammar and vocabulary. `slow_masks` are
masks of states that only the Python reader can hold. `kept_lark` writes and reads the file of a compiled
grammar.
"""
