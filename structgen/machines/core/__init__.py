"""What everyone holds: a compiled grammar, its states, and the matcher.

What comes in: a compiled grammar (any machine), tokens. What goes out: masks, next states, events.

1. `compiled.CompiledGrammar` is the interface of every machine. Its states are frozen values.
2. `matcher.Matcher` is a cursor over states: fill_mask, advance, rollback, fork.
3. `batch` fills masks of many matchers in one call; `draft_masks` those of draft trees. One row's failure
   never stops the others.
4. `narrowed_text` is a compiled grammar around another one, with narrower masks; `forced_text` is one:
   canonical tokens, healed prompts. Another is bench/methods/monitored_text.py.
5. `dfa` writes all states out over token classes.
6. `grammar_addresses` has a compiled grammar's addresses for C code.

The public names are in structgen/core.py.

`token_counts` counts the tokens that complete a document; `string_values` judges strings for validators.
"""
