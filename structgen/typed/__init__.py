"""Typed functions: decorate, call, get an object.

`decorator` is the door (`sg.generate`, `sg.filled`), `functions` what it makes of a function. They stand on
`forms` (what is wanted: a type, a schema, a text, and the way back from a document), `prompts` (the docstring
as a template), `partial` (what a stream has so far), and on the writers: `local` (an engine of this process),
`infilled` (a masked-diffusion model) and `remote` (a server). `engine/asking` makes the prompts of the first two.
`run` is the same for one call without a function.
"""
