"""A WSGI application that says what it was sent: to the client in `X-Read`, and as a line of JSON to whoever runs it."""

import json
import os


def application(environ, start_response):
    body = environ["wsgi.input"].read()
    length = environ.get("CONTENT_LENGTH")
    told = {
        "port": int(environ["REMOTE_PORT"]),
        "method": environ["REQUEST_METHOD"],
        "target": environ["RAW_URI"].encode("latin-1").decode(),
        "host": environ.get("HTTP_HOST", ""),
        "body": body.decode("latin-1"),
    }
    # What breaks off looks like an end to gunicorn's reader of lengths.
    if length is None or int(length) == len(body):
        # At once, so that what several threads say stands on lines of its own.
        os.write(2, f"read {json.dumps(told)}\n".encode())
    # Without a body: gunicorn would send that by itself, and each answer wait for a word of the other side's.
    start_response("200 OK", [("X-Read", environ["RAW_URI"]), ("Content-Length", "0")])
    return []
