"""Infilling: a masked-diffusion model fills the holes of a canvas, exactly within a grammar.

Such a model fills many positions at once and in any order, so a left-to-right mask does not apply.

A *template* is a text with holes, e.g. `{"age": {age: int, 4}}`. A *hole* is a place where text is to come.
A *slot* is a position for one token: it is fixed, masked (to be filled) or empty. The *canvas* is the
sequence of all slots after a prompt, and a *filling* gives each masked slot a token or leaves it empty.
A *lattice* pairs each slot with each state of the grammar's automaton. It tells which tokens a slot may hold
in some valid filling. The *law* of a slot is the probability of each of these tokens.

1. `token_automaton`: the minimal automaton over classes of tokens, and its edges. `automata_of_grammars`
   makes it of a grammar, or describes why there is none.
2. `lattice`: the exact mask of every slot, and its law. `lattice_loops` has the compiled loops, which take
   sets of nodes over one slot.
3. `masked_model`: the protocol of models. `presets` and `bidirectional` are models.
4. `canvas`: the model's input, with the lattices over it.
5. `schedulers`: a scheduler chooses the slots that a step fills, and their tokens. It never writes a token
   that fits no valid filling.
6. `denoising`: the loop. It never meets a dead end.
7. `template`, `given_fields`: the input of `infill`, which joins all of this. `obstacles`: why there is no
   filling. `results`: the output, and a page that shows the steps.
8. `intersection` joins the types of holes with a grammar of the whole text. `text_behind` lets the last token
   of a hole hold the punctuation after the hole.

What comes in: a model `forward(ids) -> logits`, a template, a grammar. What goes out: a text of the grammar.
The package is above `structgen.decoding.engine`, beside `structgen.decoding.samplers`. Only some models need
torch. Context-free grammars without a depth limit would need a second kind of lattice.
"""
