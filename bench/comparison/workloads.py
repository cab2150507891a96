"""What is measured: for each workload the contenders one after the other, round by round."""
import json
import pathlib
import time

from . import load
from .machine import CONTENDER, OTHERS, Round, cpu_seconds, resident


# Seconds after which everything has been taken from a connection that idles.
REST = 6


class Measured:
    """One contender in one round: what it cost for one of whatever is counted."""

    def __init__(self, cost, rate, disturbed, user=0.0, system=0.0):
        self.cost, self.rate, self.disturbed, self.user, self.system = cost, rate, disturbed, user, system


class Workload:
    """`target`: the greatest ratio that is wanted, by whom it is divided. `unit`: what the cost is for."""

    def __init__(self, name, unit, scale, contenders, measure, targets=()):
        self.name, self.unit, self.scale, self.contenders = name, unit, scale, contenders
        self.measure, self.targets, self.rounds = measure, targets, []

    def once(self, seconds):
        row = {}
        for name, contender in self.contenders.items():
            before = cpu_seconds(contender.children)
            with Round() as turn:
                count = self.measure(contender, seconds)
            user, system = (end - start for start, end in zip(before, cpu_seconds(contender.children)))
            each = self.scale / max(count, 1e-9)
            row[name] = Measured((user + system) * each, count / turn.seconds, turn.disturbed, user * each, system * each)
        return row


def all_of(peers, rounds):
    """Every workload that is counted in CPU seconds."""
    menshen, nginx, haproxy = peers.menshen(), peers.nginx(), peers.haproxy()
    envoy, caddy = peers.envoy(), peers.caddy()
    both = peers.menshen((CONTENDER, OTHERS))
    h1 = lambda contender, seconds: load.wrk(contender, seconds)
    page = {**{name: menshen[name] for name in ("Menshen", "Menshen, public")},
            **{name: nginx[name] for name in ("nginx proxy_pass", "nginx auth_request")},
            **{name: haproxy[name] for name in ("HAProxy", "HAProxy jwt_verify")}, **envoy, **caddy}
    large = lambda contender, seconds: load.wrk(contender, seconds, 8, large_of(contender)) * 10 / 1024
    return [
        Workload("HTTP/1.1, kept connections, 1 KiB", "100,000 requests", 100_000, page, h1, [
            ("Menshen", "nginx auth_request", 0.50), ("Menshen", "HAProxy jwt_verify", 0.90),
            ("Menshen", "Envoy jwt_authn", 0.30), ("Menshen", "Caddy forward_auth", 0.10),
            ("Menshen", "nginx proxy_pass", 1.00), ("Menshen", "Menshen, public", 1.05)]),
        Workload("TLS and HTTP/2, 32 connections of 10 streams, 1 KiB", "100,000 requests", 100_000,
                 {"Menshen": menshen["Menshen tls"], "nginx": nginx["nginx tls"], "HAProxy": haproxy["HAProxy tls"]},
                 lambda contender, seconds: load.h2load(contender, seconds, 32, 10), [("Menshen", "nginx", 0.75)]),
        Workload("Full TLS 1.3 handshakes, P-256", "10,000 handshakes", 10_000,
                 {"Menshen": menshen["Menshen tls"], "nginx": nginx["nginx tls"]}, load.handshakes,
                 [("Menshen", "nginx", 1 / 1.4)]),
        Workload("Downloads of 10 MiB, 8 at once", "GiB", 1,
                 {"Menshen": menshen["Menshen"], "nginx": nginx["nginx proxy_pass"]}, large, [("Menshen", "nginx", 1.00)]),
        Workload("The same on two cores, which the load shares", "100,000 requests", 100_000,
                 {"Menshen, one core": menshen["Menshen"], "Menshen, two cores": both["Menshen"]}, h1,
                 [("Menshen, two cores", "Menshen, one core", 1.10)]),
    ]


def large_of(contender):
    return f"http://127.0.0.1:{contender.port}/large"


def latency(peers, machine, rounds, seconds):
    """Percentiles at half the rate that nginx reaches, in microseconds, round by round."""
    contenders = {"Menshen": peers["Menshen"], "nginx auth_request": peers["nginx auth_request"]}
    most = load.wrk(contenders["nginx auth_request"], seconds) / seconds
    log, rows = machine.folder / "times.log", []
    for _ in range(rounds):
        row = {}
        for name, contender in contenders.items():
            with Round() as turn:
                times = load.at_rate(contender, seconds, most / 2, log)
            row[name] = [*(times[min(int(len(times) * part), len(times) - 1)] for part in (0.5, 0.99, 0.999)), turn.disturbed]
        rows.append(row)
    return most / 2, rows


def memory(peers, plain, tls):
    """MiB at the start; KiB for each connection that idles after one request."""
    figures = {}
    for name, kind, count in (("plain", "Menshen", plain), ("tls", "Menshen tls", tls)):
        # Each in a process of its own: what one has given back, another would take.
        contender = peers.menshen()[kind]
        time.sleep(1)
        before = resident(contender.children)
        figures.setdefault("start", before / 1024 / 1024)
        kept = load.idle(contender, count)
        time.sleep(REST)
        figures[name] = (resident(contender.children) - before) / 1024 / count
        for connection in kept:
            connection.close()
        peers.machine.stop(contender.children)
    return figures


def kept(path, workloads, more):
    """What was measured, as it is, for whoever wants to calculate anew."""
    rounds = {each.name: [{name: vars(measured) for name, measured in row.items()} for row in each.rounds]
              for each in workloads}
    pathlib.Path(path).write_text(json.dumps({"rounds": rounds, **more}, indent=1))
