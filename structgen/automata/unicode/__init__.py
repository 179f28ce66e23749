"""Sets of code points, and their UTF-8.

`charsets` is the algebra of sorted ranges. `properties` are the classes that `\\p{...}` names, read from
tables (`range_tables`). `partition` divides code points into the coarsest classes for some sets. `utf8`
turns a set of code points into an automaton over bytes.

`decoded_text` is decoded text as bytes, with three for a lone surrogate.
"""
