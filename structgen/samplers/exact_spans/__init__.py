"""Texts that are looked for, and not drawn: the likeliest texts of a grammar, and spans of a document that a
model would quote.

What comes in: a model, a prompt, a grammar or a document. What goes out: texts with their log-probabilities,
and for `most_probable` a proof or a bound. The rows of logits are those of the samplers (`problem`, `rows`,
`target`), which know nothing of this room.
"""
