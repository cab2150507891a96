"""Figures to a page: ratios within rounds, with their intervals, and charts."""
import datetime
import math
import pathlib
import platform
import statistics
import xml.sax.saxutils


def interval(values):
    """The median, and between which of the values it lies with 95 % (order statistics)."""
    values, count = sorted(values), len(values)
    at, below = 0, 0.0
    for at in range(count // 2):
        below += math.comb(count, at) / 2 ** count
        if below > 0.025:
            break
    at = max(at - 1, 0) if below > 0.025 else at
    return statistics.median(values), values[at], values[count - 1 - at]


def ratios(workload, one, other):
    return interval([row[one].cost / row[other].cost for row in workload.rounds])


def table(workload):
    lines = [f"| CPU seconds for {workload.unit} | user | system | sum | a second |", "| --- | --- | --- | --- | --- |"]
    for name in workload.contenders:
        rows = [row[name] for row in workload.rounds]
        median = lambda field: statistics.median(getattr(row, field) for row in rows)
        lines.append(f"| {name} | {median('user'):.2f} | {median('system'):.2f} | {median('cost'):.2f} | {median('rate'):,.0f} |")
    if workload.targets:
        lines += ["", "| ratio, within rounds | median | 95 % | wanted | |", "| --- | --- | --- | --- | --- |"]
        for one, other, wanted in workload.targets:
            middle, least, most = ratios(workload, one, other)
            said = "reached" if middle <= wanted else "**missed**"
            lines.append(f"| {one} ÷ {other} | {middle:.2f} | {least:.2f}–{most:.2f} | ≤ {wanted:.2f} | {said} |")
    disturbed = sum(any(measured.disturbed for measured in row.values()) for row in workload.rounds)
    lines += ["", f"{len(workload.rounds)} rounds; in {disturbed} of them the machine gave time to others."]
    return "\n".join(lines)


def chart(workload):
    """Bars of CPU seconds, one for each contender."""
    costs = {name: statistics.median(row[name].cost for row in workload.rounds) for name in workload.contenders}
    most, height = max(costs.values()), 28 * len(costs) + 40
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="720" height="{height}" font-family="sans-serif" font-size="13">',
             '<rect width="100%" height="100%" fill="#fff"/>',
             f'<text x="10" y="20" font-weight="bold">{xml.sax.saxutils.escape(workload.name)}: '
             f'CPU seconds for {workload.unit}</text>']
    for at, (name, cost) in enumerate(sorted(costs.items(), key=lambda item: item[1])):
        y, colour = 34 + 28 * at, "#12b7f5" if name.startswith("Menshen") else "#999"
        parts.append(f'<text x="10" y="{y + 15}">{xml.sax.saxutils.escape(name)}</text>')
        parts.append(f'<rect x="190" y="{y}" width="{440 * cost / most:.1f}" height="20" fill="{colour}"/>')
        parts.append(f'<text x="{196 + 440 * cost / most:.1f}" y="{y + 15}">{cost:.2f}</text>')
    return "\n".join([*parts, "</svg>", ""])


def page(workloads, versions, latency, memory, folder):
    """Writes `RESULTS.md` and its charts."""
    folder = pathlib.Path(folder)
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    lines = ["# Compared", "",
             f"Written by `bench/compare` on {datetime.date.today()}: {model}, Linux {platform.release()}, two cores, one for the "
             "contender and the other for the load and the application. What each contender is told stands in "
             "`bench/comparison/peers/`. CPU seconds are the process's own, with all that it has started; ratios are taken within "
             "a round, the contenders one after the other.", "",
             ", ".join(f"{name} {version}" for name, version in versions.items()) + ".", ""]
    for at, workload in enumerate(workloads):
        (folder / f"{at + 1}.svg").write_text(chart(workload))
        lines += [f"## {workload.name}", "", f"![{workload.name}]({folder.name}/{at + 1}.svg)", "", table(workload), ""]
    if latency:
        rate, rows = latency
        lines += [f"## Time to answer at {rate:,.0f} requests a second", "",
                  "Half of what nginx with `auth_request` can do. Milliseconds, medians of the rounds.", "",
                  "| | p50 | p99 | p99.9 |", "| --- | --- | --- | --- |"]
        for name in rows[0]:
            figures = (statistics.median(row[name][at] for row in rows) / 1000 for at in range(3))
            lines.append(f"| {name} | " + " | ".join(f"{figure:.2f}" for figure in figures) + " |")
        middle, least, most = interval([row["Menshen"][1] / row["nginx auth_request"][1] for row in rows])
        lines += ["", f"p99, Menshen ÷ nginx: {middle:.2f} ({least:.2f}–{most:.2f}), wanted ≤ 1.00.", ""]
    if memory:
        lines += ["## Memory", "", "| | measured | wanted |", "| --- | --- | --- |",
                  f"| at the start, empty store | {memory['start']:.1f} MiB | ≤ 25 MiB |",
                  f"| a connection that has idled for some seconds after one request of 20 fields | {memory['plain']:.1f} KiB | ≤ 6 KiB |",
                  f"| the same over TLS | {memory['tls']:.1f} KiB | ≤ 20 KiB |", ""]
    (folder.parent / "RESULTS.md").write_text("\n".join(lines))
