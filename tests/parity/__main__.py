"""Run PyTorch's own samples through our operations, modules or optimizers, and compare.

    python -m tests.parity                     every operation, a line each, and the score
    python -m tests.parity conv2d sum -v       some of them, with the first differences
    python -m tests.parity modules             every module; `modules LSTM GRU -v` for some
    python -m tests.parity optimizers          every optimizer

Each file says what is compared. Needs PyTorch (pip install tinygrad_lite[torch]).
"""

from __future__ import annotations

import argparse
import sys

from tests.parity import modules, operations, optimizers

JUDGES = {"operations": operations.judge, "modules": modules.judge, "optimizers": optimizers.judge}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.parity", description=__doc__.split("\n")[0])
    parser.add_argument(
        "names", nargs="*", help=f"{', '.join(JUDGES)} (the first if none), then PyTorch's names or all"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="show the first differences")
    parser.add_argument("--least", type=float, default=100.0, help="fail below this percentage")
    options = parser.parse_intermixed_args()
    names = options.names
    judge = JUDGES[names.pop(0)] if names and names[0] in JUDGES else operations.judge
    good, total = judge(names, options.verbose)
    print(f"{good} of {total} samples agree ({100 * good / max(total, 1):.1f}%)")
    return 0 if 100 * good >= options.least * total else 1


if __name__ == "__main__":
    sys.exit(main())
