"""Numeral automata: the JSON numbers whose value meets a formula, as RFC 8259 spells them.

A *numeral* is the text of a number, such as "1.50"; its *value* is an exact decimal, 1.5. An *atom* is a
condition on the value: ranges (bounds and listed numbers), or a divisor (`multipleOf`). A *policy* decides
how numbers may be written: with how many digits, with an exponent or not.

The input is a `Spec`, the formulas on a number. The output is states, rows of transitions over the 15
characters of numerals, and shortest completions.

- `number_pool.NumberPool` is the entrance: the numeral automata of one grammar.
- `written_forms` decides which numerals a policy allows. `numeral_forms` writes that as patterns.
- `value_automata` makes the automata of atoms, with the tools of `numeral_automata`.
- `double_readers` leaves out numerals that change their meaning when they are rounded to doubles.

Products and minimal automata are made as for strings (`strings.formula_automata`).
"""
