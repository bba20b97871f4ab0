"""What an experiment would run, take and cost, and what this machine lacks. Nothing is run.

`python -m stages.plan p1 --model qwen-coder-7b` plans the pilot on a real model.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys

from tabulate import tabulate

from stages.checkpoints.resolve import GB
from stages.lab.chosen import open_suite
from stages.lab.context import Lab
from stages.params import (
    Experiment,
    ModelParams,
    Params,
    agent_of,
    experiment_of,
    guard_of,
    load_params,
    model_of,
    suite_of,
)
from stages.plan.count import StagePlan, Tasks, stage_plans, tasks_per_world
from stages.plan.machine import (
    LAPTOP,
    Card,
    Size,
    lacks,
    playing_seconds,
    size_of,
    training_seconds,
)
from stages.plan.power import detectable_effect, mcnemar_power
from stages.plan.rates import EpisodeTokens, episode_tokens, step_seconds, training_rate
from stages.plan.suite import suite_lacks
from stages.records import UserError

NOISE = 0.05
"""Assumed share of tasks that change either way by chance alone."""
EFFECT = 0.15
"""The effect whose power is printed: 15 points."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """One experiment on one model, counted."""

    name: str
    experiment: Experiment
    model: ModelParams
    same_model: bool
    """Whether model and suite are the registered ones, so that earlier runs say something."""
    tasks: Tasks
    stages: list[StagePlan]
    tokens: EpisodeTokens
    size: Size
    card: Card

    @property
    def training_tokens(self) -> int:
        """Tokens of one adapter's training, all passes."""
        epochs = (self.model.adapter or self.experiment.train).epochs
        return self.experiment.synthesis.tokens * epochs

    def seconds(self, stage: StagePlan) -> float:
        """From earlier runs of the same on the CPU, else from the card's rates."""
        measured = training_rate(self.name) if self.same_model else None
        playing = step_seconds(self.name) if self.same_model else None
        return self._training(stage, measured) + self._playing(stage, playing)

    def _training(self, stage: StagePlan, measured: tuple[float, int] | None) -> float:
        tokens = stage.passes * self.training_tokens
        if measured or not tokens:
            return tokens / measured[0] if measured else 0.0
        lean = self.model.adapter is not None and self.model.adapter.gradient_checkpointing
        return training_seconds(self.size, self.card, tokens, lean)

    def _playing(self, stage: StagePlan, measured: tuple[float, int] | None) -> float:
        count = stage.episodes
        if measured or not count:
            return count * measured[0] if measured else 0.0
        computed, written = count * self.tokens.computed, count * self.tokens.written
        return playing_seconds(self.size, self.card, computed, written, self.model.max_live)


def make_plan(
    params: Params,
    name: str,
    card: Card | None = None,
    model: str | None = None,
    suite: str | None = None,
    tasks: int | None = None,
) -> Plan:
    """The plan of experiment ``name`` with another model or suite, where named."""
    registered = experiment_of(params, name)
    experiment = dataclasses.replace(
        registered, model=model or registered.model, suite=suite or registered.suite
    )
    chosen, chosen_suite = model_of(params, experiment), suite_of(params, experiment)
    same = chosen == model_of(params, registered) and chosen_suite == suite_of(params, registered)
    found = tasks_per_world(name if same else "", experiment.worlds, chosen_suite, tasks)
    return Plan(
        name,
        experiment,
        chosen,
        same,
        found,
        stage_plans(experiment, name if same else "", found.count),
        episode_tokens(name, agent_of(params, experiment), same),
        size_of(chosen),
        card or (LAPTOP if chosen.device == "cpu" else Card()),
    )


def work_table(plan: Plan) -> str:
    """Cells, episodes, tokens and hours by stage, and together."""
    rows = []
    for stage in plan.stages:
        each = plan.tokens.computed + plan.tokens.written
        tokens = stage.passes * plan.training_tokens + stage.episodes * each
        rows.append((stage.stage, stage.cells, stage.episodes, tokens, plan.seconds(stage) / 3600))
    sums = ("together", *(sum(row[n] for row in rows) for n in range(1, 5)))
    shown = [(a, b, c, f"{d / 1e6:.2f} M", _duration(e)) for a, b, c, d, e in [*rows, sums]]
    columns = ("stage", "cells", "episodes", "tokens", "time")
    return tabulate(shown, columns, colalign=("left", *["right"] * 4))


def room_table(plan: Plan) -> str:
    """Memory and disk; what can't be known before config.json is here is said."""
    size, hours = plan.size, sum(map(plan.seconds, plan.stages)) / 3600
    unknown = "unknown before `python -m stages.checkpoints fetch --config-only`"

    def gigabytes(value: float) -> str:
        return f"{value / GB:.1f} GB" if value else unknown

    rows = [
        ("weights", gigabytes(size.weights)),
        (f"playing {plan.model.max_live} chats", gigabytes(size.playing)),
        ("training", gigabytes(size.training) if plan.model.adapter else "as the experiment's"),
        ("disk", gigabytes(size.disk)),
        ("money", "none: the CPU" if plan.model.device == "cpu" else _money(plan, hours)),
    ]
    return tabulate(rows, tablefmt="plain")


def _duration(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.1f} min"


def _money(plan: Plan, hours: float) -> str:
    return f"{hours * plan.card.price_per_hour:.2f} USD for {hours:.1f} hours"


def power_line(plan: Plan) -> str:
    """Power at the registered number of tasks, with the family's correction at its strictest."""
    experiment = plan.experiment
    tests = max(1, sum(c.test != "none" for c in experiment.criteria.values()))
    half = plan.tasks.count - plan.tasks.count // 2
    half = min(half, experiment.evaluate.tasks or half)
    n, level = half * len(experiment.worlds), experiment.alpha / tests
    if not n:
        return "power: unknown, as the number of tasks is."
    reached = mcnemar_power(n, EFFECT + NOISE, NOISE, level)
    least = detectable_effect(n, NOISE, experiment.power, level)
    finds = "no effect at all" if least is None else f"{100 * least:.1f} points"
    short = (
        ""
        if half >= experiment.minimum_tasks
        else (f" {half} tasks are fewer than the registered minimum of {experiment.minimum_tasks}.")
    )
    return (
        f"power: {n} test tasks, alpha {experiment.alpha:g} over {tests} tests (Holm's strictest "
        f"step): {reached:.0%} for 15 points; {experiment.power:.0%} from {finds}.{short}"
    )


def assumptions(plan: Plan) -> list[str]:
    """What the figures rest on."""
    card = plan.card
    speed = (
        f"{card.tflops:g} TFLOP/s and {card.bandwidth_gb_s:g} GB/s of which {card.utilisation:.0%} "
        f"is reached, {card.price_per_hour:g} USD an hour (change: --tflops, --bandwidth, "
        "--utilisation, --price)"
    )
    if plan.same_model and training_rate(plan.name) and step_seconds(plan.name):
        speed = f"measured in timings/{plan.name} (one process; {plan.model.device})"
    return [
        f"tasks per repository: {plan.tasks.count}, {plan.tasks.source}",
        f"an episode: {plan.tokens.computed:.0f} tokens read, {plan.tokens.written:.0f} written, "
        f"{plan.tokens.source}",
        f"an adapter: {plan.training_tokens} tokens over all passes, from synthesis.tokens",
        f"speed: {speed}",
        f"memory: from {plan.size.source}; activations are an upper bound",
        f"power: {NOISE:.0%} of the tasks change each way by chance, tasks independent",
        "streams and self-synthesis: trained tokens are upper bounds from the strategies' settings",
        "left out: tests in the sandbox, retention and guard problems, loading",
    ]


def _worlds(params: Params, plan: Plan, missing: list[str]) -> tuple[str, ...]:
    """The experiment's repositories and its placebo's; why there is none joins ``missing``."""
    try:
        suite = open_suite(suite_of(params, plan.experiment), "its suite")
    except UserError:  # what it lacks is said by name
        return plan.experiment.worlds
    try:
        return Lab(plan.name, params, plan.experiment, plan.model, suite).all_worlds
    except UserError as error:
        missing.append(str(error))
        return plan.experiment.worlds


def _print(params: Params, plan: Plan) -> None:
    suite = plan.experiment.suite or params.suite
    print(f"{plan.name}: {plan.experiment.title}\nmodel {plan.model.path}, suite {suite}\n")
    print(work_table(plan), room_table(plan), power_line(plan), sep="\n\n")
    print("\nassumed:", *assumptions(plan), sep="\n- ")
    missing = lacks(plan.model, plan.size)
    missing += suite_lacks(suite_of(params, plan.experiment), _worlds(params, plan, missing))
    guard = guard_of(params, plan.experiment)
    missing += [] if guard is None else suite_lacks(guard, ())
    print("\nmissing here:", *(missing or ["nothing"]), sep="\n- ", end="\n\n")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m stages.plan",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("experiment", help="its name in params.yaml")
    parser.add_argument("--model", help="entry of `models`, a folder or a hub id")
    parser.add_argument("--suite", help="entry of `suites`")
    parser.add_argument("--tasks", type=int, help="tasks per repository, where nothing says it")
    parser.add_argument("--tflops", type=float, help="of the GPU, bfloat16")
    parser.add_argument("--bandwidth", type=float, help="its GB/s")
    parser.add_argument("--utilisation", type=float, help="share reached")
    parser.add_argument("--price", type=float, help="USD an hour")
    chosen = parser.parse_args(arguments)
    given = (chosen.tflops, chosen.bandwidth, chosen.utilisation, chosen.price)
    names = [field.name for field in dataclasses.fields(Card)]
    rates = {n: value for n, value in zip(names, given, strict=True) if value is not None}
    try:
        params = load_params()
        matrix = experiment_of(params, chosen.experiment).models
        for model in [chosen.model] if chosen.model else matrix or [None]:
            plan = make_plan(params, chosen.experiment, None, model, chosen.suite, chosen.tasks)
            plan = dataclasses.replace(plan, card=dataclasses.replace(plan.card, **rates))
            _print(params, plan)
    except UserError as error:
        sys.exit(f"plan: {error}")


if __name__ == "__main__":
    main()
