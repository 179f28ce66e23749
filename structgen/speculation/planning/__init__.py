"""Which drafts are worth their cost, learnt while the engine runs.

`drafting` joins the drafters of one request, `speculator` those of a batch. `trust` learns the acceptance
rate of a drafter, `pass_costs` the time of a pass; `goodput` and `pace` decide whether to draft at all.
`row_trial` finds out once whether drafts can pay with a model.
`draft_replay` counts the passes over a recorded text without a model.
"""
