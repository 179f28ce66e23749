"""`CompiledLark`: a Lark grammar compiled against a tokenizer.

`compiled_lark` is the machine; `lark_questions` answers what compiled code asks; `vocabulary_tables` are the
tables of grammar and vocabulary; `followed_masks` fills masks of states where Python's reader has a part;
`kept_lark` writes and reads the file of a compiled grammar.
"""
