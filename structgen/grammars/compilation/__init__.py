"""From a grammar and a tokenizer to a compiled grammar, and explanations of grammars.

What comes in: any `Grammar`, a `Tokenizer`. What goes out: a `CompiledGrammar`, or an explanation.

1. `compiler.compile` (read it first) has the grammar compiled to its machine: JSON, text or Lark.
2. `request_bans` takes the banned texts and tokens of a request out of a grammar and a tokenizer.
3. `preloading` loads the modules and tables that a first compilation needs.
4. `explanation` explains a grammar. `schema_explanation` has the explanation of a JSON Schema: its documents,
   the parts that can never hold, the cost; `implied_constraints` finds constraints that the rest of the
   schema implies. `grammar_explanation` has the explanation of a grammar of texts: conflicts, unused rules,
   accepted texts. `explanation_text` has the layout that both share.
"""
