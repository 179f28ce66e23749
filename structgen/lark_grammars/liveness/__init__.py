"""Does a Lark text go on, and with which rest?

`certified_states` certifies parser states from which every stack can be completed (searched in
`certified_states_search`); `shortest_completions` tells how a rule ends; `unseparated_terminals` what may
follow a terminal without a separator; `oracle` searches a rest; `emptiness` proves that there is none.
"""
