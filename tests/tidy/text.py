#!/usr/bin/env python3
"""What the compiler does not see: lines of at most 120 columns, no tabs, no unfinished work, no sleeping tests, no path
or name of the machine it was written on, files of a readable size, and no source that is not built.

usage: text.py PROJECT_ROOT
"""
import pathlib
import re
import subprocess
import sys

CODE = {'.cc', '.h', '.c', '.py', '.sh', '.build', ''}
LINES_MAX = 600
COLUMNS_MAX = 120

# Absolute paths into somebody's home.
MACHINE = re.compile(r'(?<![\w.$}~-])/(home|root)/[\w.]')
UNFINISHED = re.compile(r'\b(TO' r'DO|FIX' r'ME|XX' r'X|HA' r'CK)\b')
SLEEP = re.compile(r'sleep_for|sleep_until|\busleep\(|\bnanosleep\(|time\.sleep\(|^\s*sleep [0-9]')
SLEEP_ALLOWED = re.compile(r'// sleep: |# sleep: ')


def project_files(root):
    """What is committed or about to be: git's list where there is git, everything otherwise (a release tarball)."""
    listed = subprocess.run(['git', '-C', str(root), 'ls-files', '-z', '--cached', '--others', '--exclude-standard'],
                            capture_output=True, text=True)
    if listed.returncode == 0:
        return sorted(root / name for name in set(listed.stdout.split('\0')) if name and (root / name).is_file())
    tops = ('transport', 'router', 'tools', 'bench', 'tests')
    return sorted(path for top in tops for path in (root / top).glob('**/*') if path.is_file())


def check_lines(relative, text):
    is_test = relative.parts[0] == 'tests'
    for number, line in enumerate(text.splitlines(), 1):
        where = f'{relative}:{number}'
        if match := MACHINE.search(line):
            yield f'{where}: names a path of some machine: {match.group(0)}'
        if relative.suffix in ('.md', '.yaml'):
            continue
        if len(line) > COLUMNS_MAX:
            yield f'{where}: {len(line)} columns, at most {COLUMNS_MAX} are allowed'
        if '\t' in line:
            yield f'{where}: a tab'
        if UNFINISHED.search(line):
            yield f'{where}: unfinished work'
        if is_test and SLEEP.search(line) and not SLEEP_ALLOWED.search(line) and relative.parent.name != 'tidy':
            yield f'{where}: a test that sleeps; wait for the event instead (or say why: "sleep: ...")'


def check_built(root, relative):
    """A source must be named by the meson.build of its folder or of one above."""
    folder = relative.parent
    while True:
        build = root / folder / 'meson.build'
        name = relative.relative_to(folder).as_posix()
        if build.is_file():
            text = build.read_text()
            # Lists of programs name them without their ending.
            if f"'{name}'" in text or f"'{name.removesuffix('.cc')}'" in text:
                return True
        if folder == pathlib.Path('.'):
            return False
        folder = folder.parent


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    failures, files = [], 0
    for path in project_files(root):
        relative = path.relative_to(root)
        if path.suffix not in CODE | {'.md', '.yaml'} or 'corpus' in relative.parts or relative.name == 'LICENSE':
            continue
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue  # data
        files += 1
        failures += check_lines(relative, text)
        if path.suffix in ('.cc', '.h', '.py') and text.count('\n') > LINES_MAX:
            failures.append(f'{relative}: {text.count(chr(10))} lines; more than {LINES_MAX} is a design question')
        if path.suffix == '.cc' and not check_built(root, relative):
            failures.append(f'{relative}: no meson.build names it')
    for failure in failures:
        print(failure)
    print(f'{files} files, {len(failures)} findings')
    return 1 if failures or files == 0 else 0


sys.exit(main())
