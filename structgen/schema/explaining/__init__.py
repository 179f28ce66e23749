"""What a schema means, in words: for `structgen explain` and for error messages.

`outline` lists what documents look like; `keyword_report` what became of each keyword; `impossible` and
`contradiction` name the two keywords that exclude each other; `redundant_constraints` and `schema_difference`
find keywords that change nothing; `wording` puts formulas in words.
"""
