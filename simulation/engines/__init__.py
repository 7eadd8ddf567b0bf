"""One plan of a trial, and the two engines that play it: a readable one in SimPy, and a fast one that numba compiles."""
