"""Which drafts are worth their price, learnt while the engine runs.

`drafting` joins the drafters of one request; `speculator` those of a batch; `trust` learns how often a
drafter is right; `pass_costs` how long a pass takes; `goodput` and `pace` whether asking pays; `draft_replay`
counts passes over a recorded text without a model.
"""
