"""JSON Schema: from the text of a schema to a network that says what a document may mean.

What comes in: a schema (draft 3 to v1) and policies. What goes out: a `JsonSchemaGrammar`, whose `network()`
implements `structgen.base.language.ir.Network`.

1. `reading` parses the text, resolves references, and refuses by name every keyword that is not enforced.
2. `meaning` turns subschemas into disjunctions of conjunctions of plain facts (demands and shapes), interned
   as integers.
3. `recogniser` answers the machine: which keys and items may come next (residues), and whether a value exists
   (liveness) with the shortest one.
4. `explaining` tells people what a schema means, what in it can never hold, and why.
5. `schema_source` is a schema with its policies, as the machine of JSON texts asks for it.

The door (`json_schema`) is in `structgen.grammars.json_grammars`, for it compiles, too.
"""
