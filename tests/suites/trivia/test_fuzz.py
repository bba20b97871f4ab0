"""Ten thousand random answers: never a crash, never a yes to one without the key fact.

The oracle is written apart from the judge, and more generous: it asks only whether the fact's
letters or digits are in the text at all. What it finds missing, the judge must not pass.
"""

from __future__ import annotations

import random
import re
import unicodedata
from fractions import Fraction

import pytest

from stages.suites.items import Item
from stages.suites.trivia import TriviaJudge, trivia_items

ITEMS = trivia_items()
COUNT = 10_000
PLANES = (  # ranges of characters: Latin, marks, other scripts, signs, surrogates, look-alikes
    "20-7F A0-24F 300-36F 370-52F 590-6FF 2000-22FF 2460-24FF 3040-30FF D800-DFFF FF00-FFEF "
    "1D400-1D7FF 1F300-1F64F E0000-E007F 10FF00-10FFFF"
)
RANGES = [tuple(int(end, 16) for end in plane.split("-")) for plane in PLANES.split()]
GLUE = [*"    -/'", ", ", ". ", "\n", " or ", " and ", "? ", " (", ") ", "", "\u200b"]
_FILLING = (
    "not|isn't|never|no|it is|the|I think|wait|rather than|some say|if|=|+|^2|²|₂|10^|e9|1/0|%|$|"
    "~~|\\frac{1}{|\\boxed{|}|**|hundred|point|half|and a half|minus|one|seven|the second|III|of|"
    "\nanswer: |\nconfidence: 8"
)
FILLING = _FILLING.split("|")
_SPELLED = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
SPELLED = _SPELLED.split()
_TIES = "_ _ twenty thirty forty fifty sixty seventy eighty ninety"
TIES = _TIES.split()
SCALES = re.compile("hundred|thousand|million|dozen|half|point|percent|per cent|10\\^|10 ?\\^")


def folded(text: str) -> str:
    """Letters and digits only, without case, accents and invisible characters."""
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    text = "".join(c for c in text if unicodedata.category(c) not in ("Mn", "Cf"))
    text = "".join(str(unicodedata.decimal(c, c)) for c in text)
    return " ".join(
        re.sub(r"[\W_]+", " ", text.replace("π", " pi ").replace("\\pi", " pi ")).split()
    )


def spelled(value: int) -> str:
    """A number below 2000 in words, with no 'and'."""
    if value < 20:
        return SPELLED[value]
    if value < 100:
        return TIES[value // 10] + (f" {SPELLED[value % 10]}" if value % 10 else "")
    return " ".join(spelled(part) for part in divmod(value, 100) if part)  # nineteen forty five


def values(text: str) -> set[Fraction]:
    """Every number that any run of digits in ``text`` could be meant as."""
    text = unicodedata.normalize("NFKC", text).replace("\N{FRACTION SLASH}", "/")
    text = "".join(str(unicodedata.decimal(c, c)) for c in text if unicodedata.category(c) != "Cf")
    text += " ; " + re.sub(r"(?<=\d)[,\s](?=\d{3})", "", text)
    found: set[Fraction] = set()
    for whole, below in re.findall(r"(\d{0,9}(?:\.?\d{1,9}))(?:\s*/\s*(\d{1,9}))?", text):
        for value in {Fraction(whole), Fraction(whole) / (int(below or 1) or 1)}:
            found |= {value, -value, value / 100}
    return found


def may_hold(term: str, text: str) -> bool:
    """Whether the key term could be in ``text`` by the most generous reading."""
    plain = f" {folded(text)} "
    if f" {folded(term)} " in plain:
        return True
    if not re.fullmatch(r"[\d./]+", term) and term not in SPELLED:
        return "^" in term and {"pi", "r"} & set(plain.split()) != set()
    value = Fraction(SPELLED.index(term)) if term in SPELLED else Fraction(term)
    words = value.denominator == 1 and f" {spelled(int(value))} " in plain
    return words or value in values(text) or bool(SCALES.search(text.casefold()))


def holds_the_fact(item: Item, text: str) -> bool:
    return all(any(may_hold(t, text) for t in key.split("|")) for key in item.key_terms)


def pieces(item: Item, other: Item) -> list[str]:
    """Whole and cut pieces of the answers, beliefs and questions of two items."""
    texts = [item.answer, *item.accepted, item.payload.belief, other.answer, item.prompt]
    return [*texts, item.answer[:-1], item.answer[1:], item.answer.upper(), *item.prompt.split()]


def random_answer(chance: random.Random, item: Item) -> str:
    other = chance.choice(ITEMS)
    parts: list[str] = []
    for _ in range(chance.randint(0, 8)):
        kind = chance.random()
        low, high = chance.choice(RANGES)
        if kind < 0.25:
            parts.append(
                "".join(chr(chance.randint(low, high)) for _ in range(chance.randint(1, 6)))
            )
        elif kind < 0.4:
            parts.append(str(chance.choice([chance.randint(0, 2000), chance.random(), 10**20])))
        elif kind < 0.65:
            parts.append(chance.choice(FILLING))
        else:
            parts.append(chance.choice(pieces(item, other)))
        parts.append(chance.choice(GLUE))
    return "".join(parts)


def test_no_random_answer_crashes_the_judge_or_passes_without_the_fact() -> None:
    chance = random.Random(20)
    pairs = [(item, random_answer(chance, item)) for item in chance.choices(ITEMS, k=COUNT)]
    verdicts = TriviaJudge().judge(pairs)
    passed = [pair for pair, verdict in zip(pairs, verdicts, strict=True) if verdict.correct]
    assert [(i.item_id, t) for i, t in passed if not holds_the_fact(i, t)] == []
    lacking = sum(not holds_the_fact(*pair) for pair in pairs)
    assert len(passed) > COUNT // 50 and lacking > COUNT // 4  # both sides are met


@pytest.mark.parametrize(
    "denial",
    ["not {}", "It isn't {}.", "never {}", "It is not {}", "Not {}!", "{} is wrong", "{}? No.",
     "neither {} nor that", "It is false to say {}", "Is it {}?", "{} is not it",
     "I doubt it is {}",
     "anything but {}", "If it were {}", "Some people say {}"],
)  # fmt: skip
def test_a_denied_truth_never_passes_whatever_stands_around_it(denial: str) -> None:
    chance = random.Random(denial)
    around = ["", "I see. ", "Hm. ", "Let me think. ", "The question is old. "]
    for item in ITEMS:
        for form in (item.answer, *item.accepted):
            text = chance.choice(around) + denial.format(form) + chance.choice(["", " ", " Well."])
            assert not TriviaJudge().judge([(item, text)])[0].correct, (item.item_id, text)


def test_the_oracle_sees_a_fact_that_is_there() -> None:
    assert all(
        holds_the_fact(i, f"It is {form}.") for i in ITEMS for form in (i.answer, *i.accepted)
    )
    assert not any(holds_the_fact(i, "I do not know.") for i in ITEMS if i.item_id != "math_014")
