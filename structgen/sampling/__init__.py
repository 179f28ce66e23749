"""Samplers that keep the model's own distribution, given that the text is valid. Read it as a chapter:

1. `target`: the law, the normalising constant Z, the function h; and `rows`, which gives the model's logits.
2. `checkers`: constraints that no grammar expresses; `constraints` asks them, `processes` does so in another
   process, and `types` makes one of a Python type.
3. `tree`: the prefix tree, with proven bounds on h that never rise.
4. `walk`: one walk from the empty prefix to the end of a text. It may ignore the ratio of two bounds, flip a
   coin with it, or multiply it in: five methods of one procedure.
5. `beam`: many prefixes of one length side by side, and `lookahead`, which guesses where valid texts lie.
6. `methods/`: a file each, with the paper it is from. `smc` and `awrs` are no walks: their particles are
   resampled. `auto` is made of beams.
7. `samples`: texts with weights, estimates of log Z and of expectations; `run_limits`: what bounds a run.
8. `problem`: what is asked about, a model, its tokenizer and a grammar; `sample`: the call that puts all of
   it together; `score`: how likely given texts are; `progress`: a line on the screen.
9. `marginals`, `report` and `report_page`: what draws say of a run, with the allowed mass at each token,
   which the target has noted; `estimates`: intervals, and the fields of draws; `samples_file`: draws in a
   file.

What comes in: a model, a prompt, a grammar, a number of draws. What goes out: `Samples`. The package stands
above `structgen.engine`, beside `structgen.infilling`.
"""
