"""Lark grammars whose declared terminals are bound to other grammars: `sg.lark(..., bind=...)`.

`bound_reading` reads them byte by byte, `bound_lark` is the grammar and its `Language`.
"""
