"""Answers to the questions of compiled code, written into its tables by Python.

`expander` asks the network and the automata and writes rows; `scalar_questions` are the automata as the
network asks them.

`item_text` is the text of an item from its log; `spec_shapes` tells strings that need no whole automaton.
"""
