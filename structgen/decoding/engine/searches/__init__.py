"""Searches: decoding strategies that read ahead before they decide, each one file.

What comes in: a place of a text (`branches.TextPlace`), with the model's logits. What goes out: the next
tokens (`strategies.strategy.Decision`), which the engine then takes one by one, each with the figures of its
step.

1. `cursor` is a prefix and what may follow it; `branches` adds mask, law and noise.
2. `search_run` is one decision under way. A step of the loop reads one pass for it; other texts go on.
3. `plan` and the files beside it are the searches.

Beside `plan`: `whole_values` finds the likeliest of `listed_values` as a whole, `confidence` says how sure
the model was, `rewards` scores texts by a function of the user.
"""
