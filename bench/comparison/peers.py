"""The contenders, each configured as its files under peers/ say, all before the same application."""
import base64
import getpass
import hashlib
import hmac
import http.client
import json
import pathlib
import re
import ssl
import string
import subprocess
import sys
import time
import urllib.parse

from .machine import CONTENDER, OTHERS, free_port

FILES = pathlib.Path(__file__).parent / "peers"

CLIENT_ID, CLIENT_SECRET = "101000777", "benchmark-appkey-benchmark-appkey"
SECRET = "0123456789abcdef0123456789abcdef"
COOKIE = "bench_session"

# A browser's; the cookie of whoever is measured comes beside them.
FIELDS = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8",
    "Accept-Encoding": "gzip, deflate, br",
}


class Contender:
    """What is measured: processes, and how they are asked."""

    def __init__(self, name, children, port, path="/goods/12/?page=2", cookie=None, scheme="http", host="127.0.0.1"):
        self.name, self.children, self.port = name, children, port
        self.url = f"{scheme}://{host}:{port}{path}"
        self.fields = {**FIELDS, "Cookie": "sessionid=abcdefghijklmnop" + (f"; {cookie}" if cookie else "")}


def token():
    """A session as the peers that verify one want it: a JWT of the size of a session of ours."""
    encode = lambda part: base64.urlsafe_b64encode(part).rstrip(b"=")
    claims = {"iss": "bench", "sub": "10001", "exp": int(time.time()) + 86400, "sid": "x" * 120}
    parts = [encode(json.dumps(part, separators=(",", ":")).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    signature = hmac.new(SECRET.encode(), b".".join(parts), hashlib.sha256).digest()
    return b".".join([*parts, encode(signature)]).decode()


def certificate(folder):
    """One for all, on P-256, for TLS."""
    chain, key, pem = (folder / name for name in ("chain.pem", "key.pem", "both.pem"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-keyout", key, "-out", chain, "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
                   check=True, capture_output=True)
    pem.write_text(chain.read_text() + key.read_text())
    key.chmod(0o600)
    return {"chain": chain, "key": key, "pem": pem}


class Peers:
    """Starts contenders on one core or on two."""

    def __init__(self, machine, tools):
        self.machine, self.tools = machine, tools
        self.token, self.files = token(), certificate(machine.folder)
        self.backend, self.service, self.application, self.qq = None, None, None, None

    def _folder(self, name):
        folder = self.machine.folder / name
        folder.mkdir(exist_ok=True)
        return folder

    def _configured(self, file, name, **values):
        folder = self._folder(name)
        text = string.Template((FILES / file).read_text()).substitute(
            folder=folder, backend=self.backend, service=self.service, cookie=COOKIE, secret=SECRET, **self.files, **values)
        path = folder / file
        path.write_text(text)
        path.chmod(0o600)
        return path

    def begin(self):
        """The application, and whoever says who is logged in to those that ask."""
        self.backend, self.service = free_port(), free_port()
        path = self._configured("backend.conf", "application", page="x" * 1024, token=self.token,
                                user=getpass.getuser())
        (path.parent / "large").write_bytes(b"x" * (10 * 1024 * 1024))
        self.application = self.machine.start([self.tools["nginx"], "-c", path, "-p", path.parent], [OTHERS], "application")
        self.machine.wait_for(self.backend, self.application)

    def nginx(self, cores=(CONTENDER,)):
        plain, tls, guarded = free_port(), free_port(), free_port()
        path = self._configured("nginx.conf", "nginx", plain=plain, tls=tls, guarded=guarded, workers=len(cores))
        child = self.machine.start([self.tools["nginx"], "-c", path, "-p", path.parent], cores, "nginx")
        self.machine.wait_for(plain, child)
        return {
            "nginx proxy_pass": Contender("nginx proxy_pass", [child], plain),
            "nginx auth_request": Contender("nginx auth_request", [child], guarded),
            "nginx tls": Contender("nginx tls", [child], tls, scheme="https", host="localhost"),
        }

    def haproxy(self, cores=(CONTENDER,)):
        plain, tls, guarded = free_port(), free_port(), free_port()
        path = self._configured("haproxy.cfg", "haproxy", plain=plain, tls=tls, guarded=guarded, workers=len(cores))
        child = self.machine.start([self.tools["haproxy"], "-db", "-f", path], cores, "haproxy")
        self.machine.wait_for(plain, child)
        cookie = f"{COOKIE}={self.token}"
        return {
            "HAProxy": Contender("HAProxy", [child], plain),
            "HAProxy jwt_verify": Contender("HAProxy jwt_verify", [child], guarded, cookie=cookie),
            "HAProxy tls": Contender("HAProxy tls", [child], tls, scheme="https", host="localhost"),
        }

    def envoy(self):
        guarded = free_port()
        key = base64.urlsafe_b64encode(SECRET.encode()).rstrip(b"=").decode()
        jwks = json.dumps({"keys": [{"kty": "oct", "alg": "HS256", "k": key}]})
        path = self._configured("envoy.yaml", "envoy", guarded=guarded, jwks=jwks)
        command = [self.tools["envoy"], "-c", path, "--concurrency", "1", "--log-level", "warning", "--disable-hot-restart"]
        child = self.machine.start(command, [CONTENDER], "envoy")
        self.machine.wait_for(guarded, child)
        cookie = f"{COOKIE}={self.token}"
        return {"Envoy jwt_authn": Contender("Envoy jwt_authn", [child], guarded, cookie=cookie)}

    def caddy(self):
        plain, guarded = free_port(), free_port()
        path = self._configured("Caddyfile", "caddy", plain=plain, guarded=guarded)
        child = self.machine.start([self.tools["caddy"], "run", "--config", path, "--adapter", "caddyfile"],
                                   [CONTENDER], "caddy")
        self.machine.wait_for(plain, child)
        return {"Caddy forward_auth": Contender("Caddy forward_auth", [child], guarded)}

    def menshen(self, cores=(CONTENDER,)):
        qq, control = self._simulator()
        plain, tls, metrics = free_port(), free_port(), free_port()
        origins = f"http://127.0.0.1:{plain}", f"https://localhost:{tls}"
        app = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "callbacks": ";".join(f"{origin}/oauth_callback" for origin in origins)}
        answer, body = ask("POST", f"http://{control}/apps", json.dumps(app), {"Content-Type": "application/json"})
        if answer.status >= 300:
            sys.exit(f"the QQ simulator takes no app: {body}")
        name = f"menshen-{len(cores)}"
        path = self._configured("menshen.toml", name, plain=plain, tls=tls, metrics=metrics, workers=len(cores), qq=qq,
                                client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
        # As our Dockerfile and unit have it.
        command = ["env", "MIMALLOC_PURGE_DELAY=0", self.tools["menshen"], "serve", "--config", path]
        child = self.machine.start(command, cores, name)
        self.machine.wait_for(plain, child)
        cookie, cookie_of_tls = (log_in(origin, qq) for origin in origins)
        return {
            "Menshen": Contender("Menshen", [child], plain, cookie=cookie),
            "Menshen, public": Contender("Menshen, public", [child], plain, path="/public/goods/12/?page=2"),
            "Menshen tls": Contender("Menshen tls", [child], tls, cookie=cookie_of_tls, scheme="https", host="localhost"),
        }

    def _simulator(self):
        if self.qq is None:
            self.machine.start([self.tools["menshen"], "demo", "--port", free_port()], [OTHERS], "demo")
            for _ in range(400):
                text = (self.machine.folder / "demo.log").read_text()
                found = re.findall(r"http://(127\.0\.0\.1:\d+)", text)
                if "remote control" in text and len(found) >= 4:
                    self.qq = found[2], found[3]
                    break
                time.sleep(0.05)
            else:
                sys.exit(f"the QQ simulator did not start:\n{text}")
        return self.qq


def ask(method, url, body=None, headers=None):
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "https":
        # The certificate is the comparison's own.
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=10, context=ssl._create_unverified_context())
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    connection.request(method, parts.path + (f"?{parts.query}" if parts.query else ""), body, headers or {})
    answer = connection.getresponse()
    return answer, answer.read()


def log_in(origin, qq):
    """The session cookie of somebody who has logged in by the simulated QQ."""
    answer, body = ask("GET", f"{origin}/qq/login/")
    attempt = answer.getheader("set-cookie").split(";")[0]
    query = json.loads(body)["login_url"].split("?", 1)[1]
    form = urllib.parse.urlencode({"query": query, "answer": "approve", "user": "10001"})
    answer, _ = ask("POST", f"http://{qq}/oauth2.0/authorize", form, {"Content-Type": "application/x-www-form-urlencoded"})
    answer, body = ask("GET", answer.getheader("location"), None, {"Cookie": attempt})
    if answer.status != 303:
        sys.exit(f"nobody could log in: {answer.status} {body}")
    cookies = [value for name, value in answer.getheaders() if name.lower() == "set-cookie"]
    return next(cookie.split(";")[0] for cookie in cookies if "menshen_session=" in cookie)
