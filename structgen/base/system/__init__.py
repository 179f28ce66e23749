"""What the package needs from the operating system and from its own installation.

What comes in: names of files and folders. What goes out: their contents, paths, digests and locks.

1. `cache` knows the cache folder. A file enters it whole or not at all, and only files that nobody else can
   have written are read.
2. `source_digests` gives one digest of our own sources. It is part of the name of every kept file, so that
   another version of the code never reads it.
3. `text_files` reads schemas and grammars.
4. `fork_locks` are locks that a fork leaves whole. `public_calls` tells which public call this thread is in.
5. `lazy_names`: public names loaded when first used.
6. `held_bytes` measures what a caller's own method remembers. `installation`: the command that installs what
   is missing, as this copy was installed. `platforms` tells what this platform lacks.

Helpers: `garbage` holds collection back, `waits` tells of long waits, `public_addresses` knows where a room
of before is now.
"""
