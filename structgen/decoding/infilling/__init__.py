"""Infilling: a masked-diffusion model fills the holes of a canvas, exactly within a grammar.

Such a model fills many positions at once and in any order, so a left-to-right mask does not apply. Instead,
the slots of a canvas (fixed, masked or empty) and the explicit automaton of a grammar form a lattice over
(slot, state).

1. `token_automaton`: the minimal automaton over classes of tokens, and its edges. `automata_of_grammars`
   makes it of a grammar, or says why there is none.
2. `lattice`: the exact mask of every slot, and the law of a slot over it. `lattice_loops` has what is
   compiled: sets of nodes taken over a slot.
3. `masked_model`: the protocol of models. `presets` and `bidirectional` are models.
4. `canvas`: the model's input, with the lattices over it.
5. `schedulers`: which slots a step fills, and with which tokens; never with one that fits no filling.
6. `denoising`: the loop. It never meets a dead end.
7. `template`, `given_fields`: the input of `infill`, which joins all of this. `obstacles`: why there is no
   filling. `results`: the output, and a page that shows the steps.

What comes in: a model `forward(ids) -> logits`, a template, a grammar. What goes out: a text of the grammar.
The package is above `structgen.decoding.engine`, beside `structgen.decoding.samplers`; only some models need
torch. Context-free grammars without a depth limit would need a second kind of lattice.

`intersection` joins the types of holes with a grammar of the whole text; `text_behind` lets the last token
of a hole hold the punctuation after it.
"""
