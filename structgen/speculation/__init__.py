"""Speculative decoding under a grammar: drafts of the next tokens, which the model verifies in one pass.

What comes in: the text so far, the matcher. What goes out: a draft tree, reduced to the nodes that are worth
a row of the forward pass.

1. `drafts` has the values: `draft.Draft` (a flat tree of tokens), the `Drafter` protocol, the planner.
2. `drafters` has a file for each drafter: forced bytes, small choices of the grammar, suffixes of prompt and
   answer, earlier answers, the caller's text, a small model.
3. `planning` joins the drafters of one text, learns their acceptance rates and the cost of a pass, and
decides
   whether to draft at all.
4. `speculation_options.Speculation` has the options of a request.

The engine verifies drafts. This package needs numpy and matchers, not torch (docs/speculation.md).
"""
