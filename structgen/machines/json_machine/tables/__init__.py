"""The tables that compiled code reads, and their map.

`json_blocks` says where everything lies: the context block, the registers of a state, the tables.
`json_tables` makes the tables; `lookups` reads what the network, the automata and the lists of words have
put there.
"""
