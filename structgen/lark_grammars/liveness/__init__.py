"""Does a Lark text go on, and with which rest?

`always_completable` certifies parser states from which every stack can be completed (searched in
`always_completable_search`); `reduction_plans` tells how a rule ends; `terminal_tails` what may follow a
terminal without a separator; `completions` searches a rest; `emptiness` proves that there is none.
"""
