"""`structgen serve`: an address in OpenAI's protocol for one model of this process.

An *address* is a path that clients post to, e.g. `/v1/chat/completions`. A *body* is the JSON object that a
client sends, and a *member* a key of it. A *reply* is the text of the model; an *answer* is what the server
sends, with one reply or several. A *stream* is an answer in *events*, sent while the reply is written. A
*shape* is the format of the bodies and answers of one address. A *record* is what a client keeps with the
server (a file, a batch, a response), and its *owner* is a digest of the client's key.

What comes in: requests of OpenAI's and Anthropic's protocols, from anybody. What goes out: answers, whole or
as streams. The engine batches the texts, and no thread waits for a text.

1. `app` makes the application: addresses, keys, limits, errors, streams, clients that go away.
   `server_options` has its options, `server_metrics` its counts, and `connections` limits each connection.
2. `answer_shape` is the base of shapes: a shape reads a body and writes the answer, whole or as events.
   `chat_shape`, `response_shape` and `message_shape` have the shapes, and `app.SHAPES` lists them.
3. `request_fields` reads the JSON of a body or of a line, what all bodies share, and messages.
   `served_model` turns a body into requests of the engine: prompts by the chat template, grammars by
   `sg.read_request`.
4. `reply_parts` splits a text, whole or so far, into thoughts, text and calls.
5. `batch_runs` reads files of requests, and answers them; `batches` keeps those of clients. `uploads` stores
   files while they arrive, and `form_reading` reads the forms in which they arrive.

The event loop receives and sends bytes. What grows with a request is done in threads: bodies are read,
answers and errors are written, files are handled.

6. `record_store` keeps records in a database, `stored_responses` the responses among them. `folder_import`
   takes over records of an earlier release.

Helpers: `api_errors` has errors as clients read them, `error_places` finds where in a body an error is, and
`token_logprobs` writes log-probabilities.
"""
