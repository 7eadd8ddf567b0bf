"""Where the API listens unless it is told otherwise; apart, so that the command line knows it without loading the API."""

HOST = "127.0.0.1"
PORT = 8000
