#!/usr/bin/env python3
"""Counts test cases over several runs of `meson test`.

  results.py add RESULTS BUILD LOGBASE LABEL CODE
      reads what `meson test --logbase LOGBASE`, which exited with CODE, left in BUILD/meson-logs, and appends it to the
      file RESULTS
  results.py fail RESULTS LABEL REASON
      appends one failure that is no test's (a build that broke)
  results.py summary RESULTS
      prints what failed and what was skipped, and why; the last line is `N passed, N failed, N skipped`; exits 1 if
      anything failed

The unit is the test case: a GoogleTest case, or a program that is one test. A program that runs cases of its own prints
`N passed, N failed, N skipped` as its last line, and a line starting with SKIP for each one it left out.
"""

import json
import os
import re
import sys
import xml.etree.ElementTree as ET

COUNTS = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", re.MULTILINE)
SKIP_LINE = re.compile(r"^SKIP\w*:?\s*(.*)$", re.MULTILINE)
SOURCE_LINE = re.compile(r"^\S+:\d+$")
OUTPUT_LINES_MAX = 40


def tail(text):
    lines = (text or "").rstrip().splitlines()
    return "\n".join(lines[-OUTPUT_LINES_MAX:])


def reason_line(text):
    """The sentence of a skip: GoogleTest puts the place in the source on a line before it."""
    lines = [line for line in (text or "").strip().splitlines() if not SOURCE_LINE.match(line)]
    return lines[0] if lines else ""


def case_outcome(case):
    """Outcome and reason of one <testcase>. GoogleTest marks a disabled one by its status alone."""
    for tag, outcome in (("failure", "failed"), ("error", "failed"), ("skipped", "skipped")):
        found = case.find(tag)
        if found is not None:
            return outcome, found.get("message") or (found.text or "").strip()
    if case.get("status") == "notrun":
        return "skipped", "disabled"
    return "passed", ""


def program_name(name):
    """Meson names a program `name` or, where it lists several suites, `project:suite / name`."""
    return name.split(" / ")[-1]


def suites_of(program, suites):
    """The <testsuite>s that hold the cases of one program; meson names them `project.program[.suite]`."""
    return [s for s in suites if program_name(s.get("name").split(".", 1)[-1]).split(".")[0] == program]


def program_results(run, suites):
    """(name, outcome, reason, count) of every case one line of testlog.json stands for."""
    program = program_name(run["name"])
    results = []
    for suite in suites_of(program, suites):
        for case in suite.findall("testcase"):
            outcome, reason = case_outcome(case)
            results.append((f"{program}: {case.get('classname')}.{case.get('name')}", outcome, reason, 1))
    output = run.get("stdout") or ""
    counts = None if results else list(COUNTS.finditer(output))
    if counts:
        passed, failed, skipped = (int(n) for n in counts[-1].groups())
        skips = [m.group(1) for m in SKIP_LINE.finditer(output)]
        results.append((program, "passed", "", passed))
        results.append((program, "failed", tail(output), failed))
        results.append((program, "skipped", "; ".join(skips) or "no reason given", skipped))
    broke = run["result"] not in ("OK", "SKIP", "EXPECTEDFAIL")
    if broke and not any(outcome == "failed" and count for _, outcome, _, count in results):
        # Crashed, timed out, or found wanting at exit (a leak): the cases alone do not show it.
        what = f"{run['result'].lower()}, exit code {run.get('returncode')}"
        results.append((program, "failed", f"{what}\n{tail(output)}\n{tail(run.get('stderr'))}", 1))
    elif not results:
        # A program that is one test says why it is skipped in its last line.
        outcome = "skipped" if run["result"] == "SKIP" else "passed"
        results.append((program, outcome, "".join(output.rstrip().splitlines()[-1:]), 1))
    return results


def add(results_path, build, logbase, label, code):
    log = os.path.join(build, "meson-logs", logbase)
    suites = []
    if os.path.exists(log + ".junit.xml"):
        suites = ET.parse(log + ".junit.xml").getroot().findall("testsuite")
    results = []
    if os.path.exists(log + ".json"):
        with open(log + ".json", encoding="utf-8") as lines:
            for line in lines:
                results += program_results(json.loads(line), suites)
    if not results:
        results.append(("meson test", "failed", "no test ran", 1))
    elif code != "0" and not any(outcome == "failed" and count for _, outcome, _, count in results):
        results.append(("meson test", "failed", f"exit code {code}, and no test says why", 1))
    write(results_path, label, results)
    totals = {outcome: sum(count for _, o, _, count in results if o == outcome)
              for outcome in ("passed", "failed", "skipped")}
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**totals))


def write(results_path, label, results):
    with open(results_path, "a", encoding="utf-8") as out:
        for name, outcome, reason, count in results:
            if count:
                out.write(json.dumps([label, name, outcome, reason, count]) + "\n")


def summary(results_path):
    totals = {"passed": 0, "failed": 0, "skipped": 0}
    failures, skips = [], {}
    with open(results_path, encoding="utf-8") as lines:
        for label, name, outcome, reason, count in map(json.loads, lines):
            totals[outcome] += count
            if outcome == "failed":
                failures.append((label, name, reason))
            elif outcome == "skipped":
                skips.setdefault((name, reason_line(reason)), []).append(label)
    if skips:
        print("Skipped:")
    for (name, reason), labels in sorted(skips.items()):
        print(f"  {name} ({', '.join(labels)}): {reason or 'no reason given'}")
    if failures:
        print("Failed:")
    for label, name, reason in failures:
        print(f"  [{label}] {name}")
        for line in (reason or "").strip().splitlines():
            print(f"      {line}")
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**totals), flush=True)
    return 1 if totals["failed"] or not totals["passed"] else 0


def main(arguments):
    if len(arguments) == 6 and arguments[0] == "add":
        add(*arguments[1:])
        return 0
    if len(arguments) == 4 and arguments[0] == "fail":
        write(arguments[1], arguments[2], [(arguments[2], "failed", arguments[3], 1)])
        return 0
    if len(arguments) == 2 and arguments[0] == "summary":
        return summary(arguments[1])
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
