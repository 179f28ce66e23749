"""Byte automata for strings and numbers, determinised state by state as texts reach them.

What comes in: formulas over patterns, formats, lengths, words and intervals (`structgen.language.ir`).
What goes out: numbered states, their transitions over bytes, and the shortest text that ends in acceptance.

The rooms, each over those before it: `unicode` (sets of code points), `regex` (patterns as trees),
`programs` (trees as instructions), `formats` (the formats of JSON Schema as automata), `strings` (lazy subset
construction over the instructions), `numbers` (numerals whose value lies in a set), `renumbering` (states of
another process under this one's numbers).

Counters (`{3,500}`, `maxLength`) are carried in states and never unrolled.
"""
