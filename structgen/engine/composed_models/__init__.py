"""Models that are made of models. Each has `vocab_size`, `context`, `prefill` and `decode`, so it works under
grammars, searches, samplers and all else that the engine does with a model.

1. `part_models` finds the models that a user names, and reads on with one of them.
2. `switched` has a small model write where it is sure, and a large one where it is not.
3. `fused` adds what another model, with another tokenizer, says of the same bytes; `byte_frontier` has the
   probability that this model's text begins with some bytes.
"""
