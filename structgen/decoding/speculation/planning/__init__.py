"""Which drafts are worth their cost, learnt while the engine runs.

`drafting` joins the drafters of one request and learns how often each is right; `speculator` is the planner
of a batch.
"""
