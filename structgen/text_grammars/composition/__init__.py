"""Grammars made of grammars.

`operators` holds `sequence`, `either`, repetition, intersection and complement over `algebra`; `bans` is
`sg.without`; `json_strings` puts the texts of a grammar inside a JSON string (`json_escapes`,
`unescaped_masks`); `schema_parts` puts JSON of a schema inside a text; `structural_tags` reads XGrammar's
tags (`tag_fields`), framed by `dispatching`.
"""
