"""Numeral automata: the JSON numbers whose value meets a formula, as RFC 8259 spells them.

What comes in: a `Spec` of intervals and multiples. What goes out: states, rows over the 15 characters of
numerals, and shortest completions.

`number_pool.NumberPool` is the entrance. `number_plan` reduces a formula to bounds and divisors, one side
for each sign. A state holds the room for digits, the place among the bounds (`bound_trie`) and the
remainder by the divisors; `digit_steps` (compiled) steps and judges states, `number_states` interns them
for all grammars. `interval_split` cuts a side by first digit; `shortest_numerals` completes a prefix by
arithmetic. How a value is written: `written_forms` (integers of drafts 3 and 4), `python_spelling` and
`form_product` (as Python prints).
"""
