"""The contract of a text language, and the machine that masks one.

`language` is the contract: configurations, a step over a byte, the shortest rest. `compiled_text` numbers
configurations; compiled code reads tokens through a table of steps (`step_table`, `stepping`) and makes masks
(`text_masks`), of a language with a parser from what tokens do inside lexemes (`lexeme_rows`). A *part* is a
language with masks of its own inside another (`masked_part`, `masked_language`, `part_ends`, `part_reading`).
`rest_completions` counts tokens; `scanning` reads terminals side by side.

`numbered_text` numbers configurations as texts reach them; `random_sentences` draws words of a language.
"""
