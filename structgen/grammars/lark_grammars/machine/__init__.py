"""States of a Lark grammar, their steps and their masks, in compiled code.

What comes in: the number of a state, and a byte or a token. What goes out: the next state, a mask, or ASKED
with questions, which `compiled.lark_answers` answers before the call is made again.

`lark_layout` has the arrays and their fields, and is the file to read first. `parser` feeds terminals to the
LR stack; `steps` moves the readings of a state by a byte; `lark_masks` has the masks, which are made of
records (`machine_core.lexeme_masks`), and `memo` keeps them for all places whose topmost cells agree.
`forgetting` drops places that no state needs.
"""
