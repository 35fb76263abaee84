#!/bin/sh
# probe.sh - which optional libraries this compiler finds, as make variables on standard output.
#
# The first line, "# found: ...", is for the reader; the Makefile shows it when it changed.
# Each of ONEDNN OPENMP JPEG PNG EXPAT CUDA CUEMU is auto (use it when found), 0 (do not) or 1 (fail without it).
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

# ---- CUDA: a toolkit to build with; a GPU is not needed ------------------------------------

cuda_home=${CUDA_HOME:-}
if [ -z "$cuda_home" ]; then
    nvcc=$(command -v nvcc 2> /dev/null) || nvcc=/usr/local/cuda/bin/nvcc
    cuda_home=$(dirname "$(dirname "$(readlink -f "$nvcc")")")
fi
cuda_cppflags="-isystem $cuda_home/include"
cuda_libs=""
for folder in "$cuda_home/lib64" "$cuda_home/targets/x86_64-linux/lib" "$cuda_home/targets/sbsa-linux/lib"; do
    [ -f "$folder/libcudart_static.a" ] && cuda_libs="-L$folder -lcudart_static -lrt -ldl" && break
done

has_cuda() {
    [ -x "$cuda_home/bin/nvcc" ] && [ -n "$cuda_libs" ] &&
        compiles '#include <cuda_runtime_api.h>
#include <cublasLt.h>
#include <cudnn.h>
#if CUDART_VERSION < 12000 || CUDNN_MAJOR < 9
#error "CUDA 12 and cuDNN 9 are wanted"
#endif
int main(void) { int n; return cudaGetDeviceCount(&n) < 0; }' $cuda_cppflags $cuda_libs -lpthread
}

# One architecture a line of `all`: real code for each, and PTX of the last for what comes after.
gencode_all="75 80 86 89 90 100 120"
gencode() { # capabilities, e.g. 80 90
    for capability in "$@"; do
        printf -- '-gencode=arch=compute_%s,code=sm_%s ' "$capability" "$capability"
        last=$capability
    done
    printf -- '-gencode=arch=compute_%s,code=compute_%s' "$last" "$last"
}

cuda_gencode() {
    case ${NVCC_GENCODE:-auto} in
        all)
            known=$("$cuda_home/bin/nvcc" --list-gpu-code 2> /dev/null)
            wanted=""
            for capability in $gencode_all; do
                case $known in *"sm_$capability"*) wanted="$wanted $capability" ;; esac
            done
            gencode $wanted ;;
        auto)
            present=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2> /dev/null |
                tr -d '. ' | sort -nu | tr '\n' ' ')
            case $present in *[!0-9\ ]* | '') present="80 90" ;; esac
            gencode $present ;;
        *) printf '%s' "$NVCC_GENCODE" ;;
    esac
}

case ${CUDA:-auto} in
    auto | 1)
        # shellcheck disable=SC2086 # words on purpose
        if has_cuda; then
            set_variable HAVE_CUDA 1
            found="$found CUDA $("$cuda_home/bin/nvcc" --version | sed -n 's/.*release \([0-9.]*\).*/\1/p')"
            libs="$libs $cuda_libs"
            set_variable NVCC "$cuda_home/bin/nvcc"
            set_variable CUDA_CPPFLAGS "$cuda_cppflags"
            set_variable GENCODE "$(cuda_gencode)"
        elif [ "${CUDA:-auto}" = 1 ]; then
            variables="$variables\$(error CUDA=1 was asked for, but there is no CUDA toolkit 12 or later with \
cuBLASLt and cuDNN 9; CUDA_HOME=/path tells where it is)
"
        else
            set_variable HAVE_CUDA 0
        fi ;;
    0) set_variable HAVE_CUDA 0 ;;
    *) variables="$variables\$(error CUDA is auto, 0 or 1, not '$CUDA')
" ;;
esac

# The sanitizers of both compilers must be the same ones.
case $CC in *clang*) cxx=${CXX:-clang++} ;; *) cxx=${CXX:-g++} ;; esac

has_gxx() {
    printf 'int main() { auto f = []() { return 0; }; return f(); }\n' > "$work/probe.cc"
    $cxx -std=c++17 "$work/probe.cc" -o "$work/probe" > "$work/log" 2>&1
}

case ${CUEMU:-auto} in
    auto | 1)
        if has_gxx; then
            set_variable HAVE_CUEMU 1
            set_variable CXX "$cxx"
        elif [ "${CUEMU:-auto}" = 1 ]; then
            variables="$variables\$(error CUEMU=1 was asked for, but $cxx cannot compile C++17; \`make setup\` installs it)
"
        else
            set_variable HAVE_CUEMU 0
        fi ;;
    0) set_variable HAVE_CUEMU 0 ;;
    *) variables="$variables\$(error CUEMU is auto, 0 or 1, not '$CUEMU')
" ;;
esac

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
