"""Tests of programs that use structgen: a model and a server that say given texts through the mask.

1. `scripted` is the model, an engine. `script_replies` hands out the replies, and counts those that are left.
2. `reply_texts` writes a reply as the form of a request wants it, and says where the form forbids a text.
3. `script_model` has the logits: the next token of the text is certain. `plain_chat` is its chat template.
4. `stand_in` is a server on loopback over such a model, with the `failures` that servers have.

The fixtures of pytest are in `pytest_fixtures`.
"""
