"""States of a Lark grammar, their steps and their masks, in compiled code.

`lark_layout` says what the arrays hold. `parser` feeds terminals to the LR stack; `steps` moves a state by
bytes and tokens; `records` notes what the tokens of a trie do in a state of the lexer, `lark_masks` joins
that to a mask, and `memo` keeps it for all places that agree in what was read. `forgetting` drops places that
no state needs; `text_ends` finds the ends of texts inside tokens.
"""
