"""Context-free languages without look-ahead, by sets of parser stacks.

`ebnf_grammar` is the door (`sg.ebnf`), read by `ebnf_reader`. `rules` brings rules into a form without empty
rules and cycles; `parser_stacks` are graph-structured stacks (Tomita); `shortest_rests` are by Knuth's and
Dijkstra's algorithms; `regular_intersection` and `product_grammars` are the product with an automaton
(Bar-Hillel).
"""
