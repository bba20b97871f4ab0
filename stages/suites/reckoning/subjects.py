"""The six subjects: for a difficulty from 1 to 5, a question, its steps, and its answer's form.

Small numbers: up to 20 each is one token of the organism's, and tables to 12 can be learned.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from stages.suites.reckoning.steps import Form, Ref, Step

FIRST, SECOND, THIRD, FOURTH = (Ref(index) for index in range(4))


class Draft(NamedTuple):
    """What a subject draws; wordings ask for the same thing."""

    wordings: tuple[str, ...]
    steps: tuple[Step, ...]
    form: Form = Form()


def arithmetic(d: int, rng: Random) -> Draft:
    """Sums of up to three operations; times goes before plus unless the words say otherwise."""
    a, b, c, e = (rng.randint(2, 7) for _ in range(4))
    if d == 1:
        low, high = sorted((rng.randint(1, 16), rng.randint(1, 16)))
        op = rng.choice(("plus", "minus"))
        return _plain(f"{high} {op} {low}", Step(op, high, low))
    if d == 2:
        a, b = rng.randint(2, 12), rng.randint(2, 12)
        if rng.random() < 0.5:
            return _plain(f"{a} times {b}", Step("times", a, b))
        return _plain(f"{a * b} over {b}", Step("over", a * b, b))
    if d == 3:
        a = rng.randint(1, 12)
        return _plain(f"{a} plus {b} times {c}", Step("times", b, c), Step("plus", a, FIRST))
    if d == 4:
        text = f"take {a} plus {b} then multiply by {c}"
        steps = (Step("plus", a, b), Step("times", FIRST, c))
        return Draft((text, f"multiply the sum of {a} and {b} by {c}"), steps)
    text = f"{a} times {b} plus {c} times {e}"
    first = Step("times", a, b), Step("times", c, e)
    return _plain(text, *first, Step("plus", FIRST, SECOND))


def sequences(d: int, rng: Random) -> Draft:
    """The next number, or the number at a place, of a row with a rule."""
    start, step = rng.randint(1, 24 if d == 1 else 12), rng.randint(1, 6 if d == 1 else 9)
    if d == 5:
        return _growing(start, rng.randint(1, 5), rng.randint(1, 4))
    down = (d == 2 and rng.random() < 0.5) or d == 4
    if down:
        start += 8 * step
    row = [start - i * step if down else start + i * step for i in range(4)]
    shown = " ".join(map(str, row[:3] if d in (3, 4) else row))
    op = "minus" if down else "plus"
    gap = Step("minus", row[0], row[1]) if down else Step("minus", row[1], row[0])
    if d <= 2:
        wordings = (f"what is next after {shown}", f"{shown} then what")
        return Draft(wordings, (gap, Step(op, row[3], FIRST)))
    place = rng.randint(4, 9)
    wordings = (f"what is number {place} of {shown}", f"{shown} what is at place {place}")
    return Draft(wordings, (gap, Step("times", place - 1, FIRST), Step(op, start, SECOND)))


def functions(d: int, rng: Random) -> Draft:
    """The value of a rule, of one rule after another, or of a rule used twice."""
    k, c, x = rng.randint(2, 3 if d == 2 else 7), rng.randint(1, 9), rng.randint(1, 9)
    if d == 1:
        c, x = rng.randint(1, 16), rng.randint(1, 16)
        return _valued(f"x plus {c}", f"f of {x}", Step("plus", x, c))
    if d in (2, 3):
        steps = (Step("times", k, x), Step("plus", FIRST, c))
        return _valued(f"{k} times x plus {c}", f"f of {x}", *steps)
    if d == 4:
        steps = (Step("plus", x, c), Step("times", k, FIRST))
        return _valued(f"x plus {c} and g of x is {k} times x", f"g of f of {x}", *steps)
    k, c, x = rng.randint(2, 5), rng.randint(1, 6), rng.randint(5, 9)
    once = Step("times", k, x), Step("minus", FIRST, c)
    twice = Step("times", k, SECOND), Step("minus", THIRD, c)
    return _valued(f"{k} times x minus {c}", f"f of f of {x}", *once, *twice)


def algebra(d: int, rng: Random) -> Draft:
    """The unknown of an equation of the first degree."""
    x, k = rng.randint(1, 12), rng.randint(2, 5 if d == 3 else 9)
    c = rng.randint(1, 12)
    if d == 1:
        return _solved(f"x plus {c} is {x + c}", Step("minus", x + c, c))
    if d == 2:
        return _solved(f"{k} times x is {k * x}", Step("over", k * x, k))
    if d == 3:
        m = k * x + c
        steps = (Step("minus", m, c), Step("over", FIRST, k))
        return _solved(f"{k} times x plus {c} is {m}", *steps)
    if d == 4:
        c = min(c, k * x - 1)
        m = k * x - c
        steps = (Step("plus", m, c), Step("over", FIRST, k))
        return _solved(f"{k} times x minus {c} is {m}", *steps)
    j = rng.randint(1, k - 1)
    m = (k - j) * x + c
    steps = (Step("minus", k, j), Step("minus", m, c), Step("over", SECOND, FIRST))
    return _solved(f"{k} times x plus {c} is {j} times x plus {m}", *steps)


def probability(d: int, rng: Random) -> Draft:
    """Chances of drawing from a basket, as fractions."""
    red, blue, green = (rng.randint(1, 9 if d >= 4 else 12) for _ in range(3))
    two, three = f"{red} red and {blue} blue", f"{red} red and {blue} blue and {green} green"
    total = Step("plus", red, blue)
    if d == 1:
        return _drawn(two, "take one", "red", Form(red, FIRST), total)
    if d == 2:
        steps = (total, Step("plus", FIRST, green))
        return _drawn(three, "take one", "red", Form(red, SECOND), *steps)
    if d == 3:
        steps = (Step("plus", blue, green), Step("plus", red, FIRST))
        return _drawn(three, "take one", "not red", Form(FIRST, SECOND), *steps)
    if d == 4:
        steps = (total, Step("times", red, red), Step("times", FIRST, FIRST))
        return _drawn(
            two, "take one then put it back", "red each time", Form(SECOND, THIRD), *steps
        )
    red += 1
    steps = (
        Step("plus", red, blue),
        Step("minus", red, 1),
        Step("times", red, SECOND),
        Step("minus", FIRST, 1),
        Step("times", FIRST, FOURTH),
    )
    return _drawn(f"{red} red and {blue} blue", "take two", "all red", Form(THIRD, Ref(4)), *steps)


def geometry(d: int, rng: Random) -> Draft:
    """Lengths, areas and volumes of figures with whole sides."""
    width, height = rng.randint(2, 12), rng.randint(2, 15)
    area = Step("times", width, height)
    sides = f"width {width} and height {height}"
    if d == 1:
        return _figure("the area", f"a rectangle of {sides}", area)
    if d == 2:
        steps = (Step("plus", width, height), Step("times", 2, FIRST))
        return _figure("the length around", f"a rectangle of {sides}", *steps)
    if d == 3:
        area = Step("times", width, 2 * rng.randint(1, 9))
        base = f"width {width} and height {area.right}"
        return _figure("the area", f"a triangle of {base}", area, Step("over", FIRST, 2))
    if d == 4:
        width, height, depth = (rng.randint(2, 7) for _ in range(3))
        steps = (Step("times", width, height), Step("times", FIRST, depth))
        solid = f"a box of width {width} and height {height} and depth {depth}"
        return _figure("the volume", solid, *steps)
    width, height = rng.randint(4, 12), rng.randint(4, 9)
    side = rng.randint(2, min(width, height) - 1)
    steps = (
        Step("times", width, height),
        Step("times", side, side),
        Step("minus", FIRST, SECOND),
    )
    whole = f"a rectangle of width {width} and height {height}"
    return _figure("the area", f"{whole} less a square of side {side}", *steps)


SUBJECTS: dict[str, Callable[[int, Random], Draft]] = {
    "arithmetic": arithmetic,
    "sequences": sequences,
    "functions": functions,
    "algebra": algebra,
    "probability": probability,
    "geometry": geometry,
}


def _growing(start: int, gap: int, more: int) -> Draft:
    """The next number of a row whose gaps grow by the same number each time."""
    row = [start, start + gap, start + 2 * gap + more, start + 3 * (gap + more)]
    shown = " ".join(map(str, row))
    steps = (
        Step("minus", row[2], row[1]),
        Step("minus", row[3], row[2]),
        Step("minus", SECOND, FIRST),
        Step("plus", SECOND, THIRD),
        Step("plus", row[3], FOURTH),
    )
    return Draft((f"what is next after {shown}", f"{shown} then what"), steps)


def _plain(text: str, *steps: Step) -> Draft:
    return Draft((f"what is {text}", f"how much is {text}"), steps)


def _valued(rule: str, wanted: str, *steps: Step) -> Draft:
    return Draft(
        (f"f of x is {rule} what is {wanted}", f"for f of x is {rule} get {wanted}"), steps
    )


def _solved(equation: str, *steps: Step) -> Draft:
    return Draft((f"{equation} what is x", f"get x from {equation}"), steps)


def _drawn(held: str, how: str, event: str, form: Form, *steps: Step) -> Draft:
    basket = f"a basket has {held}"
    return Draft((f"{basket} {how} what is the chance of {event}",), steps, form)


def _figure(wanted: str, figure: str, *steps: Step) -> Draft:
    return Draft((f"what is {wanted} of {figure}", f"get {wanted} of {figure}"), steps)
