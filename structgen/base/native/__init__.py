"""Compiled code: numba's decorators with a cache of our own, memory by address, and arrays in files.

What comes in: Python functions over integers, and arrays. What goes out: machine code, and bytes.

1. `jit.jit` marks a function that only compiled code calls; `jit.entry` marks an entry point, which Python
   calls. Nothing is compiled before an entry point of its module is called for the first time.
2. `inner_functions` has a process lower each function of `jit` once, to LLVM bitcode; `spared_work` leaves out
   what numba does besides. `first_use` shares the first compilation among processes, and tells the person who
   waits how long, by the pace of this machine (`compile_pace`). `shipped_code` writes machine code for other
   machines, and finds it there.
3. `raw_memory` loads and calls at an address. A compiled call takes one address instead of twenty arrays.
4. `array_file` puts named arrays into one file behind a header with a checksum, and reads them
   again. `cache_entries` names such files by their sources, replaces them whole, and evicts the oldest.
5. `lazy_memory` is memory that costs only as it is written to; `bit_rows` sets the bit of a token in a mask.

`typed_blocks` are blocks of memory with named fields, `addresses` those of arrays; `checked` checks each
load and store.
"""
