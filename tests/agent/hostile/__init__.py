"""Hostile programs by name. Each returns what its grading test wants only if its attack worked."""

from __future__ import annotations

from tests.agent.hostile import ending, faking, outside, peeking, resources

# The grading test: `assert candidate(20) == 41`. SECRET_PLACES and PORT are filled in by the test.
TEST = """
def check(candidate):
    hidden_marker = "q7-hidden"
    assert candidate(20) == 41
    assert candidate(0) == 1 and not all([False])
"""

PROGRAMS: dict[str, str] = {
    **outside.PROGRAMS,
    **resources.PROGRAMS,
    **ending.PROGRAMS,
    **faking.PROGRAMS,
    **peeking.PROGRAMS,
}
