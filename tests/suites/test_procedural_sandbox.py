from __future__ import annotations

import pytest

from stages.agent.sandbox import SandboxConfig, SandboxUnavailable, open_sandbox
from stages.suites.procedural import make_problems, test_program


def test_answers_are_graded_in_the_sandbox():
    """References pass; a buggy program, a constant and a look-up of the visible cases don't."""
    try:
        sandbox = open_sandbox(SandboxConfig(workers=1))
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    with sandbox:
        for problem in make_problems("test", per_kind=1, seed=1, difficulties=(6,)):
            table = {repr(case.args): case.expected for case in problem.visible}
            opening = f"def {problem.entry_point}(*args):\n    return "
            answers = {
                problem.solution: True,
                problem.buggy[0]: False,
                f"{opening}{problem.visible[0].expected!r}": False,
                f"{opening}{table!r}.get(repr(args))": False,
            }
            for answer, right in answers.items():
                result = sandbox.check_program(answer, test_program(problem), problem.entry_point)
                assert result.passed == right, (problem.prompt, answer, result.detail)
