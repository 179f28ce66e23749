"""The compiled reader of Lark grammars: one byte, and masks.

Input: a state and a byte or a token. Output: the state after it, or the tokens that may come. `registers`
declares the memory: states, tables, records. `lark_step` takes one byte. `lexeme_moves` encodes the lexer's
moves. `live_texts` tells whether a text can be completed. `lexeme_records` makes the record of a
lexeme state, the effect of each token of a trie in it; `paired_lexemes` does so for a lexeme whose end is
still open. `lark_masks` makes masks of records and has the entry points. `mask_fragments` caches parts of
masks.
"""
