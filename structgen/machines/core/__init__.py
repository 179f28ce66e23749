"""The types that all rooms above use: a grammar, a compiled grammar, its states, and the matcher.

A call brings a compiled grammar (of any machine) and tokens. It gets masks, the states after tokens, and
events. Read `compiled` first.

1. `grammar.Grammar` is a language as a value; its method `compiled` chooses the machine.
2. `compiled.CompiledGrammar` is the interface of every machine. Its states are frozen values.
3. `matcher.Matcher` is a cursor over states: fill_mask, advance, rollback, fork.
4. `batch` fills the masks of many matchers in one call, `draft_masks` those of draft trees. The failure of
   one row never stops the others.
5. `narrowed_text` is a compiled grammar around another one, with narrower masks; `forced_text` is one that
   writes canonical tokens and continues prompts. Another one is bench/methods/monitored_text.py.
6. `dfa` writes all states out over classes of tokens.
7. `grammar_addresses` has the addresses of a compiled grammar for C code.
8. `token_counts` counts the tokens that complete a document; `string_values` checks strings for validators.

The public names are in structgen/core.py.
"""
