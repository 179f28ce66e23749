"""Drafters, a file each.

`forced_bytes` and `grammar_tree` draft what the grammar leaves little choice about (`canonical_tokens`,
`json_layout`); `suffix_index` copies from prompt and answer (`suffix_automaton`, compiled in
`suffix_tables`); `earlier_answers` from what a tenant was answered before (`answer_history`); `caller_text`
from the text that is being edited; `draft_model` asks a small model.
"""
