"""Self-improvement loops on disk: which runs there are, where their files lie, and what they hold.

``data/loops/NAME/RUN/cNNNN/`` is checkpoint NNNN of a run (0: before any training) and
``models/loops/NAME/RUN/cNNNN/`` its adapter. One answer for who writes them and who reads them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from stages.params import LoopArm, LoopParams, ModelParams, Params, load_params, loop_model, loop_of
from stages.records import RecordError, read_json, read_jsonl
from stages.suites.items import Part

T = TypeVar("T")
DATA, MODELS = "data/loops", "models/loops"
Reason = Literal["done", "guard", "validation", "unchanged"]
"""Why a run ended: all steps done; the guard's interval below its bound; no better validation;
weights that no longer change (check 22)."""


@dataclasses.dataclass(frozen=True)
class OpenLoop:
    """One loop as params.yaml has it now."""

    name: str
    params: Params
    loop: LoopParams
    model: ModelParams
    """what every arm starts from"""
    root: Path = Path()
    """folder that ``data`` and ``models`` lie in"""

    def runs(self, *arms: str) -> tuple[RunPlace, ...]:
        """Every run that the registration asks for, of these arms or of all, there or not."""
        return tuple(
            self.run(arm, seed, repeat)
            for arm in arms or self.loop.arms
            for seed in seeds_of(self.loop, arm)
            for repeat in range(repeats_of(self.loop, arm))
        )

    def run(self, arm: str, seed: int, repeat: int) -> RunPlace:
        """The place of one run."""
        return RunPlace(
            self.root / DATA / self.name, self.root / MODELS / self.name, arm, seed, repeat
        )

    def selection(self, arm: str, seed: int) -> Path:
        """The file that says what each generation of a selecting arm's lineage was picked by."""
        return self.root / DATA / self.name / f"{arm}-s{seed}.selection.json"


@dataclasses.dataclass(frozen=True)
class RunPlace:
    """One run: an arm with a seed and a repeat."""

    data: Path
    """folder of all runs' records"""
    models: Path
    """folder of all runs' adapters"""
    arm: str
    seed: int
    repeat: int

    @property
    def name(self) -> str:
        return f"{self.arm}-s{self.seed}-r{self.repeat}"

    @property
    def path(self) -> Path:
        """Folder of its records."""
        return self.data / self.name

    def checkpoint(self, number: int) -> CheckpointPlace:
        """The place of one checkpoint, there or not."""
        return CheckpointPlace(self, number)

    def checkpoints(self) -> list[CheckpointPlace]:
        """Those of a run that has ended, in order; RecordError for one that hasn't."""
        return [self.checkpoint(number) for number in range(self.end().checkpoints)]

    def end(self) -> End:
        """How it ended; RecordError when it hasn't."""
        path = self.path / "end.json"
        return _as(End, read_json(path), str(path))


@dataclasses.dataclass(frozen=True)
class RunSeeds:
    """What chance decides in a run, each apart."""

    order: int
    """of the items"""
    decoding: int
    """of sampled answers, in attempts and in probes"""
    training: int
    """of the adapter's initial factors, dropout, batches, and what is drawn to train on"""


@dataclasses.dataclass(frozen=True)
class CheckpointPlace:
    """One checkpoint of a run."""

    run: RunPlace
    number: int

    @property
    def name(self) -> str:
        return f"c{self.number:04}"

    @property
    def path(self) -> Path:
        """Folder of its records."""
        return self.run.path / self.name

    @property
    def adapter(self) -> Path:
        """Folder of its adapter; absent where this run had trained nothing yet."""
        return self.run.models / self.run.name / self.name

    def probe(self) -> list[Probed]:
        """Every item's answers."""
        return _rows(self.path / "probe.jsonl", Probed)

    def attempts(self) -> list[Attempted]:
        """What was tried since the checkpoint before."""
        return _rows(self.path / "attempts.jsonl", Attempted)

    def guard(self) -> list[dict[str, Any]] | None:
        """Rows of stages/lab/guard.py, or None where the guard wasn't played."""
        path = self.path / "guard.jsonl"
        return read_jsonl(path, dict) if path.exists() else None

    def facts(self) -> Facts:
        """What there is to say of it."""
        path = self.path / "facts.json"
        row = read_json(path)
        names = {field.name for field in dataclasses.fields(Facts)}
        own = {key: value for key, value in row.items() if key not in names}
        known = {key: value for key, value in row.items() if key in names}
        return _as(Facts, {**known, "own": own}, str(path))


@dataclasses.dataclass(frozen=True)
class End:
    """How a run ended (end.json)."""

    reason: Reason
    kept: int
    """number of the checkpoint that the run keeps"""
    checkpoints: int
    """how many there are, checkpoint 0 included"""


@dataclasses.dataclass(frozen=True)
class Facts:
    """What a checkpoint's facts.json says."""

    checkpoint: int
    step: int
    """steps trained so far: iterations, of an online loop items"""
    trained_items: list[str]
    """since the checkpoint before, in order"""
    examples: int
    """training examples since the checkpoint before"""
    tokens: int
    """training tokens since then, prompts and targets"""
    target_tokens: int
    """of these, the tokens that the loss covered"""
    losses: list[float]
    """first and last since then, nats per target token; empty where nothing was trained"""
    adapter_sha256: str
    """empty: the base itself"""
    previous_sha256: str
    """of the checkpoint before; empty: the base"""
    start: Literal["base", "previous", "none"]
    """what the training started from; none: nothing was trained"""
    stopped: str | None
    """why the run ended here; null where it went on, or did all its steps"""
    validation: float | None
    """share of part val answered right; null without that part"""
    own: dict[str, Any] = dataclasses.field(default_factory=dict)
    """what only some arms say"""


@dataclasses.dataclass(frozen=True)
class Probed:
    """One answer of a probe."""

    item_id: str
    part: Part
    group: str
    difficulty: int
    sample: int
    correct: int
    """1 right, by all cases; else 0"""
    visible: int
    """1 right by what may select data; equal to correct where nothing is hidden"""
    confidence: float
    """mean probability of the answer's tokens, 0 to 1"""
    stated: float | None
    """confidence that the answer itself states, 0 to 1"""
    tokens: int
    """written"""
    finish: str
    """stop or length"""
    text: str


@dataclasses.dataclass(frozen=True)
class Attempted:
    """One answer that was tried, or used, between two checkpoints."""

    step: int
    item_id: str
    group: str
    difficulty: int
    sample: int
    correct: int
    visible: int
    selected: int
    """1 trained on; else 0"""
    kind: str
    """own, ground_truth, teacher, rehearsal, revision, replay"""
    text: str
    tokens: int
    before: int | None = None
    """corrections: 1 where the item was answered right before; else null"""
    valid: int | None = None
    """corrections: 1 where the text can be trained on (it ended, and isn't empty)"""
    target: str | None = None
    """corrections: the text that was trained on; null where none was"""


def open_loop(name: str, root: Path = Path(), params: Params | None = None) -> OpenLoop:
    """Open loop ``name`` of ``root``/params.yaml, which is read unless given.

    ParamsError names what is wrong.
    """
    params = params or load_params(root / "params.yaml")
    loop = loop_of(params, name)
    return OpenLoop(name, params, loop, loop_model(params, loop), root)


def seeds_of(loop: LoopParams, arm: str) -> tuple[int, ...]:
    """The arm's seeds: its own, else the loop's."""
    own = loop.arms[arm].seeds
    return loop.seeds if own is None else own


def repeats_of(loop: LoopParams, arm: str) -> int:
    """Runs of each of the arm's seeds: its own number, a design's cells, or the loop's."""
    values = loop.arms[arm]
    if values.crossed is not None:
        return values.crossed.decodings * values.crossed.trainings
    if values.selection is not None:
        return (values.selection.generations - 1) * values.selection.population
    return loop.repeats if values.repeats is None else values.repeats


def run_seeds(loop: LoopParams, run: RunPlace) -> RunSeeds:
    """The run's three seeds.

    A repeat keeps its seed's order and redraws the rest. In a crossed design a repeat is a cell,
    (decoding, training), the same ones for every order. A generation's run redraws all three.
    """
    arm = loop.arms[run.arm]
    own = 1000 * (run.seed + 1) + run.repeat
    if arm.crossed is not None:
        return RunSeeds(run.seed, *divmod(run.repeat, arm.crossed.trainings))
    if arm.selection is not None:
        return RunSeeds(own + 10**6, own + 10**6, own + 10**6)
    return RunSeeds(run.seed, own, own)


def steps_of(loop: LoopParams, arm: LoopArm, n_items: int) -> int:
    """Steps of a run of the arm, where the part train has ``n_items``."""
    wanted = loop.steps if arm.steps is None else arm.steps
    return n_items if loop.design == "online" and not wanted else wanted


def checkpoint_steps(steps: int, every: int) -> list[int]:
    """Steps done at each checkpoint after checkpoint 0, rising; the last one has all."""
    return [*range(every, steps, every), steps] if steps else []


def _rows(path: Path, kind: type[T]) -> list[T]:
    return [
        _as(kind, row, f"{path}, line {line}") for line, row in enumerate(read_jsonl(path, dict), 1)
    ]


def _as(kind: type[T], row: dict[str, Any], where: str) -> T:
    """The record, by names alone; RecordError for a field that is unknown or missing."""
    fields: Sequence[Any] = dataclasses.fields(kind)  # type: ignore[arg-type]
    wanted = {f.name for f in fields if f.default is f.default_factory}
    if odd := sorted((row.keys() - {f.name for f in fields}) | (wanted - row.keys())):
        raise RecordError(
            f"{where}: field {odd[0]!r} is unknown, or missing, in a {kind.__name__}. Delete the "
            "run's folder and run `dvc repro`, which makes it again."
        )
    return kind(**row)
