"""Speculative drafting under a grammar: guesses at the next tokens, checked by the model in one pass.

What comes in: the text so far, the matcher. What goes out: a draft tree, and which of its nodes are worth a
row.

1. `drafts` are the values: `draft.Draft` (a flat tree of tokens), the `Drafter` protocol, the planner.
2. `drafters` guess, a file each: forced bytes, small choices of the grammar, suffixes of prompt and answer,
   earlier answers, the caller's text, a small model.
3. `planning` joins the drafters of one text, learns how often each is right and what a pass costs, and
   decides whether drafts pay at all.
4. `speculation_options.Speculation` is what a request may say.

The engine verifies drafts; this room needs numpy and matchers, no torch (docs/speculation.md).
"""
