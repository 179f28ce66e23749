"""The options and the overloads of calls as type checkers read them. `scripts/call_options.py` writes their
lists."""
