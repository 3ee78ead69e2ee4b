"""What came of it: a table for people, JSON for programs, plots."""

import json
import statistics

from cases import FIGURES
from systems import OURS

WIDTH = 27


def spread(values, digits):
    text = f"{statistics.median(values):,.{digits}f}"
    return text if len(values) == 1 else f"{text} ({min(values):,.{digits}f}–{max(values):,.{digits}f})"


def figures_of(case, results):
    """{system: {figure: [value of each round, None where it failed]}}"""
    found = {}
    for system, rounds in results.items():
        names = [name for name in case.figures if system != "direct" or not FIGURES[name].of_gateways]
        found[system] = {name: [FIGURES[name].of(m) if m else None for m in rounds] for name in names}
    return found


def ratios(ours, theirs):
    """Of each round, because the two stood next to each other there."""
    return [a / b for a, b in zip(ours, theirs) if a is not None and b]


def row(label, cells):
    return f"  {label:24}" + "".join(f"{cell:>{WIDTH}}" for cell in cells)


def case_lines(case, figures):
    lines = ["", f"{case.name}: {case.title}", row("", [FIGURES[name].unit for name in case.figures])]
    for system, values in figures.items():
        cells = []
        for name in case.figures:
            good = [value for value in values.get(name, []) if value is not None]
            cells.append(spread(good, FIGURES[name].digits) if good else "failed" if name in values else "-")
        lines.append(row(system, cells))
    for mine in (name for name in OURS if name in figures):
        for other in (name for name in figures if name not in OURS):
            found = [ratios(figures[mine].get(name, []), figures[other].get(name, [])) for name in case.figures]
            if any(found):
                lines.append(row(f"{mine}/{other}", ["×" + spread(each, 2) if each else "-" for each in found]))
    if "fairlead" in figures and "doubled" in figures:
        found = [ratios(figures["doubled"].get(name, []), figures["fairlead"].get(name, [])) for name in case.figures]
        lines.append(row("doubled/fairlead", ["×" + spread(each, 2) if each else "-" for each in found]))
    return lines


def write_json(path, machine, arguments, figures, failures):
    document = {"machine": machine, "rounds": arguments.rounds, "secondsEach": arguments.seconds,
                "threads": arguments.threads, "figures": figures, "failures": failures}
    path.write_text(json.dumps(document, indent=1) + "\n")


def write_plots(path, cases, figures, machine):
    """One picture with a panel for each figure that was measured, as PNG and SVG. Returns what was written."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot

    panels = []
    for name, figure in FIGURES.items():
        having = [case for case in cases if name in case.figures and not case.round_trip_ms and case.name in figures]
        if having:
            panels.append((f"{figure.unit}{'' if figure.more_is_better else ', less is better'}", name, having))
    far = [case for case in cases if case.round_trip_ms and case.name in figures]
    count = len(panels) + bool(far)
    picture, axes = pyplot.subplots(count, 1, figsize=(11, 3.2 * count), squeeze=False)
    for axis, (title, name, having) in zip(axes[:, 0], panels):
        systems = list(dict.fromkeys(system for case in having for system in figures[case.name]))
        for index, system in enumerate(systems):
            heights = []
            for case in having:
                good = [v for v in figures[case.name].get(system, {}).get(name, []) if v is not None]
                heights.append(statistics.median(good) if good else 0)
            places = [number + index * 0.8 / len(systems) for number in range(len(having))]
            axis.bar(places, heights, width=0.8 / len(systems), label=system)
        axis.set_xticks([number + 0.35 for number in range(len(having))], [case.name for case in having], fontsize=8)
        axis.set_title(title, fontsize=10)
        axis.set_yscale("log")
        axis.legend(fontsize=7, ncols=len(systems))
    if far:
        axis = axes[-1, 0]
        for system in figures[far[0].name]:
            points = []
            for case in far:
                good = [v for v in figures[case.name].get(system, {}).get("throughput", []) if v is not None]
                if good:
                    points.append((case.round_trip_ms, statistics.median(good)))
            axis.plot(*zip(*points), marker="o", label=system)
        axis.set_title("one stream, Gbit/s over the round trip in ms", fontsize=10)
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.legend(fontsize=7)
    picture.suptitle(f"{machine['processor']}, {machine['cpus']} CPUs, Linux {machine['kernel']}", fontsize=9)
    picture.tight_layout()
    written = []
    for suffix in (".png", ".svg"):
        written.append(path.with_suffix(suffix))
        picture.savefig(written[-1], dpi=110)
    return written
