"""Your own repository as a suite: a Git clone plus tasks from a file or from its commits.

`python -m stages.suites.repository commits REPO A..B --test COMMAND -o tasks.jsonl` makes the file.
"""

from stages.suites.repository.errors import RepositoryError
from stages.suites.repository.suite import Repository

__all__ = ["Repository", "RepositoryError"]
