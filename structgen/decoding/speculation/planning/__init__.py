"""Decides which drafts (trees of guessed tokens) are worth their cost, by what it learns as the engine runs.

`drafting` joins the drafters of one request and learns how often each is right; `speculator` is the planner
of a batch.
"""
