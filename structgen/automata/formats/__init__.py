"""The formats of JSON Schema (`date-time`, `idn-hostname`, `regex`, ...) as formulas over patterns.

`named_formats` is the list: each name has a pattern, or a formula of a few; what no pattern can say is left
out and reported. `idna` has the labels of international host names.
"""
