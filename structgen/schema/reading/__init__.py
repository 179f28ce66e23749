"""Schema text to `Schema` values: parsed, references resolved, keywords checked.

What comes in: a schema as JSON, and policies. What goes out: a `Document` of all subschemas that the root
reaches, each a `model.Schema` whose fields are the same for all drafts. Read `model` first, then `document`.

- `dialects` has the keywords of each draft; `keywords` and `draft3` read them into fields.
- `references`, `remotes` and `uris` resolve `$ref`; `reference_loops` deals with schemas that refer to
  themselves without going down into a value.
- `policies` are the choices of a caller about the texts that count; `missing_bytes` has the strings that a
  vocabulary without some bytes can write, and `openai` the limits of strict structured outputs.
- Single keywords: `string_grammars` (x-grammar), `quote_keyword` (x-quote, x-inferred, x-key),
  `string_annotations` (keywords of strings, for pydantic), `grammar_places` (grammar objects at places).
- For errors and warnings: `schema_cures` (corrections) and `suspect_keywords` (keywords that look like a
  constraint and are not read).
- Helpers: `draft_names` (drafts and their URIs) and `json_values` (values as keys of equality).
"""
