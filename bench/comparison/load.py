"""The load: wrk, h2load and openssl, pinned to the core that is not the contender's."""
import re
import socket
import ssl
import subprocess
import sys
import urllib.parse

from .machine import OTHERS


def pinned(command, timeout=300):
    command = ["taskset", "-c", str(OTHERS), *map(str, command)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    return done.stdout + done.stderr


def wrk(contender, seconds, connections=64, url=None, close=False):
    """Requests that were answered well, in so many seconds."""
    fields = [item for name, value in contender.fields.items() for item in ("-H", f"{name}: {value}")]
    fields += ["-H", "Connection: close"] if close else []
    text = pinned(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", *fields, url or contender.url])
    found = re.search(r"(\d+) requests in", text)
    if found is None or "Non-2xx" in text or (not close and "Socket errors" in text):
        sys.exit(f"{contender.name} did not answer well:\n{text}")
    return int(found.group(1))


def h2load(contender, seconds, connections, streams):
    """The same by HTTP/2 over TLS."""
    fields = [item for name, value in contender.fields.items() for item in ("-H", f"{name}: {value}")]
    text = pinned(["h2load", "-t1", f"-c{connections}", f"-m{streams}", f"-D{seconds}", *fields, contender.url])
    found = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", text)
    if found is None or any(int(found.group(at)) for at in (2, 3, 4)):
        sys.exit(f"{contender.name} did not answer well:\n{text}")
    return int(found.group(1))


def at_rate(contender, seconds, rate, log):
    """How long each answer took, in microseconds, where so many are asked for in a second."""
    connections = 32
    fields = [item for name, value in contender.fields.items() for item in ("-H", f"{name}: {value}")]
    log.unlink(missing_ok=True)
    text = pinned(["h2load", "--h1", "-t1", f"-c{connections}", f"-D{seconds}", f"--rps={rate / connections:.2f}",
                   f"--log-file={log}", *fields, contender.url])
    rows = [line.split("\t") for line in log.read_text().splitlines()]
    times = sorted(int(row[2]) for row in rows if row[1].startswith("2"))
    if len(times) < seconds * rate * 0.9 or len(times) < len(rows):
        sys.exit(f"{contender.name} does not answer {rate:.0f} requests a second:\n{text}")
    return times


def handshakes(contender, seconds):
    """Full handshakes in so many seconds, one request each."""
    parts = urllib.parse.urlsplit(contender.url)
    text = pinned(["openssl", "s_time", "-connect", f"{parts.hostname}:{parts.port}", "-new", "-tls1_3", "-time", seconds])
    found = re.search(r"(\d+) connections in [\d.]+ real seconds", text)
    if found is None or int(found.group(1)) == 0:
        sys.exit(f"{contender.name} shakes no hands:\n{text}")
    return int(found.group(1))


def idle(contender, count):
    """So many connections that have asked for one page each, and say nothing more."""
    parts = urllib.parse.urlsplit(contender.url)
    fields = {**contender.fields, **{f"X-Field-{at}": "x" * 20 for at in range(20 - len(contender.fields) - 1)}}
    head = f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
    head = (head + "".join(f"{name}: {value}\r\n" for name, value in fields.items()) + "\r\n").encode()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    kept = []
    for at in range(count):
        # More than one address, for more ports than one has.
        connection = socket.create_connection((parts.hostname.replace("localhost", "127.0.0.1"), parts.port), 10,
                                              (f"127.0.0.{2 + at % 100}", 0))
        if parts.scheme == "https":
            connection = context.wrap_socket(connection, server_hostname="localhost")
        connection.sendall(head)
        text = b""
        while len(text) < 1024 or b"\r\n\r\n" not in text or len(text.split(b"\r\n\r\n", 1)[1]) < 1024:
            piece = connection.recv(65536)
            if not piece:
                sys.exit(f"{contender.name} closed an idle connection:\n{text.decode(errors='replace')}")
            text += piece
        kept.append(connection)
    return kept
