"""Grammars of texts that are no JSON: regular, context-free, composed, structural tags.

What comes in: patterns, rules, or other grammars. What goes out: a `TextGrammar`; compiled, a `CompiledText`.

1. `machine` holds the contract (`language.Language`: configurations and a step over one byte) and the
   compiled machine that masks any such language through a table of steps.
2. `regular`, `substrings`, `special_tokens` and `free_text` are small languages, a file each.
3. `context_free` has context-free rules over terminals, EBNF, and intersection with a regular language.
4. `composition` makes grammars of grammars: sequence, alternatives, repetition, bans, JSON strings, tags.
"""
