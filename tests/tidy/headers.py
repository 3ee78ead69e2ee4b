#!/usr/bin/env python3
"""Every header compiles alone, with the flags of the sources beside it.

usage: headers.py PROJECT_ROOT BUILD_FOLDER (which has compile_commands.json)
"""
import concurrent.futures
import json
import os
import pathlib
import shlex
import subprocess
import sys


def places(flags):
    return sum(flag.startswith(('-I', '-isystem')) for flag in flags)


def flags_by_folder(root, build):
    """{folder: compiler and flags}: those of the source of that folder that is given the most folders to include from,
    without its own input and output."""
    flags = {}
    for entry in json.loads((build / 'compile_commands.json').read_text()):
        source = pathlib.Path(os.path.normpath(os.path.join(entry['directory'], entry['file'])))
        if source.suffix != '.cc' or root not in source.parents:
            continue
        words, kept = shlex.split(entry['command']), []
        while words:
            word = words.pop(0)
            if word in ('-o', '-MF', '-MQ', '-MT'):
                words.pop(0)
            elif word not in ('-c', '-MD', '-MMD', entry['file']):
                kept.append(word)
        if places(kept) > places(flags.get(source.parent, [])):
            flags[source.parent] = kept
    return flags


def compile_alone(header, root, build, flags):
    folder = header.parent
    while folder not in flags and folder != root:
        folder = folder.parent
    if folder not in flags:
        return None  # nothing of that folder is built in this configuration
    # Twice, so that a missing include guard shows.
    include = f'#include "{header.relative_to(root).as_posix()}"\n'
    done = subprocess.run(flags[folder] + ['-fsyntax-only', '-x', 'c++', '-'], cwd=build, input=include * 2,
                          capture_output=True, text=True)
    return done.stderr if done.returncode != 0 else ''


def main():
    root, build = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    flags = flags_by_folder(root, build)
    tops = ('transport', 'router', 'tools', 'tests', 'bench')
    headers = [header for top in tops for header in sorted(root.glob(f'{top}/**/*.h'))]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda h: compile_alone(h, root, build, flags), headers))
    failures = 0
    for header, result in zip(headers, results):
        if result:
            failures += 1
            print(f'{header.relative_to(root)} does not compile alone:\n{result}')
    print(f'{sum(r is not None for r in results)} headers compiled, {failures} do not compile alone')
    return 1 if failures or not headers else 0


sys.exit(main())
