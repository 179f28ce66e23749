"""Lark grammars under LALR(1) and lark's contextual lexer: exactly the texts that lark accepts.

What comes in: a Lark grammar. What goes out: a `LarkGrammar`; compiled, a `CompiledLark`.

An end of a lexeme is a terminal with a *carry*: a debt that the text after it must pay. Lark takes the match
of its best thread, however late that one ends; so where a lexeme ends while better threads are alive, these
must never match: a negative look-ahead on the rest. A state is a set of readings (a place of the parser, a
state of the lexer, a column), each exact by itself, and its mask is the union of their masks.

Read `lark_grammar` first: it has the public function `sg.lark`. The packages, each above the ones before it:
`reading` (lark's own tables, loaded and frozen), `lexer` (the automaton of lexemes with their carries),
`kept` (the file of a grammar's tables), `liveness` (whether a text goes on), `machine` (steps and masks in
compiled code), `compiled` (`CompiledLark`, its completions and its file). `llguidance_text` reads
llguidance's dialect.
"""
