"""The JSON machine: reads JSON text byte by byte, in compiled code, and fills masks.

The machine gets a network (which documents the schema allows) and a vocabulary (the trie of tokens). It gives
for any state the mask of allowed tokens, and for a state and a token the next state.

1. A state is eight registers, interned as a row (`tables.json_blocks` is the map). Equal states are equal
   numbers.
2. Compiled code knows JSON and nothing of schemas. It notes a question for each row that it misses; Python
   answers (`answers`) from the network and the automata, and the call is made again.
3. Inside a string or a numeral the effect of a token depends on the automaton's state alone. That part of a
   mask is kept in the mask store (`records`) and shared by all grammars.

Read `steps.byte_step` first: one byte of text takes the registers of a state to those of the next. Then
`masks.mask_filling`, which makes a mask of such steps and of records. `meaning` makes the network and the
automata of one grammar; `inspection` reads a state from Python; `expected` says in words what may come next.
"""
