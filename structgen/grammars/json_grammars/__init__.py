"""JSON Schema grammars, compiled: the JSON machine as a `CompiledGrammar`.

What comes in: a `SchemaGrammar` and a vocabulary. What goes out: a `CompiledSchema`.

1. `compiled_schema` joins the machine's tables, the network and the mask store.
2. `completion` finds the shortest text that ends a document, and how many tokens that takes: the bound behind
   `tokens_to_finish` and `budget=`.
"""
