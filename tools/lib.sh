# Shared by the scripts of this folder: where the project is, how they speak, how a build folder is made.
# shellcheck shell=bash

# Programs are read as well as run: in English, and in UTF-8 whatever the user has set.
export LC_ALL=C.UTF-8
unset LANGUAGE

project_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Everything said goes to stderr, so that the last line of stdout is the result.
say() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }

die() {
  say "$*"
  exit 1
}

need_program() {  # need_program NAME WHY
  command -v "$1" >/dev/null 2>&1 || die "$1 is missing ($2): run tools/setup, or install it by hand"
}

# build_in FOLDER [MESON OPTION...]: configures FOLDER below the project if that has not been done, then builds it: the
# ninja targets named in the array `targets`, or everything.
targets=()
build_in() {
  local folder=$project_root/$1
  shift
  local marker=$folder/.configured-as
  local wanted="$project_root ${CC:-cc} ${CXX:-c++} $*"
  need_program meson 'the build description is for it'
  need_program ninja 'meson builds with it'
  # A folder that was configured otherwise, or for a clone that has since moved, starts anew.
  if [ -e "$folder" ] && [ "$(cat "$marker" 2>/dev/null)" != "$wanted" ]; then
    rm -rf "$folder"
  fi
  if [ ! -e "$marker" ]; then
    say "configuring $(basename "$folder")"
    mkdir -p "$folder"
    if ! meson setup "$folder" "$project_root" "$@" >"$folder/configure.log" 2>&1; then
      tail -n 15 "$folder/configure.log" >&2
      die "meson could not configure $(basename "$folder"): see above, or all of it in $folder/configure.log"
    fi
    printf '%s\n' "$wanted" >"$marker"
  fi
  say "building $(basename "$folder")"
  local quiet=--quiet
  if [ -t 2 ]; then quiet=; fi  # a terminal shows ninja's progress in one line
  ninja -C "$folder" $quiet "${targets[@]}" >&2 ||
    die "the build in $(basename "$folder") failed: the compiler's message is above"
}
