"""JSON Schema grammars, compiled: the JSON machine as a `CompiledGrammar`.

What comes in: a `JsonSchemaGrammar` and a vocabulary. What goes out: a `CompiledSchema`.

1. `schema_grammar` has the public function `json_schema`, and `JsonSchemaGrammar`, which it returns.
2. `compiled_schema` joins the machine's tables, the network (the schema as the machine asks for it: which
   keys, items and values may come) and the mask store. `text_readers` compiles the grammars that strings must
   match; `plain_network` makes a network without a machine, for callers who only ask about documents.
3. `prompting` describes a schema in one line for a prompt, which `outline_writer` writes; `document_values`
   turns documents into Python values.
4. `completion` finds the shortest text that ends a document, and the tokens that it takes. This bounds
   `tokens_to_finish` and `budget=`.
"""
