"""The server process: `serve` answers on its port, and a signal ends it cleanly."""

import signal
import socket
import subprocess
import sys
import time

import httpx


def test_a_server_process_answers_and_ends_on_a_signal(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"sqlite:///{tmp_path / 'rtsm.db'}"
    code = f"from allocation.api.server import serve; serve({url!r}, '127.0.0.1', {port})"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                answer = httpx.get(f"http://127.0.0.1:{port}/health", timeout=5)
                break
            except httpx.TransportError:
                assert process.poll() is None, process.stderr.read()
                assert time.monotonic() < deadline
                time.sleep(0.1)
        assert answer.json()["status"] == "ok"
    finally:
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=20)
    assert "Traceback" not in log
