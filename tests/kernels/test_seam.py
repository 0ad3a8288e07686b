"""The seam: nothing is imported before it is needed, the twins can be chosen, and threads don't disturb each other."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import kernels

CODE = """
import sys
import numpy as np
import tinygrad_lite as tl
assert "numba" not in sys.modules, "import tinygrad_lite imported numba"
x = tl.tensor(np.arange(32, dtype=np.float32).reshape(1, 2, 4, 4), requires_grad=True)
y = tl.max_pool2d(tl.conv2d(x, np.ones((3, 2, 3, 3), np.float32), padding=1), 2)
y.sum().backward()
print(tl.kernels.backend(), "numba" in sys.modules, float(y.sum()), float(x.grad.sum()))
"""

ALL = """
import numpy as np
from tinygrad_lite import kernels
SOME = ["resample", "scatter_planes", "scatter_rows"]
for name in kernels.TABLE:
    for arguments in kernels.examples(name, np.float32):
        got, want = getattr(kernels, name)(*arguments), kernels.twin(name)(*arguments)
        several = isinstance(want, tuple)
        for a, b in zip(got if several else [got], want if several else [want]):
            if isinstance(b, np.ndarray):
                np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
print("all as their twins")
"""


def run(code: str, **environment: str) -> str:
    env = {**os.environ, **environment}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_every_kernel_has_a_twin():
    for name in kernels.TABLE:
        assert callable(kernels.twin(name)), name
        assert callable(getattr(kernels, name)), name


def test_a_kernel_that_does_not_exist_is_named():
    with pytest.raises(AttributeError, match="no 'convolved'; the kernels are convolve,"):
        _ = kernels.convolved


def test_the_environment_chooses_the_twins_and_numba_stays_out():
    assert run(CODE, TINYGRAD_LITE_KERNELS="numpy") == "numpy False 3348.0 216.0"


def test_numba_is_imported_by_the_first_kernel_call_and_gives_the_same():
    pytest.importorskip("numba", reason="without Numba the twins are the kernels")
    assert run(CODE, TINYGRAD_LITE_KERNELS="") == "numba True 3348.0 216.0"


def test_a_missing_numba_is_no_error():
    hide = """
import importlib.util as u
find = u.find_spec
u.find_spec = lambda name, *rest: None if name == "numba" else find(name, *rest)
"""
    assert run(hide + CODE).startswith("numpy False")


FILES = sorted(p.stem for p in Path(kernels.__file__).parent.glob("*.py") if p.stem not in ("__init__", "threads"))


@pytest.mark.parametrize("file", FILES)
def test_a_kernel_file_that_was_cut_out_leaves_a_working_engine(file):
    pytest.importorskip("numba", reason="without Numba the twins are the kernels")
    cut = f"import sys; sys.modules['tinygrad_lite.kernels.{file}'] = None"
    assert run(f"{cut}\n{ALL}", TINYGRAD_LITE_KERNELS="").endswith("all as their twins")


def test_processes_that_compile_at_once_share_a_cache(tmp_path):
    pytest.importorskip("numba", reason="without Numba nothing is compiled")
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "TINYGRAD_LITE_KERNELS": "numba"}
    command = [sys.executable, "-c", ALL.replace("kernels.TABLE", "SOME")]
    started = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate(timeout=300)[0].strip() for process in started] == ["all as their twins"] * 3
    again = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert again.stdout.strip() == "all as their twins" and "compiling" not in again.stderr


BITS = """
import hashlib, numpy as np, tinygrad_lite as tl
rng = np.random.default_rng(0)
x = tl.tensor(rng.normal(1, 3, (64, 8, 16, 16)).astype(np.float32), requires_grad=True)
q = tl.tensor(rng.normal(0, 1, (2, 2, 64, 16)).astype(np.float32), requires_grad=True)
z = tl.tensor(rng.normal(0, 2, (640, 65)).astype(np.float32), requires_grad=True)
y = tl.batch_norm(x, None, None, tl.ones(8), tl.zeros(8), True)
(y * y).sum().backward()
a = tl.scaled_dot_product_attention(q, q, q)
(a * a).sum().backward()
tl.cross_entropy(z, rng.integers(0, 65, 640)).backward()
found = [t.detach().numpy() for t in (y, x.grad, a, q.grad, z.grad)]
print(*[hashlib.sha256(array.tobytes()).hexdigest()[:8] for array in found])
"""


def test_a_process_that_compiles_computes_the_same_bits_as_one_that_does_not(tmp_path):
    pytest.importorskip("numba", reason="without Numba nothing is compiled")
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "TINYGRAD_LITE_KERNELS": "numba"}
    command = [sys.executable, "-c", BITS]
    first, second = (
        subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300) for _ in range(2)
    )
    assert first.stdout and first.stdout == second.stdout, first.stderr + second.stderr


def test_a_long_compilation_says_so(tmp_path):
    pytest.importorskip("numba", reason="without Numba nothing is compiled")
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "TINYGRAD_LITE_KERNELS": "numba"}
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, timeout=300)
    assert done.stderr.count("tinygrad_lite: compiling kernels") == 1, done.stderr


def test_the_number_of_threads_can_be_set():
    before = tl.get_num_threads()
    try:
        tl.set_num_threads(3)
        assert tl.get_num_threads() == 3
        with pytest.raises(ValueError, match="got 0; it needs at least 1"):
            tl.set_num_threads(0)
    finally:
        tl.set_num_threads(before)


def test_an_unknown_choice_is_refused(monkeypatch):
    monkeypatch.setenv("TINYGRAD_LITE_KERNELS", "cuda")
    with pytest.raises(ValueError, match="it may be 'numba' or 'numpy'"):
        kernels.backend()


def test_threads_may_call_kernels_at_once():
    rng = np.random.default_rng(0)
    xs = [rng.standard_normal((24, 8, 12 + k, 12)).astype(np.float32) for k in range(8)]
    w = rng.standard_normal((16, 8, 3, 3)).astype(np.float32)

    def work(x):
        t, v = tl.tensor(x, requires_grad=True), tl.tensor(w, requires_grad=True)
        tl.max_pool2d(tl.conv2d(t, v, padding=1), 2).sum().backward()
        return t.grad.numpy(), v.grad.numpy()

    want = [work(x) for x in xs]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for got, expected in zip(pool.map(work, xs), want):
                for a, b in zip(got, expected):
                    np.testing.assert_array_equal(a, b)


def test_a_fork_may_call_kernels():
    pytest.importorskip("numba", reason="without Numba there are no threads")
    if not hasattr(os, "fork"):
        pytest.skip("no fork on this system")
    code = """
import os, warnings
import numpy as np
import tinygrad_lite as tl
warnings.simplefilter("ignore")
x, w = np.ones((64, 16, 16, 16), np.float32), np.ones((16, 16, 3, 3), np.float32)
total = float(tl.conv2d(x, w).sum())
pid = os.fork()
if pid == 0:
    os._exit(0 if float(tl.conv2d(x, w).sum()) == total else 1)
print(os.waitpid(pid, 0)[1])
"""
    assert run(code, TINYGRAD_LITE_THREADS="2") == "0"
