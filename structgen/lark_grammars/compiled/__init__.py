"""The compiled reader of Lark grammars: one byte, and masks.

A state and a byte, or a token, come in; the state after it, or the tokens that may come, go out. `registers`
declares the memory: states, tables, records. `lark_step` takes one byte; `lexeme_moves` codes the lexer's
moves. `continuation_proofs` proves that a text goes on. `lexeme_records` makes the record of a lexeme state:
what the tokens of a trie do in it; `paired_lexemes` does so for a lexeme whose end is not yet certain.
`lark_masks` puts masks together from records, and has the entry points; `mask_fragments` keeps their parts.
"""
