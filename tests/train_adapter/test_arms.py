"""Arms' examples: exact and seeded, diffs refused, validation by resolved sessions, generations."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from stages.lab.cells import Cells
from stages.lab.splits import Half
from stages.params import ExamplesParams, GenerationsParams, ParamsError, status
from stages.records import Example, Outcome, Task, Trajectory, read_json, read_jsonl, write_json
from stages.suites.microrepo.expert import Knowledge, expert_session
from stages.suites.microrepo.truth import faults
from stages.train_adapter.generations import Loop, Written, as_example, best_of, run_generations
from stages.train_adapter.material import gold_diffs, require_readable, turns_of
from stages.train_adapter.plant import plant
from stages.train_adapter.select import choose, record
from stages.train_adapter.validate import validated
from stages.training.settings import TrainingError
from tests.small_lab import small_lab

LAB = small_lab(24)
TASKS = LAB.suite.tasks("oak_harbor")
HALF = Half(TASKS[:16], [])


def trajectory(task: Task, attempt: int = 0, outcome: Outcome = Outcome.RESOLVED) -> Trajectory:
    """An expert's session; one that isn't resolved ends in the wrong file's edit."""
    suite: Any = LAB.suite
    world, issue = suite.world(task.repo), suite.issue(task)
    chat = expert_session(world, issue, Knowledge(persistent=True), random.Random(attempt))
    if outcome != Outcome.RESOLVED:
        chat[2] = {"role": "assistant", "content": "open nowhere.py"}
    turns = [m["content"] for m in chat if m["role"] == "assistant"]
    info = {
        "instance_id": task.instance_id,
        "attempt": attempt,
        "outcome": outcome,
        "n_steps": len(turns),
        "steps": [{"action": text} for text in turns],
    }
    return Trajectory(tuple(chat), info)


def sessions() -> list[Example]:
    made = [as_example(task, trajectory(task)) for task in HALF.train]
    return [example for example in made if example is not None]


class Played:
    """A player whose episodes are written: resolved unless the session is among ``failing``."""

    def __init__(self, failing: Sequence[str] = (), break_at: str = "") -> None:
        self.lab, self.failing, self.break_at = LAB, failing, break_at
        self.notes: list[str] = []

    def play(
        self,
        name: str,
        tasks: Sequence[Task],
        seed: int,
        attempts: int = 1,
        *rest: Any,
        **more: Any,
    ) -> list[Trajectory]:
        if name == self.break_at:
            raise KeyboardInterrupt
        self.notes += [note for notes in more.get("notes", {}).values() for note in notes]
        bad = self.failing
        return [
            trajectory(task, n, Outcome.UNRESOLVED if task.instance_id in bad else Outcome.RESOLVED)
            for task in tasks
            for n in range(attempts)
        ]


def tokens(example: Example) -> int:
    return 10


def test_a_selection_is_exact_seeded_and_nested() -> None:
    turns = [turn for example in sessions() for turn in turns_of(example)]
    few, more = (
        choose(turns, ExamplesParams(pairs_per_session=k, tokens=0), 1, 0, tokens) for k in (2, 4)
    )
    assert set(Counter(e.instance_id for e in few).values()) == {2}
    assert {e.example_id for e in few} < {e.example_id for e in more}
    again = choose(turns, ExamplesParams(pairs_per_session=2, tokens=0), 1, 0, tokens)
    other = choose(turns, ExamplesParams(pairs_per_session=2, tokens=0), 2, 0, tokens)
    assert few == again != other
    counted = choose(turns, ExamplesParams(count=18, tokens=0), 1, 0, tokens)
    assert len(counted) == 18 == len({e.example_id for e in counted})
    assert counted == sorted(counted, key=turns.index)


def test_a_budget_repeats_few_examples_and_is_recorded() -> None:
    turns = [turn for example in sessions() for turn in turns_of(example)]
    rows = choose(turns, ExamplesParams(count=5, tokens=200), 0, 1000, tokens)
    assert len(rows) == 20
    taken = record(turns, rows)
    assert (taken["available"], taken["taken"], taken["rows"]) == (len(turns), 5, 20)
    assert len(choose(turns, ExamplesParams(count=5), 0, 1000, tokens)) == 100


def test_a_sessions_turns_are_its_assistants() -> None:
    example = sessions()[0]
    turns = list(turns_of(example))
    said = [m["content"] for m in example.prompt if m["role"] == "assistant"]
    assert [turn.completion for turn in turns] == [*said, example.completion]
    assert {turn.train_on for turn in turns} == {"completion"}
    assert len({turn.example_id for turn in turns}) == len(turns)


def test_gold_diffs_are_the_patches_and_are_refused_without_the_override() -> None:
    diffs = gold_diffs(LAB, HALF)
    assert [e.completion for e in diffs] == [task.patch for task in HALF.train]
    assert [list(e.prompt) for e in diffs] == [LAB.suite.messages(task) for task in HALF.train]
    with pytest.raises(TrainingError, match=r"16 of 16 .* check 9.*`unparseable: true`"):
        require_readable(diffs, "oak_harbor/A/gold-s0", override=False)
    assert require_readable(diffs, "oak_harbor/A/gold-s0", override=True) == 16
    assert require_readable(sessions(), "oak_harbor/A/skill-s0", override=False) == 0


def test_an_experiment_that_overrides_check_9_is_exploratory_even_when_registered(
    tmp_path: Path,
) -> None:
    params = small_lab(name="x1").params
    params = dataclasses.replace(params, model="qwen-3b")
    _, now = status(params, "x1", tmp_path)
    write_json(tmp_path / "registrations.json", {"x1": {"hash": now, "date": "2026-11-21"}})
    assert status(params, "x1", tmp_path) == ("EXPLORATORY", now)


def test_validation_keeps_exactly_the_resolved_sessions() -> None:
    examples = sessions()
    bad = [examples[3].instance_id, examples[7].instance_id]
    player: Any = Played(bad)
    kept = validated(player, HALF.train, examples, seed=0)
    assert kept == [e for e in examples if e.instance_id not in bad]
    assert len(player.notes) == 16 and all("\ntest python " in note for note in player.notes)
    with pytest.raises(ParamsError, match="one example of format T"):
        validated(player, HALF.train, list(turns_of(examples[0])), seed=0)


def test_planted_errors_are_as_many_as_registered_and_known() -> None:
    examples = sessions()
    changed, wrong = plant(LAB, examples, 0.5, seed=3)
    found = {e.instance_id for e in changed if faults(LAB.suite, task_of(e), e)}  # type: ignore[arg-type]
    able = plant(LAB, examples, 1.0, seed=3)[1]
    assert found == set(wrong) < set(able) and len(wrong) == round(len(able) / 2)
    assert plant(LAB, examples, 0.0, seed=3) == (examples, {})


def task_of(example: Example) -> Task:
    return next(task for task in TASKS if task.instance_id == example.instance_id)


def test_the_best_attempt_is_resolved_then_short() -> None:
    failed = trajectory(TASKS[0], 0, Outcome.UNRESOLVED)
    assert best_of([failed, trajectory(TASKS[0], 1)]).info["attempt"] == 1


def run(folder: Path, tokenizer: Any, player: Any, **changes: Any) -> Written:
    plan = GenerationsParams(
        first=4, block=6, number=2, attempts=1, resolved=False, temperature=0.0
    )
    plan = dataclasses.replace(plan, **changes.pop("plan", {}))
    params = ExamplesParams(**{"source": "self", "generations": plan, **changes})

    def train(examples: Sequence[Example], at: Path) -> dict[str, Any]:
        write_json(at / "provenance.json", {"adapter_sha256": str(len(examples))})
        return {"examples": len(examples)}

    loop = Loop("oak_harbor/A/self-s0", player, tokenizer, train, params, HALF, sessions(), 0)
    return run_generations(loop, Cells(folder, "train_adapter.arms", *LAB.rooms), "key")


def files(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


def test_a_generation_trains_on_what_came_before_and_writes_its_own(
    tmp_path: Path, tokenizer: Any
) -> None:
    bad = [HALF.train[5].instance_id]
    written = run(tmp_path, tokenizer, Played(bad))
    assert len(written.examples) == 16 and Counter(written.generation.values()) == {1: 6, 2: 6}
    facts = [read_json(tmp_path / name / "generation.json") for name in ("g01", "g02")]
    assert [fact["trained_on"] for fact in facts] == [4, 10]
    assert [fact["sessions"] for fact in facts] == [[5, 10], [11, 16]]
    assert [fact["own"]["noise_ratio"] for fact in facts] == [pytest.approx(1 / 6), 0.0]
    assert facts[0]["own"]["noise_faults"] == {"file": 1}


def test_only_resolved_and_validated_pairs_are_kept(tmp_path: Path, tokenizer: Any) -> None:
    bad = [HALF.train[5].instance_id, HALF.train[12].instance_id]
    best = run(tmp_path / "best", tokenizer, Played(bad), plan={"resolved": True})
    assert not {e.instance_id for e in best.examples} & set(bad) and len(best.examples) == 14
    assert read_json(tmp_path / "best/g01/generation.json")["missing"] == {"not resolved": 1}
    kept = run(tmp_path / "checked", tokenizer, Played(bad), validated=True)
    assert [e.instance_id for e in kept.examples] == [e.instance_id for e in best.examples]
    rows = read_jsonl(tmp_path / "checked/g01/pairs.jsonl", dict)
    assert [row["instance_id"] for row in rows if not row["kept"]] == bad[:1]


def test_a_hybrid_writes_every_other_session_itself(tmp_path: Path, tokenizer: Any) -> None:
    written = run(tmp_path, tokenizer, Played(), source="hybrid")
    assert len(written.examples) == 16 and Counter(written.generation.values()) == {1: 3, 2: 3}


def test_a_killed_generation_resumes_to_the_same_bytes(tmp_path: Path, tokenizer: Any) -> None:
    whole = run(tmp_path / "whole", tokenizer, Played())
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "killed", tokenizer, Played(break_at="generation 2"))
    made = (tmp_path / "killed/g01/generation.json").stat().st_mtime_ns
    assert run(tmp_path / "killed", tokenizer, Played()) == whole
    assert (tmp_path / "killed/g01/generation.json").stat().st_mtime_ns == made
    assert files(tmp_path / "killed") == files(tmp_path / "whole")


def test_more_sessions_than_there_are_is_an_error(tmp_path: Path, tokenizer: Any) -> None:
    with pytest.raises(ParamsError, match="take 22 sessions, and there are 16"):
        run(tmp_path, tokenizer, Played(), plan={"number": 3})
