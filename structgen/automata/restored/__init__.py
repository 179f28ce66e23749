"""Automata restored from a file, which go on where another process stopped.

`restored_pools` puts stored states in front of a pool: stored rows answer at once, and the pool is made
when a row is missing. `reachable_states` finds the states that known rows lead to, which are the ones worth
storing.
"""
