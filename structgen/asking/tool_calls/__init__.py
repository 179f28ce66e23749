"""Tool calls: what may be called, how a format writes a call, and the way back from a text to calls.

What comes in: tools (functions, types, OpenAI's and MCP's dicts), a format, a choice. What goes out: a
grammar of replies, and of a reply its texts, thoughts and calls. No tool is ever called here.

1. `tool_definitions` reads tools, and holds their arguments to texts; `tool_choices` reads which of them may
   be called and how often.
2. `tool_format` is the description of a format: texts with places in them. `format_rows` lists those known,
   and finds one by a chat template.
3. `tool_grammar` builds the grammar of replies; arguments which are not one JSON object are those of
   `text_grammars.composition.argument_grammar`.
4. `call_reader` reads a reply that comes in pieces, `argument_reader` arguments that stand one by one,
   `call_texts` texts of the format, JSON, and a call that is being read. `tool_replies` has `Call` and
   `Reply`, and the messages made of them; `call_writing` writes calls as their format does.

Helpers: `tool_shapes` knows the dicts of OpenAI, Anthropic and MCP, `custom_tools` OpenAI's tools whose
input is a text, `format_marks` the texts that open calls or stand in calls alone.
"""
