"""For tests of programs that use structgen: a model and a server that write given texts through the mask.

A *reply* is an answer that a test gives in advance, e.g. a text or an object. A *form* is what a request
allows: a grammar, and a format of calls. A *script* is a prompt with the text that the model writes after it.

1. `scripted` is the model, an engine. `script_replies` hands out the replies, and counts the unused ones.
2. `reply_texts` writes a reply in the form of a request, and finds where the form forbids a text.
3. `script_model` has the logits: the next token of the text is certain. `plain_chat` is its chat template.
4. `stand_in` is a server on loopback with such a model, and `failures` has the failures that it can show.

The fixtures of pytest are in `pytest_fixtures`.
"""
