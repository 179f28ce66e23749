"""Schema text to `Schema` values: parsed, references resolved, keywords checked.

`dialects` knows each draft's keywords; `keywords` and `draft3` read them into fields of `model.Schema`;
`references`, `remotes` and `uris` resolve `$ref`; `document` holds all subschemas that the
root reaches; `policies` are the choices a caller has about which texts count.
"""
