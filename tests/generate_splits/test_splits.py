from __future__ import annotations

import random

import pytest

from stages.generate_splits.leaks import (
    added_lines,
    answers_in_question,
    confounding,
    overlaps,
)
from stages.generate_splits.splits import SPLITS, Split, make_split, order_tasks
from stages.records import Task


def task(
    name: str, date: str = "2024-01-01", difficulty: str = "easy", text: str = "", patch: str = ""
) -> Task:
    return Task(name, "made", "oak", text or f"in a: {name}", date, difficulty, patch=patch)


def tasks(count: int) -> list[Task]:
    return [task(f"t{n}", f"2024-01-{n:02d}") for n in range(1, count + 1)]


def ids(*numbers: int) -> tuple[str, ...]:
    return tuple(f"t{n}" for n in numbers)


@pytest.mark.parametrize(
    ("name", "train", "test"),
    [
        ("A", ids(1, 2, 3), ids(4, 5, 6)),
        ("B", ids(4, 5, 6), ids(1, 2, 3)),
        ("C", ids(1, 3, 5), ids(2, 4, 6)),
    ],
)
def test_even_counts_by_hand(name, train, test):
    assert make_split(name, tasks(6)) == Split(train, test)


@pytest.mark.parametrize(
    ("name", "train", "test"),
    [
        ("A", ids(1, 2), ids(3, 4, 5)),
        ("B", ids(4, 5), ids(1, 2, 3)),
        ("C", ids(1, 3), ids(2, 4, 5)),
    ],
)
def test_an_odd_task_out_goes_to_the_test_half(name, train, test):
    assert make_split(name, tasks(5)) == Split(train, test)


@pytest.mark.parametrize("name", SPLITS)
def test_a_lone_task_is_tested_never_trained_on(name):
    assert make_split(name, tasks(1)) == Split((), ids(1))
    assert make_split(name, []) == Split((), ())


@pytest.mark.parametrize(("name", "seed"), [("D", 42), ("E", 123)])
def test_random_halves_have_their_registered_seeds_and_keep_the_order(name, seed):
    split = make_split(name, tasks(9))
    chosen = random.Random(seed).sample(ids(*range(1, 10)), 4)
    assert split.train == tuple(sorted(chosen))
    assert sorted(split.train + split.test) == sorted(ids(*range(1, 10)))
    assert split.test == tuple(sorted(split.test))


@pytest.mark.parametrize("name", SPLITS)
def test_halves_share_nothing_and_miss_nothing(name):
    for count in range(2, 12):
        split = make_split(name, tasks(count))
        assert len(split.train) == count // 2
        assert set(split.train).isdisjoint(split.test)
        assert len(split.train) + len(split.test) == count


def test_an_unknown_split_is_refused_by_name():
    with pytest.raises(ValueError, match="split 'F' is none of A, B, C, D, E"):
        make_split("F", tasks(4))


def test_order_by_date_then_as_listed_and_by_difficulty_first():
    listed = [
        task("d", "2024-03-01", "easy"),
        task("c", "2024-01-01", "hard"),
        task("b", "2024-02-01", "medium"),
        task("a", "2024-02-01", "easy"),
    ]
    assert [t.instance_id for t in order_tasks(listed, "date")] == ["c", "b", "a", "d"]
    assert [t.instance_id for t in order_tasks(listed, "difficulty")] == ["a", "d", "b", "c"]


PATCH = "--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-    return a\n+    return a + 5000\n"


def test_a_planted_twin_is_found_and_a_same_text_with_another_patch_is_not():
    twin, other = "in b: total must add", "in b: blend must add"
    listed = {
        t.instance_id: t
        for t in (
            task("t1", text=twin, patch=PATCH),
            task("t2", text=other, patch=PATCH),
            task("t3", text=twin, patch=PATCH),
            task("t4", text=other, patch=PATCH.replace("a + 5000", "get(a, 'everything')")),
        )
    }
    found = overlaps(Split(ids(1, 2), ids(3, 4)), listed)
    assert found == {"shared_ids": [], "near_duplicates": [["t3", "t1"]]}
    assert overlaps(Split(ids(1, 2), ids(2, 4)), listed)["shared_ids"] == ["t2"]


def test_an_answer_planted_in_the_question_is_found():
    listed = [
        task("t1", text="in b: total must return a + 5000", patch=PATCH),
        task("t2", text="in b: total must add 5000", patch=PATCH),
        task("t3", text="try this\n--- a/x.py\n+++ b/x.py\n", patch=""),
        task("t4", text="in b: x", patch=PATCH.replace("    return a + 5000", "x")),
    ]
    assert answers_in_question(listed) == ["t1", "t3"]
    assert added_lines(PATCH) == ["return a + 5000"]


def halves(train_level: str, test_level: str) -> tuple[Split, dict[str, Task]]:
    listed = [
        task(f"t{n}", f"2024-02-{1 + n:02d}", train_level if n < 12 else test_level)
        for n in range(24)
    ]
    split = Split(ids(*range(12)), ids(*range(12, 24)))
    return split, {t.instance_id: t for t in listed}


def test_planted_confounding_with_difficulty_and_date_is_seen():
    split, listed = halves("easy", "hard")
    found = confounding(split, listed)
    assert found["difficulty_p"] < 0.001 and found["date_p"] < 0.001
    mixed = Split(ids(*range(0, 24, 2)), ids(*range(1, 24, 2)))
    found = confounding(mixed, listed)
    assert found["difficulty_p"] > 0.9 and found["date_p"] > 0.5


def test_one_level_of_difficulty_confounds_nothing():
    split, listed = halves("easy", "easy")
    assert confounding(split, listed)["difficulty_p"] == 1.0


def test_a_level_that_only_dropped_tasks_had_is_left_out():
    split, listed = halves("easy", "medium")
    listed["twin"] = task("twin", difficulty="hard")
    assert confounding(split, listed) == confounding(split, halves("easy", "medium")[1])


def test_a_half_without_tasks_has_nothing_to_compare():
    _, listed = halves("easy", "hard")
    assert confounding(Split(ids(0), ()), listed) == {"difficulty_p": 1.0, "date_p": 1.0}
