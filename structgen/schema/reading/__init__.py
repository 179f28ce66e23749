"""Schema text to `Schema` values: parsed, references resolved, keywords checked.

`dialects` knows each draft's keywords; `keywords` and `draft3` read them into fields of `model.Schema`;
`references`, `remotes` and `uris` resolve `$ref`; `document` holds all subschemas that the
root reaches; `policies` are the choices a caller has about which texts count.

Of single keywords: `string_grammars` (x-grammar), `quote_keyword` (x-quote, x-inferred, x-key),
`string_annotations` (what pydantic writes of strings), `grammar_places` (grammar objects at places).
Helpers: `draft_names` has the drafts and their URIs, `json_values` values as keys of equality,
`missing_bytes` what a vocabulary that lacks bytes can write, `reference_loops` schemas that refer to
themselves without going down, `openai` what strict structured outputs refuse. For errors and warnings:
`schema_cures` says what was probably meant, `suspect_keywords` what looks like a constraint and is not read.
"""
