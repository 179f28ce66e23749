"""Typed functions: decorate, call, get an object.

A call goes through six steps, each of a module:
1. `decorator` (`sg.generate`, `sg.filled`) and `run` (`sg.run`) read the options: `options` checks them, and
   `missing_options` has those that a writer lacks.
2. `target_forms` makes the form of the target: its grammar, its schema, and the way back from a document.
   `wrapping` puts documents that are no objects into objects; `tool_use` is about replies that may call.
3. `prompts` fills the docstring with the arguments, and narrows the form to what the texts state.
4. A writer (`writers`) writes the text: `local` with an engine of this process (`tool_prompts` asks it for
   calls), `infilled` with a masked-diffusion model, `remote` with a server.
5. Of a server, `servers` has the fields that it takes, and `model_servers` what it is sent and answers.
6. `functions` judges the result, asks again, and returns an `outcomes.Outcome`; `partial` follows a stream.

`waiting` runs the coroutines of these steps for callers without an event loop. `text_outcomes` has
`sg.outcome_of`, `typed_draws` the samples of a typed function, `worked` its examples, scores and fitting.
"""
