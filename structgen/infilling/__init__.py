"""Infilling for diffusion language models. Empty so far: this page says what the package will hold.

A masked-diffusion model fills many positions at once and in any order, so a left-to-right mask does not
apply. Here a canvas of fixed, masked and hole slots meets the explicit automaton of a grammar
(`compiled.to_dfa`) in a lattice over (slot, state); forward-backward passes over it give the exact mask of
every slot, constrained marginals, the most probable assignment and joint samples.

What comes in: a model `forward(ids) -> logits`, a canvas, a grammar. What goes out: a filled canvas that is
a text of the grammar. One file holds one scheduler (the order in which slots are committed).

The package stands above `structgen.engine`, beside `structgen.sampling`, and imports neither
`structgen.integrations` nor `structgen.typed`.
"""
