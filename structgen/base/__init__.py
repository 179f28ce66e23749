"""The ground: errors, limits, files and locks, numba, JSON text, and values that all folders share.

`printable` is text from outside as a terminal may show it.
"""
