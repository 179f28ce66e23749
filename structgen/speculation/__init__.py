"""Speculative drafting under a grammar: guesses at the next tokens, for the model to check many in one pass.

A `Drafter` (one file, one class) guesses: `ForcedBytes` what the grammar leaves no choice about,
`GrammarTree` what it leaves a small choice about, `SuffixIndex` what prompt and answer hold already,
`EarlierAnswers` what a tenant's answers to the same schema said, `CallerText` the text that is being edited,
`DraftModel` what a small model finds likeliest under the mask. `Speculation` is what a request says about
them. `Drafting` joins the drafters of one text: it cuts each `Draft` to what the `Matcher` takes, fuses them
by prefix, and learns how often each is right. The planner chooses, over the trees of all texts, the nodes
that are worth their rows. `replay` counts the passes of the model that a recorded text would have taken.

The engine's loop verifies the drafts, above this package, which needs numpy and matchers alone, no torch
(docs/speculation.md).
"""
