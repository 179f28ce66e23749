"""Grammars of texts that are not JSON: regular, context-free, composed, structural tags.

What comes in: patterns, rules, or other grammars. What goes out: a `TextGrammar`; compiled, a `CompiledText`.
From top to bottom:

1. `composition` has `sg.without`, JSON strings and structural tags, built from the operators.
2. `regular`, `ebnf_grammar`, `word_runs`, `special_tokens` and `free_text` are one kind of grammar each;
   `ebnf_reader` reads rules from EBNF, `ebnf_macros` what their macros derive.
3. `text_grammar` has the base class `TextGrammar`, its operators, and the grammars that they return.
4. `context_free`, `regular_language`, `combined_languages` and `schema_language` are the *languages* of these
   grammars: they read a text byte by byte.
5. `machine` has the contract `Language` and the compiled machine that masks any language.

Further kinds of grammar: `copied_spans` (texts that copy no long run of a corpus), `interrupted_text` (free
text up to words after which other grammars follow), `filtered_language` (masks of its own, cut by a regular
expression), `written_texts` with `written_language` (the texts that a vocabulary can write).
`regular_formulas` spells formulas, and patterns for words.
"""
