"""Context-free languages, read without look-ahead by sets of parser stacks.

`context_free_language` reads the texts of any rules, ambiguous ones too. `rules` brings them into a form
without empty rules and cycles. `parser_stacks` has the graph-structured stacks (Tomita) over LR(0) item sets;
`shortest_rests` finds shortest completions by the algorithms of Knuth and Dijkstra, of all texts or of those
that an automaton takes too. `regular_intersection` is the product with a regular language (Bar-Hillel), which
asks it whether a text goes on. `searched_rests` decides that by A* where nothing better is known.

`greedy_lexemes` reads the terminals with a greedy lexer, as llguidance does; `greedy_rests` has the shortest
completions of its texts, nearly exactly.

`counted_rules` writes counts as rules, `productive_symbols` finds the symbols that derive a text, and
`parsed_lexemes` is such a language as lexemes between places of its parser.
"""
