"""Strategies that read ahead: the model reads continuations of a text before its next tokens are decided.

A search gets a *place* (`branches.TextPlace`), which is a text with all that is known at its end. It lets the
model read *branches*, which are continuations of the text. It returns a `strategies.strategy.Decision`: the
next tokens.

1. `search_run` runs one decision: each step of the loop reads the branches that the search asks for.
2. `plan` is a tree search with a reward, a function of the user; `rewards` calls it in a separate process.
   `whole_values` compares a few listed values as a whole; `listed_values` finds them in a grammar.
   `prompt_scores` reads the tokens of a given prompt and scores them; it decides nothing.
3. `cursor` is a prefix with its continuations, which samplers use too; a `Branch` is a cursor.
4. `confidence` computes afterwards how sure the model was of each value.
"""
