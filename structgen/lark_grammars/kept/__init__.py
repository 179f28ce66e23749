"""The file of a grammar's tables: a grammar that was loaded once is read without lark.

`kept_grammars` writes and reads the files; `loaded_lark` is the base class of the grammars that they hold.
"""
