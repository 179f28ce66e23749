"""Automata under the numbers of another process.

`renumbered_pools` puts states that were kept in a file in front of a pool that goes on from them.
`reachable_states` finds which states known rows lead to.
"""
