"""Lark grammars as lark reads them: its LALR(1) table walked, its contextual lexer determinised."""
