"""Laws of whole days in the kernel."""

from __future__ import annotations

from simulation.engines.compiled.parts import hot
from simulation.engines.draws import place_in, uniform_at


@hot
def days_by(at, ints, floats, law, stream, index):
    """A whole number of days from a law, at an index of a stream. A law with one value draws nothing."""
    begin = ints[at.laws_start + law]
    count = ints[at.laws_start + law + 1] - begin - 1
    first = ints[at.laws_first + law]
    if count == 1:
        return first
    return first + place_in(floats, at.laws_cumulative + begin, count, uniform_at(stream, index))


@hot
def happens(chance, stream, index):
    """Whether something of this probability happens; what is certain draws nothing."""
    if chance <= 0.0:
        return False
    return chance >= 1.0 or uniform_at(stream, index) < chance
