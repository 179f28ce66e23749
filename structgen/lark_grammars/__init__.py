"""Lark grammars under LALR(1) and lark's contextual lexer: exactly the texts that lark accepts.

What comes in: a Lark grammar. What goes out: a `LarkGrammar`; compiled, a `CompiledLark`.

The rooms, each over those before it: `reading` (lark's own tables, loaded and frozen), `lexer` (the
contextual lexer as an automaton of lexeme states), `parser` (the LALR(1) automaton over shared stacks, and
the slow reader of texts), `compiled` (one byte, and the masks, in compiled code), `liveness` (does a text go
on: certified states, then search), `tables` (arrays that compiled code reads), `kept` (files), `bound`
(terminals bound to other grammars), `masks` (`CompiledLark`, and its answers to what compiled code asks).

`lark_grammar` is the door (`sg.lark`). The idea: what tokens do inside a lexeme depends on the lexeme's state
alone, and is recorded once; the parser then decides which endings are viable.
"""
