"""The transition network of a schema: what may come next, and is there an end.

`schema_network.SchemaNetwork` implements `Network`. `objects`, `members`, `arrays` and their helpers step a
residue over a key or an item. `schema_liveness` asks whether a demand has a value and which is shortest;
`object_search` does so for objects by goal-directed search. `overlapping_key_patterns` is for patterns of
keys whose product would be too large.
"""
