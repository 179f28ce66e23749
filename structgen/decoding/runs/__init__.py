"""What a run of a model needs, whichever door starts it.

What comes in: names, options, tasks. What goes out: files, wrong options, results that outlive a kill.

1. `resources` finds the models, grammars, schemas and tokenizer that ship with the package, by name.
2. `exclusions` refuses options that exclude one another; `wrong_arguments` has the types by which mypy names
   a wrong argument of a public function.
3. `result_files` keeps the results of many tasks in a file, and goes on after a kill. `ray_workers` hands out
   tasks to actors of Ray.
4. `progress` shows how far a run has come: a bar on a terminal, or lines. `telemetry` makes spans of calls,
   where the process traces.
"""
