#!/usr/bin/env python3
"""The byte path allocates nothing, takes no lock, logs nothing and throws nothing: a fact of the object files.

usage: hot_symbols.py ALLOWED LIBRARY...

Reads the relocations of every function in the objects that HOT names and fails if one refers to a forbidden symbol. A
function template of a library that was not inlined (growth of std::vector) counts for whoever calls it. ALLOWED names
the functions that never run for a byte (opening, closing, set-up), each with its reason; an entry that is not needed
fails too.
"""
import re
import subprocess
import sys

# Objects on the byte path, as meson names them (folder_file, without .cc.o). Each has to match something.
HOT = ['uring_ring', 'uring_buffer_ring', 'uring_block_pool', 'uring_timers', 'uring_live_kernel', r'wire_(?!hello)\w+',
       'tls_cipher', 'tls_record', 'tls_connection', 'record_io', 'kernel_records', 'stream', 'edge_socket',
       'edge_records', 'session', 'session_receive', 'shard', 'shard_memory']
FORBIDDEN = re.compile(
    r'^(operator new|operator delete|malloc|calloc|realloc|free|aligned_alloc|posix_memalign|'
    r'pthread_(mutex|cond|rwlock|spin)_|__cxa_|__throw|_Unwind|std::__throw|std::(mutex|lock|condition_variable)|'
    r'std::__cxx11::|fmt::|spdlog::|fairlead::(write_log|log_enabled|log)\b|printf|puts|snprintf|usleep|nanosleep|'
    r'clock_gettime|std::chrono)')
HARMLESS = re.compile(r'^__cxa_pure_virtual|^__cxa_atexit')
DESTRUCTOR = re.compile(r'::~\w+\(\)$')

LABEL = re.compile(r'^[0-9a-f]+ <(.*)>:$')
RELOCATION = re.compile(r'^\s+[0-9a-f]+: R_\w+\s+(.*?)([-+]0x[0-9a-f]+)?$')
CLONE = re.compile(r' \[clone [^\]]*\]')


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def references(path):
    """{function: set of symbols it refers to} of one object."""
    # Not demangled by objdump: addends and section names are clearer in the raw names, c++filt does them at once.
    text = run('objdump', '-dr', '--no-show-raw-insn', path)
    text = subprocess.run(['c++filt'], input=text, check=True, capture_output=True, text=True).stdout
    found, current = {}, None
    for line in text.splitlines():
        if match := LABEL.match(line):
            current = found.setdefault(CLONE.sub('', match.group(1)), set())
        elif current is not None and (match := RELOCATION.match(line)):
            current.add(CLONE.sub('', match.group(1)))
    return found


def forbidden_uses(found):
    """{function of ours: forbidden symbols that it or a library template it calls refers to}"""
    reached = {}
    for name, symbols in found.items():
        reached[name] = {s for s in symbols if FORBIDDEN.match(s) and not HARMLESS.match(s)}
        if DESTRUCTOR.search(name):  # the deleting destructor, which every class with a virtual one has
            reached[name] = {s for s in reached[name] if not s.startswith('operator delete')}
    changed = True
    while changed:
        changed = False
        for name, symbols in found.items():
            for symbol in symbols:
                if symbol in reached and not is_ours(symbol) and not reached[symbol] <= reached[name]:
                    reached[name] |= reached[symbol]
                    changed = True
    return {name: uses for name, uses in reached.items() if uses and is_ours(name)}


def is_ours(name):
    # With a return type before it for templates: "void fairlead::f<int>(...)".
    return re.match(r'^([\w:<>&*, ]+ )?(\(anonymous namespace\)::|fairlead::)', name) is not None


def short(name):
    """fairlead::Session::open(std::string_view) -> Session::open"""
    if name.startswith('operator '):
        return name.split('(')[0]
    name = re.sub(r'std::(__cxx11::)?basic_string<.*', 'std::string', name)
    name = name.replace('(anonymous namespace)::', '').replace('fairlead::', '')
    depth, end = 0, len(name)
    for i, c in enumerate(name):
        if c == '<':
            depth += 1
        elif c == '>':
            depth -= 1
        elif c == '(' and depth == 0:
            end = i
            break
    return name[:end].split(' ')[-1]


def read_allowed(path):
    """{(object, function): line number}; a line is `object function: reason`."""
    allowed = {}
    for number, line in enumerate(open(path), 1):
        line = line.strip()
        if not line or line.startswith('#'):
            continue
        match = re.fullmatch(r'(\S+) (\S+): (\S.{7,})', line)
        if not match:
            sys.exit(f'{path}:{number}: expected `object function: reason`')
        allowed[match.group(1), match.group(2)] = number
    return allowed


def hot_pattern(path):
    """The first of HOT that matches an object, or None."""
    name = path.rsplit('/', 1)[-1].removesuffix('.cc.o')
    return next((pattern for pattern in HOT if re.fullmatch(pattern, name)), None)


def objects_of(library):
    # meson's static libraries are thin: the archive lists paths beside itself.
    return [path for path in run('ar', 'tP', library).split() if hot_pattern(path)]


def main():
    allowed_path, libraries = sys.argv[1], sys.argv[2:]
    allowed = read_allowed(allowed_path)
    unused, failures, seen, unseen = set(allowed), [], 0, set(HOT)
    for library in libraries:
        for path in objects_of(library):
            seen += 1
            unseen.discard(hot_pattern(path))
            name = path.rsplit('/', 1)[-1].removesuffix('.cc.o')
            for function, uses in sorted(forbidden_uses(references(path)).items()):
                key = (name, short(function))
                if key in allowed:
                    unused.discard(key)
                    continue
                failures.append(f'{name} {key[1]}: {", ".join(sorted({short(use) for use in uses}))}')
    for key in sorted(unused):
        failures.append(f'{allowed_path}:{allowed[key]}: {key[0]} {key[1]} uses nothing forbidden any more')
    for pattern in sorted(unseen):
        failures.append(f'HOT is out of date: no object is named {pattern}')
    for failure in failures:
        print(failure)
    print(f'{seen} objects on the byte path, {len(allowed)} functions allowed, {len(failures)} findings')
    return 1 if failures else 0


sys.exit(main())
