"""Rooms that are written anew and wait here until a landing puts them in place of the old ones.

Package code never imports this folder (tests/anew/test_waiting_rooms.py), and no wheel holds it. It is
linted, typed and tested like the package. README.md says what waits and what is missing.
"""
