"""Functions that run in a process of their own, with limits of time and memory.

What comes in: a function that may hang, die, or read anybody's input. What goes out: its result, or an error
that says how it ended.

1. `worker_process` starts a process, sends it tasks, and ends it when a task is late.
2. `process_limits` bounds what such a process may have: memory, processor time, files, the network.
"""
