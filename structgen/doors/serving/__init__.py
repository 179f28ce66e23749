"""`structgen serve`: an address in OpenAI's protocol for one model of this process.

What comes in: requests of OpenAI's and Anthropic's protocols, from anybody. What goes out: replies, whole or
as they are written. The engine batches them; nobody waits for a text in a thread.

1. `app` makes the application: addresses, keys, limits, errors, streams, clients that go away.
   `server_options` is what may be chosen, `server_metrics` what is counted, `connections` what one may cost.
2. `answer_shape` is what an address is: its bodies are read, and answers are written, whole or as events.
   `chat_shape`, `response_shape` and `message_shape` have them, and `app.SHAPES` lists them.
3. `request_fields` reads the JSON of a body or of a line, what all bodies share, and messages.
   `served_model` turns a body into requests of the engine: prompts by the chat template, grammars by
   `sg.read_request`.
4. `reply_parts` splits a text, whole or so far, into thoughts, text and calls.
5. `batch_runs` reads files of requests, and answers them; `batches` keeps those of clients. `uploads` takes
   their files as they come, in forms that `form_reading` reads.

The event loop receives and sends bytes. What grows with a request is done in threads: bodies are read,
answers and errors are written, files are handled.

Helpers: `api_errors` are errors as clients read them, `error_places` says where in a body one is,
`token_logprobs` has the shapes of log-probabilities.
"""
