"""Drafters, a file each.

`grammar_tree` drafts where the grammar leaves no or little choice (`json_layout`); `ngrams` from texts that
are known: prompt and answer, the caller's text, earlier answers (`answer_history`). `draft_model` runs a
small model.

`seen_laws` drafts what the model found likely in other samples.
"""
