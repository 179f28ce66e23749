"""The transition network of a schema: what may come next, and is there an end.

`schema_network.SchemaNetwork` implements `Network`. `objects`, `members`, `arrays` and their helpers step a
residue over a key or an item. `schema_liveness` finds a witness of a demand: is there a value, and which is
the shortest. `object_search` does so for objects. `wide_unions` is a case in which a product of all
threads would be too large. `smallest_contradiction` finds the keywords that a refusal names.
"""
