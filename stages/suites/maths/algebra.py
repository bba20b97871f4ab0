r"""Whether two LaTeX expressions are the same algebra: run as a process of its own.

``python -m stages.suites.maths.algebra`` answers one JSON line with another. The LaTeX is read by
latex2sympy2_extended, math-verify's parser (ANTLR grammar, no eval); what is equal is decided here:
math-verify's own comparison rounds to 6 digits and calls every factoring the same.
"""

from __future__ import annotations

import json
import resource
import sys
from typing import Any

DIGITS = 60
TOLERANCE = "1e-40"
MEMORY_MB = 2048
POINTS = ("7/5", "-13/11", "29/17", "-3/7", "41/19", "8/3")
MIN_POINTS = 3
MAX_POWER = 10_000
MAX_FACTORIAL = 1000


def same_expression(answer: Any, truth: Any) -> bool:
    """Equal in value wherever both are defined and, for polynomials, factored alike."""
    return _same_values(answer, truth) and _same_form(answer, truth)


def same_equation(answer: Any, truth: Any) -> bool:
    """Both sides' differences are the same up to a constant factor, so the solutions are."""
    import sympy

    if not isinstance(answer, sympy.Equality) or not isinstance(truth, sympy.Equality):
        return False
    sides: tuple[Any, Any] = (answer, truth)
    left, right = (sympy.expand(side.lhs - side.rhs) for side in sides)
    if left == 0 or right == 0:
        return left == right
    ratio = sympy.cancel(left / right)
    return not ratio.free_symbols and ratio != 0


def _same_values(answer: Any, truth: Any) -> bool:
    """Equal to 40 digits at rational points: for algebraic functions that is identity.

    Points where neither is defined don't count; where one alone is, they differ.
    """
    import sympy

    symbols = sorted(answer.free_symbols | truth.free_symbols, key=str)
    agreed = 0
    for shift in range(len(POINTS)):
        point = {
            symbol: sympy.Rational(POINTS[(shift + n) % len(POINTS)]) + n // len(POINTS)
            for n, symbol in enumerate(symbols)
        }
        values = [_value(side, point) for side in (answer, truth)]
        if values[0] is None and values[1] is None:
            continue
        if values[0] is None or values[1] is None:
            return False
        if abs(values[0] - values[1]) > sympy.Float(TOLERANCE) * (abs(values[1]) or 1):
            return False
        agreed += 1
        if not symbols:
            return True
    return agreed >= MIN_POINTS


def _value(expression: Any, point: dict[Any, Any]) -> Any:
    """The value at a point to ``DIGITS`` digits; None where it has none."""
    value = expression.subs(point).evalf(DIGITS)
    return value if value.is_number and value.is_finite else None


def _same_form(answer: Any, truth: Any) -> bool:
    """As many factors as the truth; where it is a product of sums, the same constant before it."""
    import sympy

    symbols = truth.free_symbols
    if not symbols or not all(side.is_polynomial(*symbols) for side in (answer, truth)):
        return True
    (constant, factors), (true_constant, true_factors) = map(_factors, (answer, truth))
    if len(factors) != len(true_factors):
        return False
    product = len(true_factors) > 1 and any(isinstance(f, sympy.Add) for f in true_factors)
    return not product or abs(constant) == abs(true_constant)


def _factors(expression: Any) -> tuple[Any, list[Any]]:
    """The constant, and the other factors as written, each as often as its power says."""
    import sympy

    constant, factors = sympy.Integer(1), []
    for each in sympy.Mul.make_args(expression):
        base, power = each.as_base_exp()
        if not each.free_symbols:
            constant *= each
        elif power.is_Integer and 0 < power < 200:
            factors += [base] * int(power)
        else:
            factors.append(each)
    return constant, factors


def parse(latex: str) -> Any:
    """The sympy expression of a LaTeX text, with i and e as the constants.

    Raises whatever the parser raises for a text outside its grammar.
    """
    import sympy
    from latex2sympy2_extended.latex2sympy2 import (  # pyright: ignore[reportMissingImports]
        ConversionConfig,
        latex2sympy,
    )

    config = ConversionConfig(lowercase_symbols=False)
    found: Any = latex2sympy(latex, normalization_config=None, conversion_config=config)
    _check_size(found)
    found = found.doit()
    imaginary = [symbol for symbol in found.free_symbols if str(symbol) == "i"]
    return found.subs(dict.fromkeys(imaginary, sympy.I))


def _check_size(expression: Any) -> None:
    """ValueError for towers of powers and large factorials, which nobody's answer needs."""
    import sympy

    for node in sympy.preorder_traversal(expression):
        if isinstance(node, sympy.Pow):
            within: list[Any] = list(sympy.preorder_traversal(node.exp))
            tower = any(isinstance(n, sympy.Pow) and n.exp.is_integer for n in within)
            if tower or any(n.is_Integer and abs(n) > MAX_POWER for n in within):
                raise ValueError(f"{node} is too large to compute")
        if isinstance(node, sympy.factorial):
            argument: Any = node.args[0]
            if not argument.is_Symbol and not (argument.is_Integer and argument <= MAX_FACTORIAL):
                raise ValueError(f"{node} is too large to compute")


def decide(request: dict[str, str]) -> bool:
    """The verdict on one request; texts that can't be read as algebra are not the same."""
    import sympy

    try:
        sides = [parse(request[name]) for name in ("answer", "truth")]
        if request["kind"] == "equation":
            return same_equation(*sides)
        if not all(isinstance(side, sympy.Expr) for side in sides):
            return False
        return same_expression(*sides)
    except Exception:  # the parser raises bare Exception, sympy half a dozen kinds
        return False


def _limit(cpu_s: float) -> None:
    """Let this process end itself (SIGXCPU) after ``cpu_s`` more seconds of CPU time."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime + cpu_s) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def main() -> None:
    """Serve requests from stdin until it closes."""
    import logging

    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MB << 20, MEMORY_MB << 20))
    parse("x")  # so that no request pays for the imports
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        _limit(request["cpu_s"])
        try:
            verdict = decide(request)
        except MemoryError:
            verdict = False
        print(json.dumps({"same": verdict}), flush=True)


if __name__ == "__main__":
    main()
