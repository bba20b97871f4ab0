"""What several benchmarks need: paired ratios with an interval, and the machine in words."""

from __future__ import annotations

import os
import platform
import random
import statistics
from collections.abc import Callable
from pathlib import Path


def paired_ratios(
    ours: Callable[[], float], peer: Callable[[], float], repetitions: int
) -> list[float]:
    """ours / peer of each repetition in seconds; who goes first alternates, one warm-up each."""
    for warm_up in (ours, peer):
        warm_up()
    ratios = []
    for repetition in range(repetitions):
        if repetition % 2:
            below = peer()
            ratios.append(ours() / below)
        else:
            above = ours()
            ratios.append(above / peer())
    return ratios


def median_interval(values: list[float], draws: int = 2000) -> tuple[float, float, float]:
    """Median with its 95 % percentile bootstrap interval."""
    rng = random.Random(0)
    medians = sorted(statistics.median(rng.choices(values, k=len(values))) for _ in range(draws))
    return statistics.median(values), medians[int(0.025 * draws)], medians[int(0.975 * draws)]


def machine() -> str:
    """CPU model, usable cores, Python and torch."""
    import torch

    cores = len(os.sched_getaffinity(0))
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    return f"{cpu_model()}, {cores} cores, {versions}"


def cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name; its architecture where the system doesn't tell."""
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
