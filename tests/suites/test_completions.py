"""Programs out of completions: what models wrap around them, and what they leave out."""

from __future__ import annotations

import pytest

from stages.suites.completions import code_of, cut_at, defines, joined, without_thoughts

CODE = "def f(x):\n    return x + 1"


@pytest.mark.parametrize(
    "text",
    [
        CODE,
        f"```python\n{CODE}\n```",
        f"Sure.\n\n```py\n{CODE}\n```\nThat's it.",
        f"~~~\n{CODE}\n~~~",
        f"```python title=x.py\n{CODE}\n```",
        f"```python\n{CODE}",
        f"````python\n{CODE}\n````",
        f"```\npip install x\n```\n```python\n{CODE}\n```\n```python\nassert f(1) == 2\n```",
        f"```python\ndef f(x):\n    return x\n```\nNo:\n```python\n{CODE}\n```",
        f"```text\nf is a function\n```\n```Python3\n{CODE}\n```",
        "1. So:\n   ```python\n"
        + "\n".join("   " + line for line in CODE.split("\n"))
        + "\n   ```",
        "```python\n" + "\n".join("    " + line for line in CODE.split("\n")) + "\n```",
        f"<think>```python\ndef f(x): pass\n```</think>\n```python\n{CODE}\n```",
        f"thoughts without an opening mark</think>\n{CODE}",
    ],
)
def test_the_program_is_found(text: str) -> None:
    assert code_of(text, "f").strip() == CODE


def test_a_fence_inside_a_longer_fence_is_content() -> None:
    inside = f'{CODE}\nS = """\n```\n"""'
    assert code_of(f"````python\n{inside}\n````", "f") == inside


def test_a_body_keeps_its_indent_even_where_it_begins_with_a_function() -> None:
    body = "    def g(x):\n        return x\n    return g(x)"
    assert code_of(f"```python\n{body}\n```", "f") == body


def test_without_the_function_the_longest_python_block_is_taken() -> None:
    assert code_of(
        "```\na = 1\n```\n```python\nabc = 12\n```\n```sh\nls " + "x" * 99 + "\n```", "f"
    ) == ("abc = 12")


def test_thoughts_that_never_end_are_no_answer() -> None:
    assert without_thoughts(f"<think> I would write\n{CODE}") == ""


def test_the_first_stop_cuts() -> None:
    assert cut_at("a\n#b\ndef c", ("\ndef", "\n#")) == "a"
    assert cut_at("a", ("\ndef",)) == "a"


def test_future_imports_stay_at_the_front() -> None:
    program = joined("import os\n", f"from __future__ import annotations\n{CODE}")
    compile(program, "program", "exec", dont_inherit=True)
    assert program.startswith("from __future__ import annotations\nimport os\n")


def test_only_the_left_margin_defines() -> None:
    assert defines("async def f():", "f") and defines("f = lambda: 1", "f") and defines(CODE, "f")
    assert not defines("    def f(): pass", "f") and not defines("def ff(): pass", "f")
    assert not defines("f == 1", "g")
