"""Lark grammars, compiled anew: `compiled_lark.CompiledLark` has the masks of lark's LALR(1) parser with
its contextual lexer. See anew/LARK.md for how far it is.
"""
