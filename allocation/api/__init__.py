"""The service over HTTP: a route validates, calls one command or view, and returns."""
