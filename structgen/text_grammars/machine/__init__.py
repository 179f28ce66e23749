"""The contract of a text language, and the machine that masks one.

`language` is the contract: configurations, a step over a byte, the shortest rest. `compiled_text` numbers
configurations and walks the trie through a table of steps (`step_table`, compiled in `stepping`). A *part* is
a language with masks of its own inside another (`part`, `masked_language`, `part_ends`, `mask_union`).
`mask_reuse` shares masks between states that go on alike; `completing` counts tokens; `scanning` reads
terminals side by side.
"""
