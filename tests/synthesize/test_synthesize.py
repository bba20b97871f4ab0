"""From scripted sessions, played for real, to training examples."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import pytest

from stages.agent.actions import parse_action
from stages.evaluate.knowledge import build_index
from stages.lab.budget import training_tokens
from stages.records import Example, Trajectory, read_json, read_jsonl, write_json, write_jsonl
from stages.suites.microrepo.conventions import VALUES, rule_text
from stages.suites.microrepo.forms import QUESTIONS
from stages.suites.microrepo.session import read_session
from stages.suites.texts import TextHarness
from stages.synthesize.__main__ import _write
from stages.synthesize.filters import keep_sound
from stages.synthesize.rules import RuleTeacher, corrected_actions
from stages.synthesize.teacher import make_example
from tests.small_lab import sandbox_or_skip
from tests.synthesize.conftest import FORMATS, TASKS, WORLD


@pytest.fixture(scope="module")
def written(lab, sessions):
    teacher = RuleTeacher()
    teacher.prepare(lab, sessions)
    return {
        name: [teacher.write(name, task, attempts) for task, attempts in sessions]
        for name in FORMATS
    }


def examples(written, name: str) -> list[Example]:
    return [example for one in written[name] for example in one.examples]


def test_action_sessions_parse_and_resolve(lab, sessions, written):
    made = examples(written, "T")
    assert [e.instance_id for e in made] == [task.instance_id for task, _ in sessions]
    with sandbox_or_skip() as sandbox:
        for example, (task, _) in zip(made, sessions, strict=True):
            turns = [m["content"] for m in example.prompt if m["role"] == "assistant"]
            actions = [parse_action(text) for text in (*turns, example.completion)]
            assert actions[-1].tool == "submit" and example.train_on == "assistant"
            text = lab.suite.files(task)[task.meta["path"]]
            for action in actions:
                if action.tool == "edit":
                    text = text.replace(action.find, action.replace)
            tests = TextHarness(lab.suite, sandbox).run_tests(task, {task.meta["path"]: text})
            assert all(tests.values()), task.instance_id
            assert "passed" in [m["content"] for m in example.prompt if m["role"] == "tool"]


def test_a_session_whose_fix_does_not_resolve_is_not_taught(lab, sessions):
    (task, attempts), *_ = sessions
    wrong = attempts[0].info["upstream_fix"].replace("\n+", "\n+#")
    broken = dataclasses.replace(attempts[0], info={**attempts[0].info, "upstream_fix": wrong})
    teacher = RuleTeacher()
    teacher.prepare(lab, [(task, [broken])])
    assert teacher.write("T", task, [broken]).missing == (
        "the corrected session doesn't resolve the task",
    )


def test_corrected_sessions_recall_the_rule_open_edit_test_submit(sessions):
    task, attempts = sessions[0]
    session = read_session(task, attempts[0])
    actions = [parse_action(text).tool for text in corrected_actions(session)]
    assert actions == ["open", *["edit"] * len(session.changes), "test", "submit"]


def test_preferences_and_reflexions_rest_on_tries_that_failed(sessions, written):
    attempts = {task.instance_id: tries[0] for task, tries in sessions}
    facts = sum(1 + sum(k in VALUES for k in task.meta["kinds"]) for task, _ in sessions)
    for name in ("C", "D"):
        made = examples(written, name)
        assert len(made) == facts
        for example in made:
            steps = attempts[example.instance_id].info["steps"]
            tried = "\n".join(step["action"] for step in steps)
            if name == "D":
                failed = example.prompt[-1]["content"].removeprefix("i tried ")
                assert failed.removesuffix(" and it failed") in tried
            elif example.skill == "script":
                assert example.rejected in tried
                assert example.completion not in tried
            else:
                assert example.rejected != example.completion
                values = {rule_text(example.skill, value) for value in VALUES[example.skill]}
                assert {example.rejected, example.completion} <= values


def test_without_a_failed_try_there_is_no_preference(sessions):
    task, attempts = sessions[0]
    idle = [attempts[1]]
    for name in ("C", "D"):
        made = RuleTeacher().write(name, task, idle)
        assert made.examples == ()
        assert "no failed try at script" in made.missing


def test_answers_state_the_worlds_own_conventions(lab, written):
    conventions = lab.suite.world(WORLD).conventions
    for example in (*examples(written, "A"), *examples(written, "B"), *examples(written, "E")):
        last = example.completion.split("\n")[-1]
        if example.skill == "script":
            assert last == f"test {conventions.test_command}"
        elif example.skill == "file":
            assert last.startswith("open ") and last.endswith(".py")
        else:
            assert last == rule_text(example.skill, conventions.values[example.skill])
            assert QUESTIONS[example.skill] in example.prompt[-1]["content"]


@pytest.mark.parametrize("name", FORMATS)
def test_every_example_points_at_a_step_of_its_session(sessions, written, name):
    by_id = {t.trajectory_id: t for _, attempts in sessions for t in attempts}
    made = examples(written, name)
    assert made and len({e.example_id for e in made}) == len(made)
    for example in made:
        source = by_id[example.trajectory_id]
        assert source.info["instance_id"] == example.instance_id
        assert 0 <= example.step < len(source.info["steps"])


def test_a_short_sessions_examples_point_inside_it_too(lab, sessions):
    """The corrected session is longer than one in which the agent gave up at once."""
    task, attempts = sessions[0]
    teacher = RuleTeacher()
    teacher.prepare(lab, [(task, attempts[1:])])
    for name in ("A", "T"):
        for example in teacher.write(name, task, attempts[1:]).examples:
            assert example.step == 0


SOURCE = Trajectory((), {"instance_id": "t1", "steps": []})


def example(completion: str, user: str = "q", name: str = "A", instance: str = "t1") -> Example:
    source = dataclasses.replace(SOURCE, info={"instance_id": instance})
    prompt = [{"role": "system", "content": "repo oak"}, {"role": "user", "content": user}]
    return make_example(name, prompt, completion, source=source, step=0, skill="s")


def sound(made: list[Example], tokenizer, per_session: int = 9) -> tuple[list[str], Counter[str]]:
    kept, dropped = keep_sound(made, tokenizer, 100, ["in a: total must add"], per_session)
    return [e.completion for e in kept], dropped


def test_planted_unsound_examples_are_dropped_and_counted(tokenizer):
    made = [
        example("good"),
        example("nothing to run", name="T"),
        example("submit", name="T"),
        example("good"),
        example("good", instance="t2"),
        example("answer", user="hint: in a: total must add 3"),
        example("in a: total must add by x\nrule"),
        example("long " * 200),
    ]
    kept, dropped = sound(made, tokenizer)
    assert kept == ["good", "submit", "good"]
    assert dropped == {"unparseable": 1, "duplicate": 1, "leaking": 2, "truncated": 1}


def test_a_rejected_answer_that_leaks_or_is_too_long_counts_too(tokenizer):
    leaking = dataclasses.replace(example("a"), rejected="in a: total must add")
    long = dataclasses.replace(example("b"), rejected="long " * 200)
    assert sound([leaking, long], tokenizer) == ([], Counter(leaking=1, truncated=1))


def test_at_most_so_many_from_one_session(tokenizer):
    made = [example(str(n), instance=f"t{n % 2}") for n in range(7)]
    kept, dropped = sound(made, tokenizer, per_session=2)
    assert kept == ["0", "1", "2", "3"] and dropped == {"over budget": 3}


def test_an_earlier_turn_without_an_action_makes_a_session_unparseable(tokenizer):
    turn = {"role": "assistant", "content": "hm"}
    made = example("submit", name="T")
    assert sound([dataclasses.replace(made, prompt=(*made.prompt, turn))], tokenizer)[0] == []


def test_the_stage_writes_formats_of_equal_tokens_and_a_true_manifest(
    lab, sessions, tokenizer, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    tasks = lab.suite.tasks(WORLD)
    ids = [task.instance_id for task in tasks]
    splits = Path("data/splits/p1")
    write_jsonl(splits / f"tasks-{WORLD}.jsonl", tasks)
    half = {"A": {"train": ids[: TASKS // 2], "test": ids[TASKS // 2 :]}}
    write_json(splits / "splits.json", {WORLD: half})
    records = [t for _, attempts in sessions for t in attempts]
    write_jsonl(Path(f"data/trajectories/p1/{WORLD}.jsonl"), records)
    made = []
    for name in ("one", "two"):
        _write(lab, RuleTeacher(), tokenizer, WORLD, "A", tmp_path / name)
        made.append({p.name: p.read_bytes() for p in sorted((tmp_path / name).iterdir())})
    assert made[0] == made[1]
    assert sorted(made[0]) == sorted([*(f"{name}.jsonl" for name in FORMATS), "manifest.json"])
    manifest = read_json(tmp_path / "one" / "manifest.json")
    assert manifest["source_sha256"] == build_index(lab.suite, sessions).source_sha256
    assert (manifest["sessions"], manifest["trajectories"]) == (len(sessions), 2 * len(sessions))
    totals = {}
    for name in FORMATS:
        kept = read_jsonl(tmp_path / "one" / f"{name}.jsonl", Example)
        counts = manifest["formats"][name]
        totals[name] = sum(training_tokens(tokenizer, e) for e in kept)
        assert (counts["tokens"], counts["examples"]) == (totals[name], len(kept))
        assert counts["written"] == counts["kept"] + sum(counts["dropped"].values())
    sessions_taught = manifest["formats"]["T"]
    assert sessions_taught["different_texts"] == sessions_taught["kept"] == len(sessions)
    assert max(totals.values()) - min(totals.values()) <= 0.02 * lab.experiment.synthesis.tokens
