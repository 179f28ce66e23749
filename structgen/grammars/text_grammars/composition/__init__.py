"""Grammars built from other grammars by the operators of `text_grammar`.

What comes in: grammars, texts, or the JSON Schema of a tool's arguments. What goes out: a `TextGrammar`.

1. `bans` is `sg.without`; `json_strings` writes the texts of a grammar inside a JSON string.
2. `dispatching` is free text in which a trigger decides the grammar of the text after it.
3. `argument_grammar` is the grammar of arguments that stand one by one. It asks `argument_plan`, which lists
   the arguments and their values from the schema's network; `argument_roots` reads the root of the schema.
   `argument_styles` has the formats, with texts in which places are left open (`templates`).
4. `quoted_values` are JSON values in a style with quotes of its own: for schemas that no plan can describe.
"""
