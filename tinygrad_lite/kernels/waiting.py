"""Watching a number in memory without the interpreter lock: how threads hand over work within microseconds.

To wake a sleeping thread takes some 50 microseconds, as long as many a kernel. So for a moment after its work a
thread doesn't sleep but looks, again and again, whether there is more; OpenMP's threads do the same.
"""

from __future__ import annotations

from typing import Any

import numba.extending
from llvmlite import ir
from llvmlite.binding import get_process_triple
from numba import types
from numba.core import cgutils

from tinygrad_lite.kernels.compiled import compiled

PAUSE = "llvm.x86.sse2.pause" if get_process_triple().startswith(("x86_64", "i686")) else None
intrinsic: Any = numba.extending.intrinsic


@intrinsic
def look(typing: Any, board: Any, place: Any) -> Any:
    """board[place] as it is in memory now, after a short pause."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        if PAUSE:
            builder.call(cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), []), PAUSE), [])
        return builder.load_atomic(builder.gep(data, [args[1]]), "acquire", 8)

    return types.int64(board, place), generate


@compiled
def changed(board, place, seen, looks, delay):
    """Whether board[place] becomes another number than `seen` while one looks so often; some looks after it did.

    False at once when the next number on the board becomes `seen`.
    """
    for _ in range(looks):
        if look(board, place) != seen:
            for _ in range(delay):
                look(board, place)
            return True
        if board[place + 1] == seen:
            break
    return False
