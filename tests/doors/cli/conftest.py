"""Commands need all that a server and typed functions need."""

from importlib.util import find_spec

NEEDED = "torch transformers tokenizers pydantic starlette uvicorn prometheus_client".split()
if not all(map(find_spec, NEEDED)):
    collect_ignore_glob = ["test_*.py"]
