"""Typed functions: decorate, call, get an object.

`decorator` has `sg.generate` and `sg.filled`, `run` has `sg.run`; `functions` is what a decorated function
becomes. Below them: `target_forms` (what is wanted, and the way back from a document), `prompts` (the
docstring as a template), `partial` (what a stream has so far). The writers are `local` (an engine of this
process), `infilled` (a masked-diffusion model) and `remote` (a server). Of a server, `servers` has what it
takes, `server_answers` makes a result of what it sends, and `server_replies` finds the document in it.
`text_outcomes` has `sg.outcome_of`. `worked` has examples, scores and what is fitted to them. `waiting` runs
the coroutines for callers without an event loop. `engine/model_prompts` makes the prompts.

Options and results: `options` are checked once, `missing_options` says which a writer lacks, `outcomes` is
what a call gives. Tools: `tool_use` reads replies that may call, `tool_prompts` asks a model of this
process. Servers: `remote_calls` sends and reads OpenAI's shape, `anthropic_messages` Anthropic's. `wrapping`
puts documents that are no objects into objects; `typed_draws` is `sg.sample` of a typed function.
"""
