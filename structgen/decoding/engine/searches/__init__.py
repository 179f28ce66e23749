"""Strategies that read ahead: further rows of the model begin as a text does, before its next tokens are
decided.

What comes in: a place of a text (`branches.TextPlace`). What goes out: a `strategies.strategy.Decision`.

1. `search_run` has one decision under way: a step of the loop reads the branches that the search asks for.
2. `plan` is a tree search with a reward, which `rewards` asks in a process of its own. `whole_values`
   compares a few listed values as a whole; `listed_values` finds them in a grammar.
3. `cursor` is a prefix and its continuations, which samplers use too; a `Branch` is one.
4. `confidence` says afterwards how sure the model was of each value.
"""
