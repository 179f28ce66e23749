"""Sets of code points, and their UTF-8.

`charsets` is the algebra of sorted ranges; `properties` are the classes that `\\p{...}` names, read from
tables (`range_tables`); `partition` divides code points into classes that a few sets cannot tell apart;
`utf8` makes a set of code points an automaton over bytes; `cached_sets` keeps sets that take long to ask of
Python.
"""
