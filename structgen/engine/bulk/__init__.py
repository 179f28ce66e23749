"""Many prompts: from a file of prompts to a file of results, resumable.

`bulk_file` works through them in one process; `bulk_runs` says of what run results are.
"""

from structgen.engine.bulk.bulk_file import BulkProgress, run_bulk, shown, shown_steps, shown_usage

__all__ = ["BulkProgress", "run_bulk", "shown", "shown_steps", "shown_usage"]
