"""Answers to the questions of compiled code, written into its tables by Python.

Read `expander` first: it asks the network and the automata, and writes rows. `scalar_questions` answers the
network's own questions about strings and numbers by the automata. `item_text` makes the text of an item from
its log; `spec_shapes` recognises strings that need no whole automaton.
"""
