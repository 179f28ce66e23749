"""The transition network of a schema: what may come next, and is there an end.

`schema_network.SchemaNetwork` implements `Network`. `objects`, `members`, `arrays` and their helpers step a
residue over a key or an item. `schema_liveness` finds a witness of a demand: is there a value, and which is
the shortest; `object_search` and `array_search` find it for objects and arrays. `wide_unions` is a case in
which a product of all threads would be too large. `smallest_contradiction` finds the keywords that a refusal
names.
"""
