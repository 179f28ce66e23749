"""Speculative decoding under a grammar: drafts of the next tokens, which the model verifies in one pass.

A *draft* is a tree of guessed tokens; each node is one token after its parent. A *drafter* is an object that
makes drafts. The model *verifies* a draft: one forward pass reads all its nodes, and the longest path that
the model would have written itself is *accepted*. A *row* is the logits after one node, one unit of work.

What comes in: the text so far, the matcher. What goes out: a draft tree, reduced to the nodes that are worth
a row of the forward pass.

1. `drafts` has the values: `draft.Draft` (a flat tree of tokens), and the `Drafter` protocol.
2. `drafters`: forced bytes and small choices of the grammar; texts that are known (prompt and answer, the
   caller's text, earlier answers); a small model.
3. `planning` joins the drafters of one text, learns their acceptance rates and the cost of a pass, and
   decides whether to draft at all.
4. `speculation_options.Speculation` has the options of a request.

`guarded` calls a caller's drafter, which may fail or be slow.

The engine verifies drafts. This package needs numpy and matchers, not torch (docs/speculation.md).

The public names are in structgen/speculation.py.
"""
