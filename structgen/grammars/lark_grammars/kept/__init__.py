"""The file of a grammar's tables: a grammar that was loaded once is read without lark.

`kept_grammars` writes and reads the files.
"""
