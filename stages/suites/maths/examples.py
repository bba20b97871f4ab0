r"""The eight examples that the paper's evaluation of GPT-3 puts before each question.

Source: hendrycks/math at 5f3bf91, `modeling/evaluate_gpt3.py` (MIT), word for word: the sixth
question lacks its closing dollar there too, and the question asked has no 'Problem:' before it.
"""

from __future__ import annotations

_TASK = (
    "Given a mathematics problem, determine the answer. Simplify your answer as much as possible."
)
_EXAMPLES = (
    (
        r"What is $\left(\frac{7}{8}\right)^3 \cdot \left(\frac{7}{8}\right)^{-3}$?",
        "1",
    ),
    (
        "In how many ways can 4 books be selected from a shelf of 6 books if the order in which "
        "the books are selected does not matter?",
        "15",
    ),
    ("Find the distance between the points $(2,1,-4)$ and $(5,8,-3).$", r"\sqrt{59}"),
    (
        "The faces of an octahedral die are labeled with digits $1$ through $8$. What is the "
        "probability, expressed as a common fraction, of rolling a sum of $15$ with a pair of "
        "such octahedral dice?",
        r"\frac{1}{32}",
    ),
    (
        "The first three terms of an arithmetic sequence are 1, 10 and 19, respectively. What is "
        "the value of the 21st term?",
        "181",
    ),
    (r"Calculate $6 \cdot 8\frac{1}{3}", "50"),
    (
        "When the binary number $100101110010_2$ is divided by 4, what is the remainder (give "
        "your answer in base 10)?",
        "2",
    ),
    (r"How many zeros are at the end of the product 25 $\times$ 240?", "3"),
)


def paper_prompt(question: str) -> str:
    """The paper's prompt for ``question``; the answer follows up to the next dollar."""
    shown = "\n###\n".join(f"Problem: {asked}\nAnswer: ${answer}$" for asked, answer in _EXAMPLES)
    return f"{_TASK}\n{shown}\n###\n{question}\nAnswer: $"
