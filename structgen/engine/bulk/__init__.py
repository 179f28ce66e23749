"""Many prompts: from a file of prompts to results, resumable.

`bulk_file` works through them in one process, `bulk_on_ray` on Ray, to the same file.
`bulk_runs` says what run results are of.
"""

from structgen.engine.bulk.bulk_file import BulkProgress, run_bulk, write_results
from structgen.engine.bulk.bulk_on_ray import run_bulk_on_ray

__all__ = ["BulkProgress", "run_bulk", "run_bulk_on_ray", "write_results"]
