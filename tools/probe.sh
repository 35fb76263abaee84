#!/bin/sh
# probe.sh - which optional libraries this compiler finds, as make variables on standard output.
#
# The first line, "# found: ...", is for the reader; the Makefile shows it when it changed.
# Each of ONEDNN OPENMP JPEG PNG EXPAT is auto (use it when found), 0 (do not) or 1 (fail without it).
set -u
CC=${CC:-cc}
found="" defs="" libs="" cflags="" variables=""
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

compiles() { # program text, then flags
    printf '%s\n' "$1" > "$work/probe.c"
    shift
    $CC "$work/probe.c" -o "$work/probe" "$@" > "$work/log" 2>&1
}

set_variable() { # name value
    variables="$variables$1 := $2
"
}

feature() { # NAME wanted title text flags...
    name=$1 wanted=$2 title=$3 text=$4
    shift 4
    case $wanted in
        auto | 0 | 1) ;;
        *) variables="$variables\$(error $name is auto, 0 or 1, not '$wanted')
" ;;
    esac
    if [ "$wanted" = 0 ]; then
        set_variable "HAVE_$name" 0
    elif compiles "$text" "$@"; then
        set_variable "HAVE_$name" 1
        found="$found $title"
        defs="$defs -DMD_WITH_$name=1"
        for flag in "$@"; do
            case $flag in
                -l*) libs="$libs $flag" ;;
                -f*) cflags="$cflags $flag" libs="$libs $flag" ;;
            esac
        done
    elif [ "$wanted" = 1 ]; then
        variables="$variables\$(error $name=1 was asked for, but $CC cannot build with it here; \
\`make setup\` installs what is missing)
"
    else
        set_variable "HAVE_$name" 0
    fi
}

onednn_version() {
    printf '#include <dnnl_version.h>\nV DNNL_VERSION_MAJOR.DNNL_VERSION_MINOR.DNNL_VERSION_PATCH\n' |
        $CC -E -P -x c - 2> /dev/null | sed -n 's/^V //p' | tr -d ' '
}

feature OPENMP "${OPENMP:-auto}" OpenMP '#include <omp.h>
int main(void) { return omp_get_max_threads() < 1; }' -fopenmp
feature ONEDNN "${ONEDNN:-auto}" "oneDNN $(onednn_version)" '#include <dnnl.h>
#if DNNL_VERSION_MAJOR != 2
#error "oneDNN 2 is wanted"
#endif
int main(void) { return dnnl_version()->major != 2; }' -ldnnl
feature JPEG "${JPEG:-auto}" libjpeg '#include <stdio.h>
#include <jpeglib.h>
int main(void) { struct jpeg_error_mgr e; jpeg_std_error(&e); return 0; }' -ljpeg
feature PNG "${PNG:-auto}" libpng '#include <png.h>
int main(void) { return png_access_version_number() == 0; }' -lpng
feature EXPAT "${EXPAT:-auto}" expat '#include <expat.h>
int main(void) { return XML_ExpatVersion() == 0; }' -lexpat

if compiles '#include <yaml.h>
int main(void) { return yaml_get_version_string() == 0; }' -lyaml; then
    found="$found libyaml"
else
    variables="$variables\$(error libyaml is missing; \`make setup\` installs it)
"
fi

if compiles '#include <zlib.h>
int main(void) { return zlibVersion() == 0; }' -lz; then
    found="$found zlib"
else
    variables="$variables\$(error zlib is missing; \`make setup\` installs it)
"
fi

check_libs=$(pkg-config --libs check 2> /dev/null || echo -lcheck)
# shellcheck disable=SC2086 # words on purpose
compiles '#include <check.h>
int main(void) { srunner_free(srunner_create(0)); return 0; }' $check_libs &&
    set_variable HAVE_CHECK 1

echo "# found:$found"
echo "# compiler: $($CC --version 2> /dev/null | sed 1q)"
printf '%s' "$variables"
echo "CHECK_LIBS := $check_libs"
echo "FEATURE_DEFS := $defs"
echo "FEATURE_CFLAGS := $cflags"
echo "FEATURE_LIBS := $libs -lyaml -lz"
