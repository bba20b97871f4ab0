"""The stage with a language model as the teacher: one that answers well, refuses, leaks, dies."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from stages.agent.model import Completion, Request
from stages.lab.budget import BudgetError
from stages.lab.imports import UNCOUNTED, ImportGraph
from stages.params import ParamsError, ServerParams, TeacherParams, load_params, registration_hash
from stages.records import (
    Example,
    read_json,
    read_jsonl,
    write_json,
    write_jsonl,
)
from stages.synthesize import __main__ as stage
from stages.synthesize import chosen
from stages.synthesize.answers import TeacherError
from tests.synthesize.conftest import TASKS, WORLD
from tests.synthesize.scripted_teacher import Scripted, answer, good, row

ROOT = Path(__file__).resolve().parents[2]
TEACHER = TeacherParams(
    model="teacher",
    temperature=0.5,
    seed=0,
    max_new_tokens=200,
    observation_characters=300,
    budget_tokens=None,
    budget_usd=None,
)


def taught(lab: Any, **changed: Any) -> Any:
    """The small lab with a language model on a server as its teacher, and one world and split."""
    server = ServerParams(
        url="http://localhost:1/v1",
        kind="openai",
        model="wise",
        concurrency=4,
        input_per_million=1.0,
        output_per_million=10.0,
    )
    models = {**lab.params.models, "teacher": dataclasses.replace(lab.model, server=server)}
    synthesis = dataclasses.replace(
        lab.experiment.synthesis, teacher=dataclasses.replace(TEACHER, **changed)
    )
    evaluate = dataclasses.replace(lab.experiment.evaluate, conditions=("base", "skill"))
    experiment = dataclasses.replace(
        lab.experiment, synthesis=synthesis, evaluate=evaluate, worlds=(WORLD,), splits=("A",)
    )
    params = dataclasses.replace(lab.params, models=models)
    return dataclasses.replace(lab, params=params, experiment=experiment)


@pytest.fixture
def run(lab, sessions, tokenizer, tmp_path, monkeypatch):
    """The whole stage with a scripted teacher, in an empty folder with the earlier stages' files;
    gives the folder of the one cell."""
    monkeypatch.chdir(tmp_path)
    tasks = lab.suite.tasks(WORLD)
    ids = [task.instance_id for task in tasks]
    splits = Path("data/splits/p1")
    write_jsonl(splits / f"tasks-{WORLD}.jsonl", tasks)
    half = {"A": {"train": ids[: TASKS // 2], "test": ids[TASKS // 2 :]}}
    write_json(splits / "splits.json", {WORLD: half})
    records = [t for _, attempts in sessions for t in attempts]
    write_jsonl(Path(f"data/trajectories/p1/{WORLD}.jsonl"), records)
    monkeypatch.setattr(stage, "load_tokenizer", lambda _: tokenizer)

    def work(model: Any, **changed: Any) -> Path:
        monkeypatch.setattr(chosen, "_open_model", lambda _: model)
        stage.work(taught(lab, **changed))
        return Path(f"data/synthetic/p1/{WORLD}/A")

    return work


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_stage_writes_what_a_good_teacher_says(run, sessions) -> None:
    model = Scripted(good)
    folder = run(model)
    by_id = {t.trajectory_id: t for _, attempts in sessions for t in attempts}
    manifest = read_json(folder / "manifest.json")
    for name in "ABCDE":
        made = read_jsonl(folder / f"{name}.jsonl", Example)
        assert manifest["formats"][name]["written"] == 2 * len(sessions)
        for example in made:
            source = by_id[example.trajectory_id]
            assert source.info["instance_id"] == example.instance_id
            assert 0 <= example.step < len(source.info["steps"])
            assert bool(example.rejected) == (name == "C")
            assert example.prompt[0] == {"role": "system", "content": f"repo {WORLD}"}
    actions = read_jsonl(folder / "T.jsonl", Example)
    assert {e.completion for e in actions} == {"submit"}
    count = 5 * len(sessions)
    assert manifest["teacher"] == {
        "answers": count,
        "input_tokens": 100 * count,
        "cached_tokens": 0,
        "output_tokens": 20 * count,
        "usd": round(count * 300 / 1e6, 6),
    }
    assert model.asked == count


def test_a_rerun_costs_nothing_and_gives_the_same_bytes(run) -> None:
    folder = run(Scripted(good))
    first = contents(folder)
    for path in folder.parent.rglob("*"):
        if path.is_file():
            path.unlink()
    assert contents(run(None)) == first


def test_a_killed_stage_ends_with_the_same_bytes(run, tmp_path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(Scripted(good, dies_after=9))
    rest = Scripted(good)
    cut = contents(run(rest))
    assert rest.asked == 5 * TASKS // 2 - 8
    assert cut == contents(run(Scripted(good), cache=str(tmp_path / "fresh")))


def test_refusals_garbage_and_leaks_are_counted(run, lab, sessions) -> None:
    tested = lab.suite.tasks(WORLD)[-1].problem_statement
    trained = [task.instance_id for task, _ in sessions]

    def mixed(request: Request) -> str:
        name, instance = request.key  # type: ignore[misc]
        if name == "A" and instance in trained[:3]:
            said = ("I'm sorry, I can't.", "lorem ipsum", answer(row(answer=f"see: {tested}")))
            return said[trained.index(instance)]
        return good(request)

    manifest = read_json(run(Scripted(mixed)) / "manifest.json")
    counts = manifest["formats"]["A"]
    assert counts["missing"] == {"refused": 1, "not JSON": 1}
    assert counts["dropped"] == {"leaking": 1}
    assert counts["kept"] == counts["written"] - 1 == 2 * (len(sessions) - 3)


def test_a_session_without_room_in_the_context_is_counted(run) -> None:
    class Narrow(Scripted):
        def complete(self, requests: Sequence[Request]) -> list[Completion]:
            full = Completion("", 9_000, 0, 0, 0.0, "length")
            done = super().complete(requests)
            return [full if n == 0 and self.asked == 8 else d for n, d in enumerate(done)]

    manifest = read_json(run(Narrow(good)) / "manifest.json")
    missing = manifest["formats"]["A"]["missing"]  # the second four requests begin there
    assert missing == {"session longer than the teacher's context": 1}


def test_the_teacher_never_reads_a_test_task(run, lab) -> None:
    forbidden = [task.problem_statement for task in lab.suite.tasks(WORLD)[TASKS // 2 :]]
    prompts: list[str] = []

    def note(request: Request) -> str:
        prompts.extend(message["content"] for message in request.messages)
        return good(request)

    run(Scripted(note))
    assert prompts and not any(text in prompt for text in forbidden for prompt in prompts)


def test_a_teacher_that_refuses_everything_stops_the_stage_with_its_reasons(run) -> None:
    with pytest.raises(BudgetError, match=r"format A: no example.*'refused': 6"):
        run(Scripted(lambda _: '{"refusal": "no"}'))


def test_a_budget_stops_the_stage_and_a_larger_one_continues(run) -> None:
    with pytest.raises(TeacherError, match="budget_tokens"):
        run(Scripted(good), budget_tokens=1_000)
    rest = Scripted(good)
    run(rest, budget_tokens=100_000)
    assert rest.asked == 5 * TASKS // 2 - 12


def test_prices_and_waits_are_no_part_of_a_models_identity(lab) -> None:
    model = taught(lab).params.models["teacher"]
    cheap = dataclasses.replace(model.server, input_per_million=0.0, timeout_s=1.0)
    other = dataclasses.replace(model.server, model="wiser")
    assert chosen.identity(dataclasses.replace(model, server=cheap)) == chosen.identity(model)
    assert chosen.identity(dataclasses.replace(model, server=other)) != chosen.identity(model)


def test_cells_count_the_chosen_teachers_code_alone(lab) -> None:
    graph = ImportGraph(ROOT)

    def code(opened: Any) -> set[str]:
        rooms = ("synthesize.__main__", *chosen.teacher_rooms(opened))
        return set().union(*(graph.reached(room, UNCOUNTED) for room in rooms))

    language = {f"stages.synthesize.{name}" for name in ("language", "answers", "parse")}
    assert not language & code(lab) and "stages.synthesize.rules" in code(lab)
    assert language <= code(taught(lab)) and "stages.lab.served" in code(taught(lab))


def test_a_registration_counts_the_teacher_and_its_model(lab) -> None:
    params = load_params(ROOT / "params.yaml")
    hashes = {registration_hash(params, "p1", "organism")}
    opened = taught(lab)
    for server in ("wise", "wiser"):
        model = opened.params.models["teacher"]
        model = dataclasses.replace(model, server=dataclasses.replace(model.server, model=server))
        synthesis = dataclasses.replace(params.experiments["p1"].synthesis, teacher=TEACHER)
        p1 = dataclasses.replace(params.experiments["p1"], synthesis=synthesis)
        changed = dataclasses.replace(
            params,
            models={**params.models, "teacher": model},
            experiments={**params.experiments, "p1": p1},
        )
        hashes.add(registration_hash(changed, "p1", "organism"))
    assert len(hashes) == 3


def test_a_teacher_that_is_no_model_is_named(tmp_path) -> None:
    text = (ROOT / "params.yaml").read_text()
    teacher = (
        "teacher: {model: tinny, temperature: 0, seed: 0, max_new_tokens: 9, "
        "observation_characters: 9, budget_tokens: null, budget_usd: null}"
    )
    start = text.index("pairs_per_session: 4}")
    end = start + len("pairs_per_session: 4")
    path = tmp_path / "params.yaml"
    path.write_text(f"{text[:end]}, {teacher}{text[end:]}")
    with pytest.raises(ParamsError, match=r"synthesis.teacher.model: there is no 'tinny'.*'tiny'"):
        load_params(path)
