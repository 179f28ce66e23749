"""Samplers that keep the model's own distribution, given that the text is valid. Read it as a chapter:

1. `target`: the target law, the normalising constant Z and the function h. `rows` gives the model's logits.
2. `checkers`: constraints that no grammar expresses, also of a Python type. `constraints` calls them, and
   `processes` runs one in another process.
3. `tree`: the prefix tree, with proven bounds on h that only tighten. `frontier`: the particles that go
   through it, what is read for them, and what the tree learns.
4. `walk`: one walk from the empty prefix to the end of a text. It may ignore the ratio of two bounds, accept
   with that probability, or use it as a weight: six methods share this procedure.
5. `beam`: many prefixes of one length in parallel. `LookAhead` estimates where valid texts are.
6. `methods/`: the methods, with the papers they are from. `walks` has five, `raj` one; `smc` and `awrs`
   resample particles; `auto` chooses between `raj`, particles and `beams`. `run_limits`: the bounds on a run,
   and who is told of its progress.
7. `draws`: texts with weights, and what the run is worth. `samples`: expectations, quantiles and marginals of
   them. `intervals/`: what a run proves of each figure. `joining`: the draws of several runs.
8. `problem`: a model, its tokenizer and a grammar. `sample`: the public function. `score`: the probability of
   given texts. `most_probable`: the likeliest texts. `cite`: the spans of a document that a model would
   quote. `expert`: a further model of a product.
9. `marginals`, `report` and `report_page`: statistics of the draws and of the allowed mass at each token.
   `samples_file`: draws in a file.

What comes in: a model, a prompt, a grammar, a number of draws. What goes out: `Samples`. The package stands
above `structgen.decoding.engine`, beside `structgen.decoding.infilling`.

The public names are in structgen/samplers.py.
"""
