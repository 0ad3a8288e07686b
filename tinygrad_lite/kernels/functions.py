"""Functions of one number for use inside kernels: exp, expm1, sigmoid, tanh, log, log1p, erf.

LLVM can't vectorise a loop that calls the C library, but it can when the function is arithmetic without branches,
as these are. They work as in Cody and Waite, "Software Manual for the Elementary Functions" (1980): reduce the
argument to a small interval, evaluate a polynomial there, and put the power of two back by writing the bits of
its exponent. The polynomials are our own, interpolated at Chebyshev nodes (relative error below 2e-10 in single
and 5e-18 in double precision).

In both precisions the results are within 3 units in the last place (erf: 6); NaN, Inf, overflow and
subnormal numbers are as in NumPy, but for a zero's sign and an expm1 of subnormals, and sigmoid is 0 as soon as
e^-x overflows.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numba.extending
from llvmlite import ir
from numba import types
from numba.core import cgutils

intrinsic: Any = numba.extending.intrinsic


def scalar(function: Any) -> Any:
    """Compile a function of numbers, to be inlined where it is used.

    Its operations keep their order, or else x - n high - n low would become x - n (high + low).
    """
    return numba.njit(function, error_model="numpy", fastmath={"contract"}, forceinline=True)


# ------------------------------------------------------------------ what differs between the two precisions


@intrinsic
def polynomial(typing, x, single, double):  # type: ignore[no-untyped-def]
    """The polynomial in x by Horner's rule, the highest power first, its coefficients chosen by the type of x."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        real, chosen = args[0].type, args[1] if x == types.float32 else args[2]
        total = None
        for k in range(len(single if x == types.float32 else double)):
            coefficient = builder.extract_value(chosen, k)
            coefficient = builder.fptrunc(coefficient, real) if x == types.float32 else coefficient
            total = coefficient if total is None else builder.fadd(builder.fmul(total, args[0]), coefficient)
        return total

    return x(x, single, double), emit


@intrinsic
def constant(typing, x, pair):  # type: ignore[no-untyped-def]
    """The first or the second number of a pair, by the type of x, and in that type."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value = builder.extract_value(args[1], 0 if x == types.float32 else 1)
        return builder.fptrunc(value, args[0].type) if x == types.float32 else value

    return x(x, pair), emit


def layout(real: Any) -> tuple[Any, int, int]:
    """The integer type, the bits of the fraction, and the bias of the exponent of a floating-point type."""
    return (ir.IntType(32), 23, 127) if real == types.float32 else (ir.IntType(64), 52, 1023)


@intrinsic
def power_of_two(typing, n):  # type: ignore[no-untyped-def]
    """2^n for a whole number n that is no less than the exponent of the smallest normal number."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        whole, width, bias = layout(n)
        # Adding 1.5 2^width leaves n + bias in the last bits; shifted, they are an exponent.
        shifted = builder.fadd(args[0], ir.Constant(args[0].type, 1.5 * 2.0**width + bias))
        bits = builder.shl(builder.bitcast(shifted, whole), ir.Constant(whole, width))
        return builder.bitcast(bits, args[0].type)

    return n(n), emit


@intrinsic
def split(typing, x):  # type: ignore[no-untyped-def]
    """(m, n) with x = m 2^n and sqrt(1/2) <= m < sqrt(2), for a positive normal number."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        whole, width, _ = layout(x)
        real = args[0].type
        low = builder.bitcast(ir.Constant(real, math.sqrt(0.5)), whole)
        above = builder.sub(builder.bitcast(args[0], whole), low)
        fraction = builder.and_(above, ir.Constant(whole, (1 << width) - 1))
        m = builder.bitcast(builder.add(fraction, low), real)
        n = builder.sitofp(builder.ashr(above, ir.Constant(whole, width)), real)
        return cgutils.pack_array(builder, [m, n])

    return types.UniTuple(x, 2)(x), emit


@intrinsic
def maximum(typing, a, b):  # type: ignore[no-untyped-def]
    """The larger of two numbers, NaN if one of them is: a maximum of many vectorises in this form only."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(args[0].type, [args[0].type] * 2)
        return builder.call(builder.module.declare_intrinsic("llvm.maximum", [args[0].type], kind), args)

    return a(a, a), emit


ROUNDER = (1.5 * 2**23, 1.5 * 2**52)


@scalar
def nearest(x):
    """The whole number nearest to x, for |x| below 2^22."""
    large = constant(x, ROUNDER)
    return (x + large) - large


# --------------------------------------------------------------------------------------------- exponentials

# (e^r - 1 - r) / r^2 for |r| <= ln(2) / 2
EXP_SINGLE = (1.989108054e-4, 1.393373072e-3, 8.333310845e-3, 4.16664642e-2, 0.1666666668, 0.5000000014)
EXP_DOUBLE = (
    2.09147553258932022e-9, 2.5105312729622101787e-8, 2.7557273478718580474e-7, 2.7557255170000887438e-6,
    2.48015872873456774619e-5, 1.9841269875002278793e-4, 1.3888888888883711167e-3, 8.3333333333260831202e-3,
    4.1666666666666669783e-2, 0.1666666666666667103, 0.5,
)  # fmt: skip

# ln(2) in two parts, the first one short, so that its products with the n at hand are exact.
LN2_HIGH = (0.693145751953125, 0.6931471803691238)
LN2_LOW = (1.4286068203094172e-6, 1.9082149292705877e-10)
LOWEST, HIGHEST = (-104.0, -746.0), (89.0, 710.0)
"""Beyond these e^x is 0 and Inf."""
LOG2_E = (math.log2(math.e),) * 2


@scalar
def reduced(x):
    """(n, e^r - 1) with x = n ln(2) + r, n whole and |r| <= ln(2) / 2."""
    n = nearest(x * constant(x, LOG2_E))
    r = (x - n * constant(x, LN2_HIGH)) - n * constant(x, LN2_LOW)
    return n, r + (r * r) * polynomial(r, EXP_SINGLE, EXP_DOUBLE)


@scalar
def limited(x, low, high):
    """x, but no less than low and no more than high; NaN stays."""
    x = low if x < low else x
    return high if x > high else x


@scalar
def exp(x):
    """e^x."""
    number = type(x)
    n, q = reduced(limited(x, constant(x, LOWEST), constant(x, HIGHEST)))
    half = nearest(n * number(0.5))  # 2^n in two factors, as neither subnormal results nor Inf have such an exponent
    return (number(1) + q) * power_of_two(half) * power_of_two(n - half)


NEGLIGIBLE = (-18.0, -38.0)
"""Below these e^x - 1 is -1."""


@scalar
def expm1(x):
    """e^x - 1, with all digits near 0."""
    number = type(x)
    n, q = reduced(limited(x, constant(x, NEGLIGIBLE), constant(x, HIGHEST)))
    p = power_of_two(n - number(1))  # 2^n itself would overflow too early
    return number(2) * (p * q + (p - number(0.5)))


@scalar
def sigmoid(x):
    """1 / (1 + e^-x)."""
    number = type(x)
    return number(1) / (number(1) + exp(-x))


@scalar
def tanh(x):
    """(1 - e^-2a) / (1 + e^-2a) with the sign of x, for a = |x|."""
    t = expm1(type(x)(-2) * abs(x))
    return math.copysign(-t / (type(x)(2) + t), x)


# ---------------------------------------------------------------------------------------------- logarithms

# (ln((1 + s) / (1 - s)) - 2 s) / s^3 in s^2, for 1 / sqrt(2) <= (1 + s) / (1 - s) <= sqrt(2)
LOG_SINGLE = (0.233327618, 0.2855073541, 0.4000012258, 0.6666666655)
LOG_DOUBLE = (
    0.1308944373626974148, 0.13268503447792365302, 0.15386249783145213201, 0.1818179545461954789,
    0.22222222393451754982, 0.28571428570795938606, 0.40000000000000889528, 0.66666666666666666462,
)  # fmt: skip
SMALLEST = (2.0**-126, 2.0**-1022)
"""The smallest normal number."""
SUBNORMAL = (2.0**24, 2.0**54)
SUBNORMAL_LOG2 = (24.0, 54.0)


@scalar
def log(x):
    """ln(x): -Inf at 0, NaN below."""
    number = type(x)
    tiny = x < constant(x, SMALLEST)
    m, n = split(x * constant(x, SUBNORMAL) if tiny else x)
    n = n - constant(x, SUBNORMAL_LOG2) if tiny else n
    f = m - number(1)
    s = f / (number(2) + f)
    z = s * s
    correction = s * (f - z * polynomial(z, LOG_SINGLE, LOG_DOUBLE))
    y = n * constant(x, LN2_HIGH) - ((correction - n * constant(x, LN2_LOW)) - f)
    y = x if x == number(math.inf) else y
    return y if x > number(0) else (number(-math.inf) if x == number(0) else number(math.nan))


@scalar
def log1p(x):
    """ln(1 + x), with all digits near 0."""
    u = type(x)(1) + x
    lost = (x - (u - type(x)(1))) / u  # what the sum has rounded off
    return log(u) + (lost if abs(lost) < type(x)(1) else type(x)(0))


# ---------------------------------------------------------------------------------------------- error function

# erf(x) / x, a ratio of polynomials in x^2, for |x| < 3.925, where float32 has reached 1
ERF_ABOVE = (2.046020672e-6, 2.848450570e-4, 3.772607102e-3, 5.276947480e-2, 0.1905950521, 1.128379146)
ERF_BELOW = (3.804778458e-5, 1.163872042e-3, 1.498331181e-2, 0.1141832622, 0.5022431972, 1.0)


def erf(x: float) -> float:
    """2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x."""
    return math.erf(x)


@numba.extending.overload(erf)
def erf_of(x):  # type: ignore[no-untyped-def]
    if x != types.float32:
        return lambda x: math.erf(x)  # the C library's, which does not vectorise

    def single(x):  # type: ignore[no-untyped-def]
        a = limited(x, types.float32(-3.925), types.float32(3.925))
        z = a * a
        y = a * polynomial(z, ERF_ABOVE, ERF_ABOVE) / polynomial(z, ERF_BELOW, ERF_BELOW)
        return limited(y, types.float32(-1), types.float32(1))

    return single
