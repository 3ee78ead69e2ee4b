#!/usr/bin/env python3
"""The arrows between layers are a law: who may include whom, and which layer alone may know a library.

usage: layers.py PROJECT_ROOT
"""
import pathlib
import re
import sys

# Layer of a folder -> the layers it may include (besides itself). A file belongs to the deepest folder listed.
ARROWS = {
    'transport/base': [],
    'transport/wire': ['transport/base'],
    'transport/tls': ['transport/base'],
    'transport/uring': ['transport/base'],
    'transport': ['transport/base', 'transport/wire', 'transport/tls', 'transport/uring'],
    'router/routing': ['transport/base', 'transport/wire'],
    'router': ['router/routing', 'transport', 'transport/base', 'transport/tls', 'transport/uring', 'transport/wire'],
    'router/site': ['router', 'router/routing', 'transport', 'transport/base', 'transport/tls'],
    'tools': ['router', 'router/site', 'router/routing', 'transport', 'transport/base', 'transport/tls',
              'transport/uring', 'transport/wire'],
}
# transport asks up through this interface, so what implements it may include it: a file of its own layer, so to speak.
QUESTIONS = {'transport/forwarder.h': ['router/routing']}

# Headers that only these layers may include.
RESERVED = [
    (r'liburing(\.h|/.*)', ['transport/uring', 'transport']),
    (r'wolfssl/.*', ['transport/tls']),
    (r'yaml-cpp/.*', ['router/site']),
    (r'nlohmann/.*', ['router/site', 'tools']),
    (r'(CLI|spdlog)/.*', ['tools']),
]
# Layers that are pure: bytes, messages and the time come in as arguments.
PURE = ['transport/wire', 'router/routing']
IMPURE_HEADERS = (r'(sys/.*|unistd\.h|fcntl\.h|poll\.h|netdb\.h|time\.h|'
                  r'chrono|thread|mutex|atomic|fstream|iostream|random)')

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def layer_of(path):
    folder = str(pathlib.PurePosixPath(path).parent)
    while folder not in ('.', ''):
        if folder in ARROWS:
            return folder
        folder = str(pathlib.PurePosixPath(folder).parent)
    return None


def check_include(layer, quote, header, root):
    """None, or what is wrong with this include in a file of this layer."""
    if quote == '<':
        for pattern, layers in RESERVED:
            if re.fullmatch(pattern, header) and layer not in layers:
                return f'<{header}> is for {", ".join(layers)} only'
        if layer in PURE and re.fullmatch(IMPURE_HEADERS, header):
            return f'<{header}> in a layer that is pure (no clock, no descriptor, no thread)'
        return None
    if header == 'version.h':  # generated
        return None
    if not (root / header).is_file():
        return f'"{header}" is not the path of a file from the project\'s root'
    target = layer_of(header)
    if target == layer or target in ARROWS[layer] or layer in QUESTIONS.get(header, []):
        return None
    return f'{layer} may not include "{header}"; allowed: {", ".join([layer] + ARROWS[layer])}'


def main():
    root = pathlib.Path(sys.argv[1])
    failures, files = [], 0
    for top in ('transport', 'router', 'tools'):
        for path in sorted(root.glob(f'{top}/**/*')):
            if path.suffix not in ('.h', '.cc'):
                continue
            files += 1
            relative = path.relative_to(root)
            layer = layer_of(relative.as_posix())
            for number, line in enumerate(path.read_text().splitlines(), 1):
                if match := INCLUDE.match(line):
                    if wrong := check_include(layer, match.group(1), match.group(2), root):
                        failures.append(f'{relative}:{number}: {wrong}')
    for failure in failures:
        print(failure)
    print(f'{files} files, {len(failures)} forbidden includes')
    return 1 if failures or files == 0 else 0


sys.exit(main())
