"""The benchmark: its rows are what the issue of speed is about, unequal results are refused, ratios are as told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import report
from benchmarks.compare import result
from benchmarks.machine import Machine
from benchmarks.row import Group, Row, differences
from benchmarks.rows import GROUPS, find

ROOT = Path(__file__).parent.parent.parent


def test_every_row_has_a_name_of_its_own_and_every_group_a_target():
    names = [row.name for group in GROUPS for row in group.rows]
    assert len(names) == len(set(names)) > 50
    assert all(find(name).name == name for name in names)
    assert all(group.every >= 1 and group.mean >= 1 for group in GROUPS)


def row(**options):
    return Row("a row", lambda lib: list, **options)


def test_unequal_results_are_refused():
    x = np.ones((2, 2), np.float32)
    assert differences(row(), [x], [x + 1e-5]) < 1e-4
    for other in (x + 1e-2, np.full_like(x, np.nan), np.ones(4, np.float32)):
        with pytest.raises(AssertionError, match="a row: result 0"):
            differences(row(), [other], [x])


def test_results_of_chance_are_compared_by_their_summary():
    a, b = (np.random.default_rng(k).random(10_000) for k in range(2))
    by_mean = row(summary=lambda arrays: [np.mean(arrays[0])], tolerance=0.05)
    assert differences(by_mean, [a], [b]) < 0.05


def test_a_ratio_is_the_median_over_pairs_of_theirs_by_ours():
    found = result("group", "name", [(1.0, 2.0), (2.0, 2.0), (1.0, 30.0)])
    assert (found.ratio, found.ours, found.theirs, found.pairs) == (2.0, 1.0, 2.0, 3)
    assert (found.low, found.high) == (1.5, 16.0)


def test_a_row_below_its_target_is_reported_as_such():
    results = [result("g", "slow", [(2.0, 1.0)]), result("g", "fast", [(1.0, 8.0)])]
    group = Group("g", 1.0, 1.5, [])
    assert report.verdict(group, results) == "geometric mean 2.00 (target 1.5), 1 of 2 rows at 1.0 or above: not met"
    text = report.document(Machine("a processor", 2, "versions", 1e9, 1e9), "command", "a day", [(group, results)], [])
    assert "| slow | 2 s | 1 s | 0.50 | 0.50 to 0.50 |  | below |" in text


def test_the_command_measures_a_row_in_both_libraries():
    pytest.importorskip("torch", reason="the benchmark compares with PyTorch")
    command = [sys.executable, "-m", "benchmarks", "--quick", "--pairs", "1", "--rows", "embedding"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode in (0, 1), done.stderr
    assert "embedding (10000, 128), 4096 ids" in done.stdout and "geometric mean" in done.stdout


def test_rows_are_listed_without_running_them():
    pytest.importorskip("torch", reason="the benchmark compares with PyTorch")
    command = [sys.executable, "-m", "benchmarks", "--list", "--rows", "lstm"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=True)
    assert "LSTM (20, 1, 5, 48)" in done.stdout and "conv2d" not in done.stdout
