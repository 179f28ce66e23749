"""`structgen serve`: an address in OpenAI's protocol for one model of this process.

What comes in: requests of `/v1/chat/completions`, `/v1/completions` and `/v1/responses`, from anybody. What
goes out: replies, whole or as they are written. The engine batches them; nothing here waits in a thread.

1. `app` makes the application: addresses, keys, limits, errors, clients that go away. `server_options` is
   what may be chosen, `server_metrics` what is counted.
2. `request_fields` reads what all bodies share, `served_model` turns a body into requests of the engine:
   prompts by the chat template, grammars by `sg.read_request`.
3. `reply_parts` splits a text, whole or so far, into thoughts, text and calls. `chat_shape`,
   `completion_shape` and `response_shape` write them as each address does; `response_input` reads the input
   of the last one.
"""
