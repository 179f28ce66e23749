"""Explanations of a schema, in words: for `structgen explain` and for reports.

`outline` lists the places of the documents; `keyword_report` says which keywords are enforced, and which of
them change nothing at their place; `impossible` finds parts that no document uses, with the keywords that
exclude each other.
"""
