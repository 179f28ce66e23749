"""States of a Lark grammar, their steps and their masks, in compiled code.

`lark_layout` says what the arrays hold. `parser` feeds terminals to the LR stack; `steps` moves the readings
of a state by a byte; `lark_masks` has the masks, which are made of records (`machine_core.lexeme_masks`), and
`memo` keeps them for all places that agree in what was read. `forgetting` drops places that no state needs.
"""
