"""An API on this machine: limits the rate, fails now and then, refuses what is rude.

python fake_api.py 8001
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FakeApi(ThreadingHTTPServer):
    """Answers `script` first (status, headers), one a call, then summaries."""

    daemon_threads = True

    def __init__(
        self, port: int = 0, script: list[tuple[int, dict[str, str]]] | None = None
    ) -> None:
        super().__init__(("127.0.0.1", port), Calls)
        self.script = list(script or [])
        self.keys: Counter[str] = Counter()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Calls(BaseHTTPRequestHandler):
    server: FakeApi

    def do_POST(self) -> None:
        text = json.loads(self.rfile.read(int(self.headers["content-length"])))["text"]
        if "rude" in text:
            self._answer(400, {}, {"error": "no"})
        elif self.server.script:
            status, headers = self.server.script.pop(0)
            self._answer(status, headers, {"error": "later"})
        else:
            self.server.keys[self.headers["idempotency-key"]] += 1
            self._answer(200, {}, {"summary": text[:10]})

    def _answer(self, status: int, headers: dict[str, str], body: dict[str, str]) -> None:
        payload = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(payload))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: object) -> None: ...


if __name__ == "__main__":
    limits = [(429, {"retry-after": "1"}), (503, {}), (429, {})]
    FakeApi(int(sys.argv[1]), limits).serve_forever()
