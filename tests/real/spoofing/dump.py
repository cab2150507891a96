"""Tells what a WSGI application is told, as JSON: under gunicorn (`dump:application`) and wsgiref (`dump.py host port`)."""

import json
import sys
from http.cookies import SimpleCookie
from wsgiref.simple_server import WSGIRequestHandler, make_server


def application(environ, start_response):
    texts = {name: value for name, value in environ.items() if isinstance(value, str)}
    cookies = {name: cookie.value for name, cookie in SimpleCookie(texts.get("HTTP_COOKIE", "")).items()}
    body = json.dumps({"environ": texts, "cookies": cookies, "rest": rest(environ)}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def rest(environ):
    """What of the body's framing a server leaves to the application: under wsgiref chunks and trailers as they came."""
    if "chunked" not in environ.get("HTTP_TRANSFER_ENCODING", "") or "gunicorn" in environ["SERVER_SOFTWARE"]:
        return ""
    source, raw, line = environ["wsgi.input"], b"", None
    while line != b"0\r\n":
        line = source.readline()
        raw += line
        raw += source.read(int(line, 16))
        raw += source.readline() if line != b"0\r\n" else b""
    while line != b"\r\n":
        line = source.readline()
        raw += line
    return raw.decode("latin-1")


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


if __name__ == "__main__":
    host, port = sys.argv[1:]
    server = make_server(host, int(port), application, handler_class=Quiet)
    print("listening", flush=True)
    server.serve_forever()
