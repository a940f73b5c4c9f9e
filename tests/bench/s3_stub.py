"""A bucket that takes everything and keeps nothing, in a process of its own so that its CPU time is not counted."""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LISTED = b'<?xml version="1.0"?><ListBucketResult></ListBucketResult>'
COPIED = b'<?xml version="1.0"?><CopyObjectResult><ETag>"e"</ETag></CopyObjectResult>'


class Bucket(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_PUT(self) -> None:
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = COPIED if "x-amz-copy-source" in self.headers else b""
        self.send_response(200)
        self.send_header("ETag", '"e"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        """A list of nothing."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(LISTED)))
        self.end_headers()
        self.wfile.write(LISTED)

    def log_message(self, format: str, *args: object) -> None:
        """The default writes a line per request to standard error."""


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Bucket)
    server.serve_forever()


if __name__ == "__main__":
    main()
