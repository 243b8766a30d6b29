"""The HTTP server: reads requests carefully, asks the gateways, never answers 500 for what a client sent."""

import re
import sys
import traceback
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources

from sandbox.web import BadRequest, Request, Response, as_json, page

MAX_BODY = 1024 * 1024
HOST = re.compile(r"^(?:[A-Za-z0-9.-]{1,253}|\[[0-9a-fA-F:.]{2,45}\])(?::\d{1,5})?$")

# (method, path) → Response, or None for "not mine".
Handler = Callable[[Request], Response | None]


class Server(ThreadingHTTPServer):
    daemon_threads = True
    # A burst of buyers must not be refused while the threads start.
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handlers: list[Handler], *, quiet: bool = False):
        self.handlers = handlers
        self.quiet = quiet
        super().__init__(address, _RequestHandler)

    def handle_error(self, request, client_address) -> None:
        """A client that hangs up is not worth a traceback."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _RequestHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "payment-sandbox"
    sys_version = ""
    # Seconds of silence before a connection is dropped.
    timeout = 30
    server: Server

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def _answer(self) -> None:
        try:
            response = self._dispatch(self._read())
        except BadRequest as error:
            # The body may be unread: the connection cannot be used again.
            self.close_connection = True
            response = page(str(error), HTTPStatus.BAD_REQUEST)
        except ConnectionError:
            self.close_connection = True
            return
        except Exception:
            traceback.print_exc()
            self.close_connection = True
            response = as_json({"code": -1, "msg": "沙箱出错，见日志"}, HTTPStatus.SERVICE_UNAVAILABLE)
        self._send(response)

    def _read(self) -> Request:
        if self.headers.get("Transfer-Encoding"):
            raise BadRequest("chunked bodies are not supported")
        length = self.headers.get("Content-Length", "0")
        if not re.fullmatch(r"[0-9]{1,9}", length) or int(length) > MAX_BODY:
            raise BadRequest("body too long")
        path, _, query = self.path.partition("?")
        if not path.startswith("/"):
            raise BadRequest("bad address")
        host = self.headers.get("Host", "")
        if not HOST.match(host):
            host = "{}:{}".format(*self.server.server_address[:2])
        return Request(
            # HEAD is GET whose body is not sent.
            method="GET" if self.command == "HEAD" else self.command,
            path=path,
            query=query,
            host=host,
            body=self.rfile.read(int(length)),
            content_type=self.headers.get("Content-Type", "").partition(";")[0].strip().lower(),
            headers={name.lower(): value for name, value in self.headers.items()},
        )

    def _dispatch(self, request: Request) -> Response:
        for handler in self.server.handlers:
            response = handler(request)
            if response is not None:
                return response
        return page("404", HTTPStatus.NOT_FOUND)

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        headers = {
            "Content-Type": response.content_type,
            "Content-Length": str(len(response.body)),
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            # No form-action: pressing a button ends at the merchant's return address.
            "Content-Security-Policy": "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'",
            **response.headers,
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    def log_message(self, format: str, *args) -> None:
        """One line a request, without the query: it carries merchant keys."""
        if not self.server.quiet and len(args) > 1:
            sys.stderr.write(f"{self.command} {self.path.partition('?')[0]} {args[1]}\n")

    def log_error(self, format: str, *args) -> None:
        return


def static(request: Request) -> Response | None:
    if request.path == "/style.css":
        text = resources.files("sandbox").joinpath("style.css").read_bytes()
        return Response(text, content_type="text/css; charset=utf-8", headers={"Cache-Control": "max-age=300"})
    if request.path == "/healthz":
        return Response(b"ok", content_type="text/plain")
    return None
