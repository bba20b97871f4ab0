"""The GPU benchmark's counting, and its code on a small shape."""

from __future__ import annotations

from benchmarks.gpu import SHAPES, matrix_weights, measure, peak_of, training_flops


def test_the_weights_are_those_of_the_model_card() -> None:
    # 6.53 B parameters without the embedding, 0.545 B in the output head (7.61 B with both)
    assert abs(matrix_weights(SHAPES["qwen-coder-7b"]) / 1e9 - 7.07) < 0.01


def test_a_token_costs_four_operations_a_weight_and_its_share_of_attention() -> None:
    shape = SHAPES["tiny"]
    short, long = training_flops(shape, 1) / 1, training_flops(shape, 1001) / 1001
    assert long - short == 1000 * 6 * shape.layers * shape.width
    assert round(short / matrix_weights(shape), 2) == 4.0


def test_peaks_are_known_by_the_device_s_name() -> None:
    assert peak_of("NVIDIA H100 80GB HBM3") == 989.0
    assert peak_of("some card") is None


def test_the_same_code_runs_on_a_cpu() -> None:
    rows = measure(SHAPES["tiny"], [64], "cpu", chats=2, quantisations=("none",))
    assert [row["quantisation"] for row in rows] == ["none", "none"]
    assert all(row["tokens_per_s"] > 0 for row in rows)
