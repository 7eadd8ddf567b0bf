"""The record of places as a type of its own, whose values may be known when a kernel is compiled.

A kernel for any plan looks up where everything is, and asks at each step for features that most plans lack. One that is compiled for the
shape of one plan (`memory_for(..., tailored=True)`) does neither, which saves nearly half of its time. The type of the record tells what
is known, so numba compiles and keeps a kernel for each shape.
"""

from __future__ import annotations

import hashlib
from typing import Any

from numba import types
from numba.core.typing.templates import AttributeTemplate
from numba.extending import infer_getattr, lower_getattr_generic, models, register_model
from numba.np.arrayobj import make_array

from simulation.engines.compiled.memory import KNOWN, RECORD
from simulation.engines.compiled.pointers import builtin

FIELDS: Any = {
    name: (offset, types.int64 if kind.kind == "i" else types.float64)
    for name, (kind, offset) in (RECORD.fields or {}).items()
}
"""By name: the offset in bytes, and the type."""


class Places(types.Opaque):
    """A pointer to one record of places, of which the values `known` are known."""

    def __init__(self, known: dict[str, int]) -> None:
        digest = hashlib.sha256(repr(sorted(known.items())).encode()).hexdigest()[:16]
        super().__init__(f"places of {digest if known else 'any plan'}")
        self.known = known


register_model(Places)(models.OpaqueModel)


@infer_getattr
class PlacesFields(AttributeTemplate):
    """What type a field has."""

    key = Places

    def generic_resolve(self, typ: Any, attr: str) -> Any:
        """The type of the field `attr`, or None."""
        return FIELDS[attr][1] if attr in FIELDS else None


@lower_getattr_generic(Places)
def read_field(context: Any, builder: Any, typ: Any, value: Any, attr: str) -> Any:
    """Read a field: its value where that is known, else by a load."""
    offset, kind = FIELDS[attr]
    if attr in typ.known:
        return context.get_constant(kind, typ.known[attr])
    place = builder.gep(value, [context.get_constant(types.intp, offset)])
    return builder.load(builder.bitcast(place, context.get_value_type(types.CPointer(kind))))


@builtin
def places_of(typing_context, records):  # noqa: ARG001
    """The first record of an array of places, which must outlive it."""
    known = dict(name.split(KNOWN) for name in records.dtype.fields if KNOWN in name)
    made = Places({name: int(value) for name, value in known.items()})

    def generate(context, builder, signature, arguments):  # noqa: ARG001
        data = make_array(records)(context, builder, arguments[0]).data
        return builder.bitcast(data, context.get_value_type(types.voidptr))

    return made(records), generate
