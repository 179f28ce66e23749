"""Answers to the questions of compiled code, written into its tables by Python.

`expander` asks the network and the automata and writes rows; `machine_tables` allocates and grows tables;
`scalar_questions` are the automata as
the network asks them; `accepting_lengths` counts `maxLength` beside an automaton.
"""
