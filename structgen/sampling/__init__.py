"""Samplers that keep the model's own distribution. Empty so far: this page says what the package will hold.

A mask changes what a model says: it renormalises every step over the allowed tokens, and so samples from
another distribution than the model's own, conditioned on a valid text. The samplers here draw from that
conditional distribution, or return weighted draws that estimate it.

What comes in: an engine or a function `next_logprobs(ids)`, a prompt, a grammar, a number of draws. What
goes out: texts, log weights, an estimate of the normalising constant. One file holds one method (masked,
rejection, ASAp, CARS, importance, SMC, AWRS); all share one prefix tree.

The package stands above `structgen.engine`, beside `structgen.infilling`, and imports neither
`structgen.integrations` nor `structgen.typed`.
"""
