"""Compiled code: functions that are noted, machine code that is found or made, and arrays in files.

What comes in: Python functions over integers, and arrays. What goes out: machine code, and bytes.

1. `jit.jit` marks a function that only compiled code calls; `jit.entry` marks an entry point, which Python
   calls. `noted_functions` holds what they noted; nothing is compiled.
2. `machine_code` finds an address by a name: in the library that a wheel has, else in an object file, which
   `compiling` makes when an entry point of its module is called first. Only `compiling` and what it imports
   need numba: `block_types` and `checked` for typed blocks, `wrappers` for calls from Python.
3. `raw_memory` loads and calls at an address. A compiled call takes one address instead of twenty arrays.
4. `array_file` puts named arrays into one file behind a header with a checksum, and reads them
   again. `cache_entries` names such files by their sources, replaces them whole, and evicts the oldest.
5. `lazy_memory` is memory that costs only as it is written to; `bit_rows` sets the bit of a token in a mask.

`typed_blocks` are blocks of memory with named fields, `addresses` those of arrays; `checked` checks each
load and store.
"""
