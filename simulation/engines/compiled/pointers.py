"""Plain pointers to the arrays of the kernel's memory.

An index of a pointer is not wrapped around from the end, as one of an array is, which saves a comparison at each access; and a pointer
is one value where an array is seven.

Where numba is switched off (NUMBA_DISABLE_JIT=1, to step through the kernel or to try an edit without waiting for the compiler), an array
stands for its pointer.
"""

from __future__ import annotations

from typing import Any

from numba import config, types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

from simulation.engines.compiled.parts import hot


def builtin(generator: Any) -> Any:
    """numba's decorator, without its stub, which takes the typing context for an argument of whoever calls."""
    return INTERPRETED[generator.__name__] if config.DISABLE_JIT else intrinsic(generator)


INTERPRETED: Any = {
    "lowest": lambda word: (int(word) & -int(word)).bit_length() - 1,
    "places_of": lambda records: records[0],
    "pointer_to": lambda array: array,
    "view": lambda pointer, begin, count: pointer[begin : begin + count],
}


@builtin
def pointer_to(typing_context, array):  # noqa: ARG001
    """The pointer to the first item of an array, which must outlive it."""

    def generate(context, builder, signature, arguments):  # noqa: ARG001
        return make_array(array)(context, builder, arguments[0]).data

    return types.CPointer(array.dtype)(array), generate


@builtin
def view(typing_context, pointer, begin, count):  # noqa: ARG001
    """`count` items from `begin` on as an array, for the rules that take one. A place in a known table (places.py) tells where they are."""
    array = types.Array(pointer.dtype, 1, "C")
    known = not isinstance(begin, types.Integer)

    def generate(context, builder, signature, arguments):  # noqa: ARG001
        made = make_array(array)(context, builder)
        size = context.get_constant(types.intp, pointer.dtype.bitwidth // 8)
        populate_array(
            made,
            data=begin.pointer(context, builder, pointer.dtype, arguments[1])
            if known
            else builder.gep(arguments[0], [arguments[1]]),
            shape=[arguments[2]],
            strides=[size],
            itemsize=size,
            meminfo=None,
        )
        return made._getvalue()

    return array(pointer, begin if known else types.intp, types.intp), generate


@builtin
def lowest(typing_context, word):  # noqa: ARG001
    """The place of the lowest bit of a word that is not 0."""

    def generate(context, builder, signature, arguments):  # noqa: ARG001
        return builder.cttz(arguments[0], context.get_constant(types.boolean, True))

    return types.int64(word), generate


@hot
def fill(pointer: Any, begin: int, end: int, value: Any) -> None:
    """Write a value to every item from `begin` to before `end`."""
    for place in range(begin, end):
        pointer[place] = value
