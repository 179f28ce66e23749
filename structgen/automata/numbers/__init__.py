"""Numeral automata: the JSON numbers whose value meets a formula, as RFC 8259 spells them.

`number_pool.NumberPool` is the door. `number_plan` turns bounds and multiples into what an automaton can
count; `digit_steps` is the compiled step over one digit; `number_states` interns packed states; `bound_tree`
holds the digits of bounds; `interval_split` cuts an interval by first digit; `shortest_numerals` answers
whether a prefix can go on, and how shortest; `written_forms`, `form_product` and `python_spelling` restrict
how a value is written.
"""
