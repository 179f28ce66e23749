"""`CompiledLark`: a Lark grammar compiled against a tokenizer.

Input: a loaded grammar and a tokenizer. Output: exact masks, states as values, completions. Compiled code
(`lark_grammars.compiled`) computes a mask from records of lexeme states. If it does not know something, it
notes a question; `lark_answers` writes the answer into the tables, and compiled code is called again.

`compiled_lark` is the machine. `vocabulary_tables` are the tables of grammar and vocabulary. `slow_masks` are
masks of states that only the Python reader can represent. `kept_lark` writes and reads the file of a compiled
grammar.
"""
