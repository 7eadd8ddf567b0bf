"""The record of places as a type of its own, whose values may be known when a kernel is compiled.

A kernel for any plan looks up where everything is, and asks at each step for features that most plans lack. One that is compiled for the
shape of one plan (`memory_for(..., tailored=True)`) does neither: the type of the record tells what is known (tailoring.py), so numba
compiles and keeps a kernel for each shape. A place in a table whose items are known is a type of its own, too (`PlaceOf`): `ints[place]`
is then a constant, or is read from a table that the compiler sees through.
"""

from __future__ import annotations

import hashlib
import operator
from itertools import pairwise
from typing import Any

from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, AttributeTemplate, infer_global, signature
from numba.extending import infer_getattr, lower_builtin, lower_getattr_generic, models, register_model
from numba.np.arrayobj import make_array

from simulation.engines.compiled.memory import RECORD
from simulation.engines.compiled.pointers import builtin
from simulation.engines.compiled.tailoring import known_values

FIELDS: Any = {
    name: (offset, types.int64 if kind.kind == "i" else types.float64)
    for name, (kind, offset) in (RECORD.fields or {}).items()
}
"""By name: the offset in bytes, and the type."""


def _digest(*told: Any) -> str:
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


class Places(types.Opaque):
    """A pointer to one record of places, of which the values `numbers` are known, and the items of the `tables`."""

    def __init__(self, numbers: dict[str, int], tables: dict[str, tuple[float, ...]]) -> None:
        told = _digest(sorted(numbers.items()), sorted(tables.items()))
        super().__init__(f"places of {told if numbers else 'any plan'}")
        self.numbers = numbers
        self.places = {name: PlaceOf(name, numbers[name], table) for name, table in tables.items()}


class PlaceOf(types.Type):
    """A place in a table that begins at `start` and whose `items` are known: an index of the array that the table is in."""

    def __init__(self, name: str, start: int, items: tuple[float, ...]) -> None:
        super().__init__(f"place of {name} {_digest(start, items)}")
        self.start, self.items = start, items

    def step(self) -> int | None:
        """What each item of a table of whole numbers is above the one before it; None where that differs, or for other numbers."""
        steps = {after - before for before, after in pairwise(self.items)}
        whole = all(isinstance(item, int) for item in self.items)
        return int(steps.pop() if steps else 0) if whole and len(steps) <= 1 else None

    def pointer(self, context: Any, builder: Any, kind: Any, index: Any) -> Any:
        """A pointer to an item in the table as a constant of the module, which the compiler sees through."""
        symbol = self.name.replace(" ", "_")
        table = builder.module.globals.get(symbol)
        if table is None:
            items = [context.get_constant(kind, item) for item in self.items]
            constant = cgutils.create_constant_array(context.get_value_type(kind), items)
            table = cgutils.global_constant(builder, symbol, constant)
        zero = context.get_constant(types.intp, 0)
        return builder.gep(table, [zero, builder.sub(index, context.get_constant(types.intp, self.start))])


register_model(Places)(models.OpaqueModel)


@register_model(PlaceOf)
class PlaceModel(models.PrimitiveModel):
    """A place is an index."""

    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, cgutils.intp_t)


@infer_getattr
class PlacesFields(AttributeTemplate):
    """What type a field has."""

    key = Places

    def generic_resolve(self, typ: Any, attr: str) -> Any:
        """The type of the field `attr`, or None."""
        if attr in typ.places:
            return typ.places[attr]
        return FIELDS[attr][1] if attr in FIELDS else None


@lower_getattr_generic(Places)
def read_field(context: Any, builder: Any, typ: Any, value: Any, attr: str) -> Any:
    """Read a field: its value where that is known, else by a load."""
    offset, kind = FIELDS[attr]
    if attr in typ.numbers:
        return context.get_constant(kind, typ.numbers[attr])
    place = builder.gep(value, [context.get_constant(types.intp, offset)])
    return builder.load(builder.bitcast(place, context.get_value_type(types.CPointer(kind))))


@infer_global(operator.add)
class PlaceFurtherOn(AbstractTemplate):
    """A place so many items after one is a place in the same table."""

    def generic(self, args: Any, kws: Any) -> Any:
        """The signature of the sum, where it is one of a place and a whole number."""
        one, other = args
        if isinstance(one, PlaceOf) and isinstance(other, types.Integer | types.Boolean):
            return signature(one, one, types.intp)
        if isinstance(other, PlaceOf) and isinstance(one, types.Integer | types.Boolean):
            return signature(other, types.intp, other)
        return None


@infer_global(operator.sub)
class PlaceBefore(AbstractTemplate):
    """A place so many items before one is a place in the same table."""

    def generic(self, args: Any, kws: Any) -> Any:
        """The signature of the difference of a place and a whole number."""
        one, other = args
        if isinstance(one, PlaceOf) and isinstance(other, types.Integer | types.Boolean):
            return signature(one, one, types.intp)
        return None


@lower_builtin(operator.sub, PlaceOf, types.intp)
def take_from_place(context: Any, builder: Any, sig: Any, args: Any) -> Any:  # noqa: ARG001
    """The difference of both, as indexes."""
    return builder.sub(*args)


@lower_builtin(operator.add, PlaceOf, types.intp)
@lower_builtin(operator.add, types.intp, PlaceOf)
def add_to_place(context: Any, builder: Any, sig: Any, args: Any) -> Any:  # noqa: ARG001
    """The sum of both, as indexes."""
    return builder.add(*args)


@infer_global(operator.getitem)
class ItemAtPlace(AbstractTemplate):
    """What is at a place of a table that is known."""

    def generic(self, args: Any, kws: Any) -> Any:
        """The signature of reading a pointer at a place."""
        pointer, place = args
        if isinstance(pointer, types.CPointer) and isinstance(place, PlaceOf):
            return signature(pointer.dtype, pointer, place)
        return None


@lower_builtin(operator.getitem, types.CPointer, PlaceOf)
def read_at_place(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """An item: reckoned where the table goes up in equal steps (or in none), else read from the table."""
    kind, place = sig.return_type, sig.args[1]
    step = place.step()
    if step is None:
        return builder.load(place.pointer(context, builder, kind, args[1]))
    before_start = context.get_constant(kind, place.items[0] - step * place.start)
    return builder.add(before_start, builder.mul(args[1], context.get_constant(kind, step)))


@builtin
def places_of(typing_context, records):  # noqa: ARG001
    """The first record of an array of places, which must outlive it."""
    made = Places(*known_values(tuple(records.dtype.fields)))

    def generate(context, builder, signature, arguments):  # noqa: ARG001
        data = make_array(records)(context, builder, arguments[0]).data
        return builder.bitcast(data, context.get_value_type(types.voidptr))

    return made(records), generate
