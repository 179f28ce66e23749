"""Infilling: a masked-diffusion model fills the holes of a canvas, exactly within a grammar.

Such a model fills many positions at once and in any order, so a left-to-right mask does not apply. Here a
canvas of fixed, masked and empty slots meets the explicit automaton of a grammar in a lattice over (slot,
state). Read it as a chapter:

1. `token_automaton`: the automaton, minimal, over classes of tokens; `automata_of_grammars` makes it of what
   a caller gives, or says why there is none.
2. `lattice` (compiled in `lattice_loops`): forward-backward passes in three semirings. They give the exact
   mask of every slot, constrained marginals and log Z, the k most probable fillings, and joint samples.
3. `masked_model`: what is asked of a model; `presets` and `bidirectional` are models.
4. `canvas`: what the model reads, with the lattices over it.
5. `schedulers/`: which slots of a proposed filling are committed in a step, one file each.
6. `denoising`: the loop. Any subset of one valid filling may be committed, so it never meets a dead end.
7. `template`, `given_fields`: what is to be filled; `infill`: the call that puts all of it together;
   `obstacles` and `no_filling`: why nothing fits; `results` and `canvas_trace`: what comes out, and how it
   came to be.

What comes in: a model `forward(ids) -> logits`, a template, a grammar. What goes out: a text of the grammar.
The package stands above `structgen.engine`, beside `structgen.sampling`; it needs no torch, which only some
models do. A second tier, for context-free grammars that are not cut, would stand beside `lattice`.
"""
