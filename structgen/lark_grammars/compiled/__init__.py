"""The compiled reader of Lark grammars: one byte, and masks.

`registers` is the map. `lark_step` takes one byte; `lexeme_moves` holds the lexer's moves; `lexeme_records`,
`record_harvest` and `record_shapes` note what tokens do inside a lexeme; `paired_lexemes` follow an end that
is not yet certain; `mask_fragments` reuses parts of masks; `continuation_proofs` proves that a text goes on;
`lark_masks` has the entry points.
"""
