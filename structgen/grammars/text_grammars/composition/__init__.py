"""Grammars built from other grammars by the operators of `text_grammar`.

`bans` is `sg.without`. `json_strings` writes the texts of a grammar inside a JSON string.
`argument_grammar` is the grammar of arguments that stand one by one, `argument_plan` which there are,
`argument_roots` what a schema says of them, `argument_styles` how each stands, `templates` a text with places
in it.
`dispatching` is free text in which a trigger decides the grammar of the text behind it.

`quoted_values` are JSON values in a style with quotes of its own.
"""
