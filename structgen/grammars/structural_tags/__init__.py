"""Structural tags of XGrammar, vLLM and SGLang: free text, tags and calls around schemas and grammars.

What comes in: a tag as a dict or JSON text, the ids of special tokens, policies of schemas. What goes out: a
grammar of texts.

A tag may hold grammars of every kind, so that the room stands above those of texts, JSON and Lark. It is a
reader alone: each of its formats is a grammar that a room below makes.

`structural_tag` has the public function and reads formats. `any_arguments` is the grammar of arguments that
no schema names.
"""
