"""Byte automata for strings and numbers: whole and minimal, made when a formula is first asked for.

What comes in: formulas over patterns, formats, lengths, words and intervals (`structgen.base.language.ir`).
What goes out: numbered states, their transitions over bytes, and the shortest text that ends in acceptance.

A string takes this way: `regex` reads patterns into trees; `formats` has those of JSON Schema's formats;
`strings` turns trees into nondeterministic automata (Thompson's construction), determinises them (subset
construction), joins them by products, and makes the result minimal. `numbers` does the same for numerals by
arithmetic, and takes the form of Python's numerals from `strings`. `unicode` below them has sets of code
points. Each room imports only those before it.

Counted repetitions (`{3,500}`) are written out; lengths (`maxLength`) are counted. Only states from which
some text leads to acceptance are kept.
"""
