"""Replay equality: a study's recorded inputs drive a twin's state, and every resupply run is decided on it anew."""
