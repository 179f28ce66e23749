"""JSON Schema grammars, compiled: the JSON machine as a `CompiledGrammar`.

What comes in: a `JsonSchemaGrammar` and a vocabulary. What goes out: a `CompiledSchema`.

1. `schema_grammar` is the door: `json_schema`, and `JsonSchemaGrammar`, which it returns.
2. `compiled_schema` joins the machine's tables, the network and the mask store; `text_readers` compiles the
   grammars that strings are held to; `plain_network` is a network without a machine, for who only asks.
3. `prompting` says a schema in one line for a prompt, which `outline_writer` writes; `document_values` makes
   Python values of documents.
4. `completion` finds the shortest text that ends a document, and how many tokens that takes: the bound behind
   `tokens_to_finish` and `budget=`.
"""
