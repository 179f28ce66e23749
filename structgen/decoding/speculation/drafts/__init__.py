"""The values of speculation.

`draft` is the tree and its builder, `drafter` the protocol of drafters and what they are told; `grammar_memo`
keeps what drafters know of a grammar; `model_rows` reads a model beside a text, also for searches and
samplers.
"""
