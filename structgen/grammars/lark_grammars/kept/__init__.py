"""The file of a grammar's tables: a grammar that was loaded once is read without lark.

What comes in: the text of a grammar with its options. What goes out: its tables, if they were kept.
`kept_grammars` writes and reads the files.
"""
