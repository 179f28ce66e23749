"""Byte automata for strings and numbers, determinised state by state as texts reach them.

What comes in: formulas over patterns, formats, lengths, words and intervals (`structgen.base.language.ir`).
What goes out: numbered states, their transitions over bytes, and the shortest text that ends in acceptance.

A string takes this way: `regex` reads patterns into trees; `programs` turns trees into nondeterministic
automata (Thompson's construction); `formats` has the programs of JSON Schema's formats; `strings`
determinises the product of a formula's programs lazily (subset construction). `numbers` does the same for
numerals by arithmetic, and takes the form of Python's numerals from `strings`. `unicode` below them has sets
of code points. Each room imports only those before it.

Counters (`{3,500}`, `maxLength`) are part of states and never unrolled. Only states from which some text
leads to acceptance are kept.
"""
