#!/bin/sh
# setup.sh - looks for what the build needs and, where apt-get can be used, installs what is missing.
#
# Silent and quick when all is there. MDET_SETUP=0 looks and tells, but installs nothing.
# `setup.sh lint` adds what `make lint` would like: a second compiler, a C++ one, the formatter;
# `setup.sh fuzz` a clang with its sanitizers.
# Exits non-zero only when something without which nothing can be built stays missing.
set -u
CC=${CC:-cc}

# Debian package, then what shows that it is there: a header, a +program or the pattern
# of a path; ! marks a must.
needs='!libyaml-dev yaml.h
check check.h
libjpeg62-turbo-dev jpeglib.h
libpng-dev png.h
libexpat1-dev expat.h
!zlib1g-dev zlib.h
libdnnl-dev dnnl.h
libstb-dev stb/stb_image.h
pkg-config +pkg-config
!binutils +objcopy'

[ "${1:-}" = lint ] && needs="$needs
g++ +g++
clang +clang
clang-format-14 +clang-format-14"

[ "${1:-}" = fuzz ] && needs="$needs
clang +clang
libclang-rt-14-dev /usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a"

present() { # what
    case $1 in
        +*) command -v "${1#+}" > /dev/null 2>&1 ;;
        /*) ls $1 > /dev/null 2>&1 ;; # a pattern
        *) printf '#include <stdio.h>\n#include <%s>\n' "$1" | $CC -E -x c - > /dev/null 2>&1 ;;
    esac
}

look() { # sets missing and lost (the musts among them)
    missing="" lost=""
    while read -r package what; do
        present "$what" && continue
        missing="$missing ${package#!}"
        case $package in !*) lost="$lost ${package#!}" ;; esac
    done <<END
$needs
END
}

all_present() { # one preprocessor run instead of one for each
    command -v pkg-config > /dev/null 2>&1 && command -v objcopy > /dev/null 2>&1 || return 1
    printf '%s\n' "$needs" | sed -n 's/^[^ ]* \([^+].*\)/#include <\1>/p' |
        { echo '#include <stdio.h>' && cat; } | $CC -E -x c - > /dev/null 2>&1
}

command -v "${CC%% *}" > /dev/null 2>&1 || {
    echo "setup: no C compiler '$CC'; on Debian: apt-get install gcc, or name yours: make CC=..." >&2
    exit 1
}
[ $# -eq 0 ] && all_present && exit 0
look
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then as_root="env"
elif [ -t 0 ]; then as_root="sudo"
else as_root="sudo -n"; fi
if [ "${MDET_SETUP:-1}" = 0 ] || ! command -v apt-get > /dev/null 2>&1 ||
    ! command -v "${as_root%% *}" > /dev/null 2>&1; then
    echo "setup: missing:$missing" >&2
    echo "setup: as root, on Debian: apt-get install -y$missing" >&2
else
    echo "setup: installing:$missing (apt-get)" >&2
    export DEBIAN_FRONTEND=noninteractive
    log=$(mktemp) || exit 1
    # shellcheck disable=SC2086 # words on purpose
    if ! { $as_root apt-get update && $as_root apt-get install -y --no-install-recommends $missing; } \
        < /dev/null > "$log" 2>&1; then
        tail -n 5 "$log" >&2
        echo "setup: apt-get failed; as root: apt-get update && apt-get install -y$missing" >&2
    fi
    rm -f "$log"
    look
    [ -n "$missing" ] && echo "setup: still missing:$missing; building without where that can be" >&2
fi
[ -z "$lost" ]
