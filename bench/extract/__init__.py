"""The documents of bench/bench_extract.py, each with the items that it states for certain.

A file writes one document: its words, its sentences that state items, its sentences that state nothing of the
kind (names, days and amounts stand in these too), an instruction, and two worked examples. `writing` is what
they share. The documents `open` and `sealed` have no words, sentences or kinds of items in common.
"""
