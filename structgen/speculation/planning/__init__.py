"""Which drafts are worth their cost, learnt while the engine runs.

`drafting` joins the drafters of one request and learns how often each is right; `speculator` is the planner
of a batch. `row_trial` finds out whether drafts can pay with a model.
"""
