#!/usr/bin/env python3
"""CPU time of an authenticated request: Menshen beside nginx with auth_request, and nginx with no authentication at all.

nginx is counted twice: alone, as if deciding who is logged in cost nothing, and with the process that it asks. That one
is another nginx which answers 204 whatever it is asked, so no real service is cheaper. Every round runs the contenders one after the other against the same backend, each pinned to one core, the load on the
other; what is compared is the ratio within a round, since machines drift. Needs wrk and nginx.

    cargo build --profile dist && bench/auth.py --menshen target/dist/menshen
"""
import argparse
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

CLIENT_ID = "101000777"
SECRET = "benchmark-appkey-benchmark-appkey"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(port):
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit(f"nothing listens on port {port}")


def ask(method, url, body=None, headers=None):
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    connection.request(method, target, body, headers or {})
    answer = connection.getresponse()
    return answer, answer.read()


NGINX = """
daemon off; master_process on; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log {access_log}; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000000; keepalive_timeout 300s;
  {http}
}}
"""

BACKEND = "server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ return 200 '{text}'; }} }}"
YES = "server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ return 204; }} }}"

PLAIN = """
upstream backend {{ server 127.0.0.1:{backend}; keepalive 128; keepalive_requests 1000000000; }}
upstream service {{ server 127.0.0.1:{service}; keepalive 128; keepalive_requests 1000000000; }}
server {{ listen 127.0.0.1:{port}; location / {{ {auth} proxy_pass http://backend; proxy_http_version 1.1;
  proxy_set_header Connection ""; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr;
  proxy_set_header X-Forwarded-Proto $scheme; {identity} }} {location} }}
"""

AUTH_LOCATION = """location = /_auth {{ internal; proxy_pass http://service/_auth; proxy_http_version 1.1;
  proxy_set_header Connection ""; proxy_pass_request_body off; proxy_set_header Content-Length ""; }}"""

CONFIG = """
[server]
listen = ["127.0.0.1:{port}"]
cores = 1
[[sites]]
origin = "http://127.0.0.1:{port}"
[providers.qq]
client_id = "{client_id}"
client_secret = "{secret}"
authorize_url = "http://{qq}/oauth2.0/authorize"
token_url = "http://{qq}/oauth2.0/token"
openid_url = "http://{qq}/oauth2.0/me"
user_info_url = "http://{qq}/user/get_user_info"
[upstreams.mall]
endpoints = ["http://127.0.0.1:{backend}"]
[[routes]]
path = "/*"
upstream = "mall"
access = "required"
[[routes]]
path = "/public/*"
upstream = "mall"
access = "public"
[identity.default]
algorithm = "HS256"
secret = "0123456789abcdef0123456789abcdef"
[log]
format = "json"
"""


WITH_SERVICE = "nginx auth_request, with service"


class Bench:
    def __init__(self, menshen, folder):
        self.menshen, self.folder, self.children = menshen, pathlib.Path(folder), []

    def start(self, command, core, **keywords):
        child = subprocess.Popen(["taskset", "-c", str(core), *command], stdin=subprocess.DEVNULL, **keywords)
        self.children.append(child)
        return child

    def nginx(self, name, http, core, log="off"):
        folder = self.folder / name
        folder.mkdir()
        path = folder / "nginx.conf"
        access_log = f"{folder}/access.log combined buffer=32k flush=1s" if log == "on" else "off"
        path.write_text(NGINX.format(folder=folder, http=http, access_log=access_log))
        return self.start(["nginx", "-c", str(path), "-p", str(folder)], core)

    def simulator(self):
        log = open(self.folder / "demo.log", "w+")
        self.start([self.menshen, "demo", "--port", str(free_port())], 1, stdout=log, stderr=subprocess.STDOUT)
        for _ in range(200):
            text = (self.folder / "demo.log").read_text()
            found = re.findall(r"http://(127\.0\.0\.1:\d+)", text)
            if "remote control" in text and len(found) >= 4:
                return found[2], found[3]
            time.sleep(0.05)
        sys.exit("the QQ simulator did not start:\n" + text)

    def proxy(self, backend):
        qq, control = self.simulator()
        port = free_port()
        app = {"client_id": CLIENT_ID, "client_secret": SECRET, "callbacks": f"http://127.0.0.1:{port}/oauth_callback"}
        answer, body = ask("POST", f"http://{control}/apps", json.dumps(app), {"Content-Type": "application/json"})
        assert answer.status < 300, body
        config = self.folder / "config.toml"
        config.write_text(CONFIG.format(port=port, qq=qq, backend=backend, client_id=CLIENT_ID, secret=SECRET))
        os.chmod(config, 0o600)
        log = open(self.folder / "menshen.log", "w")
        child = self.start([self.menshen, "serve", "--config", str(config)], 0, stdout=log, stderr=log)
        wait_for(port)
        return child, port, self.log_in(port, qq)

    @staticmethod
    def log_in(port, qq):
        answer, body = ask("GET", f"http://127.0.0.1:{port}/qq/login/")
        attempt = answer.getheader("set-cookie").split(";")[0]
        query = json.loads(body)["login_url"].split("?", 1)[1]
        form = urllib.parse.urlencode({"query": query, "answer": "approve", "user": "10001"})
        answer, _ = ask("POST", f"http://{qq}/oauth2.0/authorize", form,
                        {"Content-Type": "application/x-www-form-urlencoded"})
        answer, body = ask("GET", answer.getheader("location"), None, {"Cookie": attempt})
        assert answer.status == 303, body
        cookies = [value for name, value in answer.getheaders() if name.lower() == "set-cookie"]
        return next(cookie.split(";")[0] for cookie in cookies if cookie.startswith("menshen_session="))

    def stop(self):
        for child in self.children:
            child.send_signal(signal.SIGTERM)
        for child in self.children:
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()


def cpu_seconds(pid):
    """User and system time of a process and its children that are alive, in seconds."""
    user = system = 0
    pids = [pid] + [int(child) for child in subprocess.run(["pgrep", "-P", str(pid)], capture_output=True,
                                                           text=True).stdout.split()]
    for each in pids:
        fields = pathlib.Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split()
        user, system = user + int(fields[11]), system + int(fields[12])
    return [ticks / os.sysconf("SC_CLK_TCK") for ticks in (user, system)]


def measure(children, url, seconds, headers):
    """For each child: user and system seconds for 100,000 requests; and requests a second."""
    before = [cpu_seconds(child.pid) for child in children]
    command = ["taskset", "-c", "1", "wrk", "-t1", "-c64", f"-d{seconds}s", *headers, url]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    after = [cpu_seconds(child.pid) for child in children]
    requests = int(re.search(r"(\d+) requests in", text).group(1))
    if "Non-2xx" in text or "Socket errors" in text:
        sys.exit(f"{url} did not answer well:\n{text}")
    costs = [[(end - start) / requests * 100_000 for start, end in zip(*both)] for both in zip(before, after)]
    return costs, requests / seconds


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--menshen", default="target/dist/menshen")
    arguments.add_argument("--rounds", type=int, default=8)
    arguments.add_argument("--seconds", type=int, default=4)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="menshen-bench-") as folder:
        bench = Bench(os.path.abspath(options.menshen), folder)
        try:
            run(bench, options)
        finally:
            bench.stop()


def run(bench, options):
    backend, service, plain, guarded = (free_port() for _ in range(4))
    bench.nginx("backend", BACKEND.format(port=backend, text="x" * 1024), 1)
    service_child = bench.nginx("service", YES.format(port=service), 1)
    identity = 'proxy_set_header Authorization "Bearer %s"; proxy_set_header X-User u;' % ("x" * 300)
    ports = {"backend": backend, "service": service, "identity": identity}
    plain_child = bench.nginx("plain", PLAIN.format(port=plain, auth="", location="", **ports), 0, "on")
    auth = {"auth": "auth_request /_auth;", "location": AUTH_LOCATION.format()}
    guarded_child = bench.nginx("guarded", PLAIN.format(port=guarded, **auth, **ports), 0, "on")
    proxy, port, cookie = bench.proxy(backend)
    for each in (backend, service, plain, guarded):
        wait_for(each)
    fields = ["-H", f"Cookie: sessionid=abcdefghijklmnop; {cookie}", "-H", "User-Agent: Mozilla/5.0 (X11; Linux x86_64)",
              "-H", "Accept: text/html,application/xhtml+xml", "-H", "Accept-Language: zh-CN,zh;q=0.9"]
    contenders = {
        "menshen, authenticated": ([proxy], f"http://127.0.0.1:{port}/x"),
        "menshen, public route": ([proxy], f"http://127.0.0.1:{port}/public/x"),
        "nginx auth_request": ([guarded_child, service_child], f"http://127.0.0.1:{guarded}/x"),
        "nginx proxy_pass": ([plain_child], f"http://127.0.0.1:{plain}/x"),
    }
    results = {name: [] for name in [*contenders, WITH_SERVICE]}
    for children, url in contenders.values():
        measure(children, url, 1, fields)
    for number in range(options.rounds):
        for name, (children, url) in contenders.items():
            costs, rate = measure(children, url, options.seconds, fields)
            results[name].append((*costs[0], rate))
            if len(costs) > 1:
                results[WITH_SERVICE].append((*map(sum, zip(*costs)), rate))
        print(f"round {number + 1}: " + ", ".join(f"{name} {sum(rows[-1][:2]):.2f}" for name, rows in results.items()),
              file=sys.stderr)
    report(results)


def report(results):
    bases = ("nginx proxy_pass", "nginx auth_request", WITH_SERVICE)
    print(f"{'CPU s for 100,000 requests':34}{'user':>7}{'system':>8}{'sum':>7}{'requests/s':>12}"
          f"{'÷ proxy_pass':>14}{'÷ auth_request':>16}{'÷ with service':>16}")
    for name, rows in results.items():
        user, system, rate = (statistics.median(row[at] for row in rows) for at in range(3))
        total = statistics.median(sum(row[:2]) for row in rows)
        ratios = [statistics.median(sum(row[:2]) / sum(base[:2]) for row, base in zip(rows, results[other]))
                  for other in bases]
        print(f"{name:34}{user:7.2f}{system:8.2f}{total:7.2f}{rate:12.0f}"
              f"{ratios[0]:14.2f}{ratios[1]:16.2f}{ratios[2]:16.2f}")


if __name__ == "__main__":
    main()
