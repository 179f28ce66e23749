"""Lark grammars under LALR(1) and lark's contextual lexer: exactly the texts that lark accepts.

What comes in: a Lark grammar. What goes out: a `LarkGrammar`; compiled, a `CompiledLark`.

Packages, each above those before it: `reading` (lark's own tables, loaded and frozen), `lexer` (the
contextual lexer as an automaton of lexeme states), `parser` (the LALR(1) automaton over shared stacks, and
the slow reader of texts), `compiled` (steps and masks in compiled code), `liveness` (whether a text can be
completed), `tables` (the arrays of compiled code), `kept` (files), `bound`
(terminals bound to other grammars), `masks` (`CompiledLark`, and its answers to questions of compiled code).

`lark_grammar` has the public function `sg.lark`. The main idea: inside a lexeme, the effect of a token
depends on the lexeme's state only, and is recorded once; the parser then decides which lexeme ends are
allowed.
"""
