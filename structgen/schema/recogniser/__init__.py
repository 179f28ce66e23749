"""The transition network of a schema: the keys, items and values that may come next, and the ends.

What comes in: a `Document`, and oracles for strings and numbers. What goes out: `SchemaNetwork`, which
implements `Network` (`base.language.ir`). Read `schema_network` first, then `objects` and `arrays`.

- Objects: `objects` steps a residue over a key, and `members` a thread of it. `object_keys` has the keys of
  an object as values, `object_frames` makes them, and `key_order` is their declared order. `value_outcomes`
  finds the sets in which a value lies; `wide_unions` is the case of many threads.
- Arrays: `arrays` steps a residue over an item, `array_progress` one thread of it.
- Both: `distinct_values` are values that must differ, `excluded_values` values that must not be equalled.
- Ends: `schema_liveness` finds whether a demand has a value, and the shortest one; `object_search` and
  `array_search` do it for objects and arrays.
- Refusals: `smallest_contradiction` finds the keywords that an error names; `early_refusals` walks the first
  places, so that a refusal comes before the first token.
"""
