"""Drafters, a file each.

`forced_bytes` and `grammar_tree` draft where the grammar leaves no or little choice (`canonical_tokens`,
`json_layout`). `suffix_index` copies from prompt and answer (`earlier_places`);
`earlier_answers` from a tenant's earlier answers (`answer_history`); `caller_text` from the
text that is being edited. `draft_model` runs a small model.
"""
