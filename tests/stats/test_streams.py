"""Streams read from files, and every metric of their matrix against numbers worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.records import RecordError, read_json, write_json
from stages.stats import stream_summary
from stages.stats.results import read_results
from stages.stats.stream_cells import accuracy_matrix
from stages.stats.streams import read_streams
from tests.stats.checks import run_files
from tests.stats.checks.stream_files import ADAPTERS, stream_lab, write_streams
from tests.stats.families.small_stream import made_results, made_stream

PLAYED = {1: [1, 1, 1, 0, 0, 0], 2: [1, 0, 1, 1, 0, 1], 3: [1, 0, 1, 0, 1, 1]}
"""Three blocks of two tasks: a(1,·) = 1, ½, 0; a(2,·) = ½, 1, ½; a(3,·) = ½, ½, 1."""


def three_blocks():
    kept = {c: [[1]] * 2 * c for c in (1, 2, 3)}
    return made_stream("naive", kept, every=2, played=PLAYED)


def test_the_matrix_and_its_metrics_by_hand():
    stream = three_blocks()
    base = {f"t{n}": 0.0 for n in range(1, 7)}
    matrix = accuracy_matrix(stream, base, "base")
    assert matrix.values.tolist() == [
        [0.0, 0.0, 0.0],
        [1.0, 0.5, 0.0],
        [0.5, 1.0, 0.5],
        [0.5, 0.5, 1.0],
    ]
    made = made_results([stream], base=[0] * 6)
    (found,) = stream_summary.details(made)["streams"]["naive"]["metrics"]
    assert found["acc"] == round(2 / 3, 4)
    assert found["plasticity"] == found["aulc"] == 1.0
    assert found["bwt"] == -0.5 and found["forgetting"] == 0.5 and found["forgetting_cl"] == 0.5
    # block 2 after the first checkpoint ½, block 3 after the second ½
    assert found["ft"] == 0.5
    assert found["cl_f_beta"] == round(2 * 0.5 / 1.5, 4)
    total = 2 / 3 - 0.5 + 0.5 - 0.5 + 1 + 2 / 3
    assert found["cl_score"] == pytest.approx(total, abs=2e-4)
    assert found["cl_score_weights"]["forgetting"] == 1.0


def test_a_task_that_was_not_played_yet_leaves_its_place_empty():
    kept = {c: [[1]] * 2 * c for c in (1, 2, 3)}
    played = {1: [1, 1, 1], 2: [1, 0, 1, 1, 0], 3: [1, 0, 1, 0, 1, 1]}
    made = made_results([made_stream("naive", kept, every=2, played=played)], base=[0] * 6)
    (found,) = stream_summary.details(made)["streams"]["naive"]["metrics"]
    assert found["matrix"][1] == [1.0, 1.0, None]
    assert found["ft"] == 0.5


def test_streams_are_read_from_their_files(run: Path):
    write_streams()
    lab = stream_lab()
    streams = read_streams(lab)
    assert streams.arms == ["naive", "ewc_10"] and len(streams.streams) == 4
    first = streams.of("naive")[0]
    assert first.sessions == {1: 4, 2: 8} and first.last == 2
    assert sorted(first.played) == [1, 2] and len(first.guard) == 800
    assert len(first.kept()[1]) == 4 and len(first.kept()[2]) == 8
    assert first.learned([1, 2])[first.order[3]] == 1
    results = read_results(lab)
    assert results.conditions == [*run_files.CONDITIONS, "naive", "ewc_10"]
    flat = stream_summary.arms(results)
    assert flat["naive"]["retention"] == 0.875 and flat["naive"]["flops"] == 2e6
    assert flat["ewc_10"]["capability_drop"] == 0.0


def test_plots_of_streams(run: Path):
    write_streams()
    results = read_results(stream_lab())
    origins = stream_summary.retention_rows(results)
    assert {row["arm"] for row in origins} == {"naive", "ewc_10"}
    assert all(row["lo"] <= row["rate"] <= row["hi"] for row in origins)
    times = stream_summary.over_time_rows(results)
    assert [(row["sessions"], row["rate"]) for row in times[:2]] == [(4, 0.75), (8, 0.875)]
    assert {row["gflops"] for row in stream_summary.pareto_rows(results)} == {0.002}
    assert len(stream_summary.rank_rows(results)) == 8


def test_facts_of_another_consolidation_are_an_error(run: Path):
    write_streams()
    path = ADAPTERS / "naive-s0/c0002/facts.json"
    write_json(path, {**read_json(path), "consolidation": 1})
    with pytest.raises(RecordError, match="doesn't say that it is of consolidation 2"):
        read_streams(stream_lab())
