#!/usr/bin/env python3
"""The tracepoints of the program are those that transport/README.md lists, each with as many arguments.

usage: tracepoints.py PROGRAM README

Scripts of users hang on their names. Skipped (77) where the program was built without sys/sdt.h.
"""
import pathlib
import re
import subprocess
import sys


def in_program(path):
    """{name: {number of arguments}}, as the notes of the program say."""
    notes = subprocess.run(['readelf', '--notes', '--wide', path], check=True, capture_output=True, text=True).stdout
    found = {}
    for provider, name, arguments in re.findall(r'Provider: (\S+)\s+Name: (\S+)\s.*\s+Arguments: ?(.*)', notes):
        if provider == 'fairlead':  # each argument is SIZE@OPERAND; a name may stand at several places
            found.setdefault(name, set()).add(arguments.count('@'))
    return found


def in_text(path):
    table = pathlib.Path(path).read_text().split('\n## Tracepoints\n')[1].split('\n## ')[0]
    return {name: {len(arguments.split(', '))}
            for name, arguments in re.findall(r'^\| `(\w+)` \|.*\| ([^|]+) \|$', table, re.MULTILINE)}


def main(program, readme):
    there, told = in_program(program), in_text(readme)
    if not there:
        print('skipped: the program has no tracepoints, because it was built without systemtap-sdt-dev')
        return 77
    for name in sorted(there.keys() | told.keys()):
        if there.get(name) != told.get(name):
            print(f'{name}: the program has {there.get(name, "none")}, {readme} says {told.get(name, "none")}'
                  ' (number of arguments)')
    return there != told


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
