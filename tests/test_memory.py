"""Freed memory is used again, unless the environment says otherwise."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

CODE = """
import resource
import tinygrad_lite as tl
x = tl.ones(500_000)
for step in range(3):
    y = x + x
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for step in range(100):
    y = x + x
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before, tl.memory.keep())
"""


def faults(setting: str) -> tuple[int, str]:
    environment = {**os.environ, "TINYGRAD_LITE_MALLOC": setting}
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True)
    count, kept = done.stdout.split()
    return int(count), kept


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is one of glibc")
def test_results_of_2_mb_cost_no_page_faults_unless_the_system_is_asked_for():
    assert faults("")[0] < 50
    count, kept = faults("system")
    assert count > 200 and kept == "False"
