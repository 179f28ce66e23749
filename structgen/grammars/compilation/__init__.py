"""From a grammar and a tokenizer to a compiled grammar, and what there is to say about grammars.

What comes in: any `Grammar`, a `Tokenizer`. What goes out: a `CompiledGrammar`, or an explanation.

1. `compiler.compile` chooses the machine: JSON, text or Lark.
2. `explanation` says what a schema means, what in it can never hold, and what it costs; `implied_constraints`
   finds constraints that the rest of a schema implies.
3. `request_bans` takes what a request bans out of a grammar and a tokenizer.
4. `grammar_explanation` says the same of grammars of texts: conflicts, unused rules, what is accepted.

`schema_explanation` is the explanation of a JSON Schema, `explanation_text` what all explanations share;
`preloading` loads ahead what a first compilation needs.
"""
