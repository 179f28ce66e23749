"""The transition network of a schema: what may come next, and is there an end.

`schema_network.SchemaNetwork` implements `Network`. `objects`, `members`, `arrays` and their helpers step a
residue over a key or an item. `schema_liveness` finds a witness of a demand: is there a value, and which is
the shortest; `object_search` and `array_search` find it for objects and arrays. `wide_unions` is a case in
which a product of all threads would be too large. `smallest_contradiction` finds the keywords that a refusal
names.

Of objects: `object_keys` has their keys as values, `object_frames` makes these, `key_order` is the declared
order, `value_outcomes` says in which of several sets a value lies. Of arrays: `array_progress` is one
thread. Of both: `distinct_values` are points that must differ, `excluded_values` those that may not be
equalled. `early_refusals` walks the first places, so that a refusal comes before the first token.
"""
