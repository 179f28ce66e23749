"""JSON as text: read while it is being written, read exactly, written at any depth. Nothing here recurses.

What comes in: text, whole or in pieces. What goes out: events, values that grow, exact values, text.

1. `events` is the one scanner: it tells which values, keys and terminals began and closed, token by token
   or piece by piece, and where a text stops being JSON.
2. `growing_json` makes values of what it finds, of texts that are not yet over too.
3. `exact_json` reads numbers as int and Decimal, copies Python values so, and writes one canonical text.
4. `raw_json` keeps each numeral as it was written, and writes containers of any depth, for both.
"""
