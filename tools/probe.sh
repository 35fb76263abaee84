#!/bin/sh
# probe.sh - which optional libraries this machine has, as make variables on standard output and
# one line for the reader on standard error when it changed.
# Each of ONEDNN OPENMP JPEG PNG is auto (use it when found), 0 (do not) or 1 (fail without it).
set -u
CC=${CC:-cc}
defs="" libs="" cflags=""
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

compiles() { # program text, then flags
    printf '%s\n' "$1" > "$work/probe.c"
    shift
    $CC "$work/probe.c" -o "$work/probe" "$@" > "$work/log" 2>&1
}

feature() { # NAME wanted text flags...
    name=$1 wanted=$2 text=$3
    shift 3
    if [ "$wanted" = 0 ]; then
        echo "HAVE_$name := 0"
    elif compiles "$text" "$@"; then
        echo "HAVE_$name := 1"
        defs="$defs -DMD_WITH_$name=1"
        for flag in "$@"; do
            case $flag in -l*) libs="$libs $flag" ;; -f*) cflags="$cflags $flag" libs="$libs $flag" ;; esac
        done
    elif [ "$wanted" = 1 ]; then
        echo "\$(error $name=1 was asked for, but it does not compile here; tools/setup.sh installs it)"
    else
        echo "HAVE_$name := 0"
    fi
}

feature OPENMP "${OPENMP:-auto}" '#include <omp.h>
int main(void) { return omp_get_max_threads() < 1; }' -fopenmp
feature ONEDNN "${ONEDNN:-auto}" '#include <dnnl.h>
int main(void) { return dnnl_version()->major != 2; }' -ldnnl
feature JPEG "${JPEG:-auto}" '#include <stdio.h>
#include <jpeglib.h>
int main(void) { struct jpeg_error_mgr e; jpeg_std_error(&e); return 0; }' -ljpeg
feature PNG "${PNG:-auto}" '#include <png.h>
int main(void) { return png_access_version_number() == 0; }' -lpng
compiles '#include <check.h>
int main(void) { return srunner_ntests_failed(0); }' $(pkg-config --libs check 2>/dev/null || echo -lcheck) &&
    echo "HAVE_CHECK := 1"
echo "CHECK_LIBS := $(pkg-config --libs check 2>/dev/null || echo -lcheck)"
echo "FEATURE_DEFS := $defs"
echo "FEATURE_CFLAGS := $cflags"
echo "FEATURE_LIBS := $libs -lyaml"
