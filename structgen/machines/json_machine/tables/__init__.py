"""The tables that compiled code reads, and their map.

`layout` says where everything lies: the context block, the registers of a state, the tables. `table_rows`
interns rows and notes questions; `residues`, `string_tables` and `text_lists` read what the network, the
automata and the lists of words have put there.
"""
