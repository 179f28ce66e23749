"""Drafters, each in its own file. A drafter guesses the next tokens of a text, as a tree (a *draft*).

- `grammar_tree` drafts where the grammar leaves little or no choice. `json_layout` learns the white space.
- `ngrams` drafts from texts that are known: prompt and answer, the caller's text, earlier answers
  (`answer_history`).
- `draft_model` runs a small model.
- `seen_laws` drafts what the model found likely in other samples of the same request.
"""
