"""Pairs of a call and the value that it should have, and what a typed function makes of them.

`worked_examples` makes documents of the values, checked by the type and the grammar, and chooses those that
a prompt has. `scores` compares a function's answers with the values, field by field. `fitting` chooses
examples, and finds how sure the model must be of a field, by such scores. What people hand in as pairs is
read by `asking.request_reading.example_pairs`.

What comes in: the form of what is wanted, and pairs. What goes out: documents for prompts, tables of right
fields, thresholds. Nothing here asks a model, and nothing is written to disk: `functions` hands in what asks,
and `fitting` is given the functions that it tries.
"""
