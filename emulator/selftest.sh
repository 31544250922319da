#!/bin/sh
# Builds and runs the emulated device's own tests: plain, sanitized, and with the portable fiber switch.
# Usage: emulator/selftest.sh [build folder]; CXX chooses the compiler.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=${1:-${TMPDIR:-/tmp}/sharpdim-emulator}
mkdir -p "$build"
common="-std=c++20 -g -Wall -Wextra -ffp-contract=off -pthread -I$here/../kernels -I$here"
sanitize="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer"

variant() { # name, flags
    for file in bugs.cu primitives.cu runtime.cpp selftest.cpp; do
        # shellcheck disable=SC2086
        ${CXX:-g++} $common $2 -c -x c++ "$here/$file" -o "$build/$1-$file.o"
    done
    # shellcheck disable=SC2086
    ${CXX:-g++} $common $2 "$build/$1"-*.o -o "$build/$1"
    echo "=== $1"
    "$build/$1" || bad="$bad $1"
}
bad=

variant plain "-O2"
variant sanitized "-O1 $sanitize"
variant ucontext "-O2 -DSHARPDIM_EMULATOR_UCONTEXT"
[ -z "$bad" ] || { echo "failed:$bad"; exit 1; }
