"""The tables and plots of layers and switches; none for an experiment of another kind."""

from __future__ import annotations

from stages.params import AgentChanges, ArmParams, CriterionParams
from stages.stats.designs import attribution, details, plots
from stages.stats.intervals import Estimate
from tests.stats.families.small_rows import results, rows

FUZZY = AgentChanges(fuzzy_ratio=0.7)
ARMS = {"fuzzy": ArmParams(agent=FUZZY), "fuzzy_skill": ArmParams(agent=FUZZY, adapter="skill")}
RELATIVE = CriterionParams(
    estimand="relative_best.both.knowledge", comparator=">", threshold=0.1, test="fieller"
)


def test_an_experiment_of_conditions_alone_has_nothing_added():
    made = results(rows("base", "1000"), rows("skill", "1100"))
    assert details(made) == {} and plots(made) == {}


def test_every_switch_is_attributed_without_and_with_the_adapter():
    made = results(
        rows("base", "10000000"),
        rows("skill", "11110000"),
        rows("fuzzy", "11000000"),
        rows("fuzzy_skill", "11111110"),
        arms=ARMS,
    )
    (table,) = attribution(made).values()
    values = {name: e.value for name, e in table.items() if isinstance(e, Estimate)}
    assert values == {
        "without_adapter": 0.125,
        "with_adapter": 0.375,
        "main_effect": 0.25,
        "adapter": 0.5,
        "interaction": 0.25,
        "together": 0.75,
    }
    assert details(made)["attribution"]["fuzzy"]["together"]["value"] == 0.75
    drawn = plots(made)["attribution"]
    assert {row["condition"] for row in drawn} == set(values)
    assert all(row["lo"] <= row["difference"] <= row["hi"] for row in drawn)


def test_layers_are_compared_metric_by_metric():
    noted, bare = [100, 90, 110], [50, 45, 55]
    made = results(
        rows("base", "1000" * 10, steps=[6, 5, 7], ok_steps=[4, 3, 5], context_tokens=bare),
        rows("knowledge", "1100" * 10, steps=[5, 6, 4], context_tokens=noted),
        rows("skill", "1100" * 10, context_tokens=bare),
        rows("both", "1110" * 10, context_tokens=noted),
        criteria={"better": RELATIVE},
    )
    table = details(made)["layers"]
    assert table["metrics"]["knowledge"]["context_tokens"]["value"] == 100
    assert table["relative"]["skill over knowledge"]["context_tokens"]["value"] == 0.5
    assert set(table["relative"]) == {
        "skill over base",
        "knowledge over base",
        "skill over knowledge",
        "both over knowledge",
    }
    assert table["interaction"]["value"] == 0.0
