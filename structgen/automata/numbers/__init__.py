"""Numeral automata: the JSON numbers whose value meets a formula, as RFC 8259 spells them.

What comes in: a `Spec` of bounds, sets and divisors. What goes out: states, whole rows over the 15 characters
of numerals, and shortest completions.

`number_pool.NumberPool` is the entrance, a pool of one grammar as that of strings. `written_forms` says how a
policy lets numerals be written, `numeral_forms` is that form as patterns, Python's own included.
`value_automata` draws the automata that compare with a bound, know a set, or divide; `numeral_automata` is
what they are drawn with. Products and minimal automata are those of strings (`strings.formula_automata`).

`double_readers` leaves out numerals that readers of doubles take for another number.
"""
