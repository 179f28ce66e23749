"""What a request asks for: one grammar and its policies, whoever's shape the request has.

What comes in: a request of OpenAI's chat completions or responses, with the parameters of vLLM and SGLang; or
the part of one that says what the reply is held to; or a plain schema. What goes out: the grammar of the
reply, or of the calls of tools that it may have. Nothing is compiled here.

1. `request_reader` has `read_request`: which part says it, what excludes what, tools and answer together.
2. `grammar_forms` reads that part: each form, its fields, and who defines them. A form that is not known, and
   a field that is not, are refused by name. A grammar is text alone: no file is opened for it.

`request_members` lists the members that a request may have, `targets` reads what people hand in at other
doors, `example_pairs` pairs of arguments and values.
"""
