"""Numeral automata: the JSON numbers whose value meets a formula, as RFC 8259 spells them.

What comes in: a `Spec` of intervals and multiples. What goes out: states, rows over the 15 characters of
numerals, and shortest completions.

`number_pool.NumberPool` is the entrance, and keeps the states for all grammars. `number_plan` reduces a
formula to bounds and divisors, one side for each sign; `written_forms` says what "bounded" asks. A state is a
`Numeral` (`digit_steps`): room for digits, place among the bounds, remainder, power of ten. The one question
is whether some characters lead on to a value (`numeral_values`). `numeral_rows` fills rows.
`printed_numerals`: as Python prints.
"""
