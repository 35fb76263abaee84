#!/bin/sh
# lint.sh - the rules of the code that no compiler checks. `lint.sh RULE...`; none: all rules.
#
#   layers     an #include that lib/LAYERS does not allow
#   sizes      files, functions, parameters, nesting, line width, paths: tools/measure.c
#   symbols    exported names against tests/api/symbols.txt and the public headers
#   state      mutable objects of static duration in lib/
#   banned     functions that lib/ may not call
#   headers    each header compiles alone, public ones as C11 and as C++11
#   words      unfinished work, foreign names, non-ASCII, a file without its first line
#   layout     clang-format 14 on .c files; headers line up their columns by hand
#   compilers  gcc and clang without a warning
#
# `lint.sh sources` lists the files looked at, `lint.sh exported LIB.so` its names. Works in the
# present folder, which holds a tree like this one; needs BUILD (folder of objects) and SHARED.
CC=${CC:-cc}
BUILD=${BUILD:-build/release}
SHARED=${SHARED:-build/lib/libmdet.so.0.1.0}
here=$(dirname "$0")
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
LC_ALL=C
export LC_ALL

sources() {
    find lib include examples bench tests tools kernels -name '*.[ch]' 2> /dev/null | sort
}

# Kernels and the emulated device: C++, so some rules pass them by.
device_sources() {
    find kernels tests/cuemu bench \( -name '*.cu' -o -name '*.cuh' -o -name '*.cc' \) 2> /dev/null | sort
}

have() {
    command -v "$1" > /dev/null 2>&1
}

# A rule prints one line for each breach; what it prints is its verdict.

# ---- layers ------------------------------------------------------------------

layers() {
    find lib -name '*.[ch]' | sort | xargs grep -H -n '^[[:space:]]*#[[:space:]]*include' | awk -F: '
        function folder(path) { sub(/\/.*/, "", path); return path }
        BEGIN {
            while ((getline line < "lib/LAYERS") > 0)
                if (line !~ /^#/ && split(line, half, ":") == 2) {
                    known[half[1]] = 1
                    count = split(half[2], names, " ")
                    for (i = 1; i <= count; i++)
                        allowed[half[1] " " names[i]] = 1
                }
        }
        {
            from = folder(substr($1, 5))
            if (!(from in known)) { print $1 ": folder lib/" from " is not in lib/LAYERS"; next }
            if (match($0, /"[^"]*"/)) {
                name = substr($0, RSTART + 1, RLENGTH - 2)
                to = folder(name)
                if (name == to) print $1 ":" $2 ": \"" name "\" is not named from lib/"
                else if (to != from && to != "md" && !((from " " to) in allowed))
                    print $1 ":" $2 ": lib/" from " may not include \"" name "\""
            }
        }'
    grep -rl --include='*.[ch]' '"kernels/' lib | grep -v '^lib/backend/cuda/' |
        sed 's/$/: kernels are for lib\/backend\/cuda alone/'
    find examples bench -name '*.[ch]' 2> /dev/null | grep -E '^examples/|/md_[^/]*$' | sort |
        xargs -r grep -H -n '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' |
        grep -v -E '"(md\.h|md/[a-z_]+\.h|support/[a-z_]+\.h)"' |
        while IFS=: read -r file line text; do
            # What the programs share lies beside them.
            name=$(printf '%s' "$text" | sed 's/[^"]*"\([^"]*\)".*/\1/')
            case $file:$name in
                */support/*:*/*) ;;
                */support/*) [ -f "${file%/*}/$name" ] && continue ;;
            esac
            echo "$file:$line: \"$name\" - programs include the public headers only"
        done
}

# ---- sizes -------------------------------------------------------------------

sizes() {
    $CC -std=c11 -O1 -o "$work/measure" "$here/measure.c" || echo "tools/measure.c does not compile"
    { sources && device_sources; } | xargs "$work/measure" > "$work/sizes" 2>&1 || cat "$work/sizes"
}

# ---- what the objects say ------------------------------------------------------

exported() { # shared library
    nm -D --defined-only "$1" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort
}

declared() {
    cat include/md/*.h | grep '^MD_API' | sed -n 's/^[^(]*[ *]\(md_[a-z0-9_]*\)(.*/\1/p' | sort
}

symbols() {
    exported "$SHARED" > "$work/exported"
    declared > "$work/declared"
    diff tests/api/symbols.txt "$work/exported" > "$work/diff" ||
        sed -n -e 's/^< \(.*\)/tests\/api\/symbols.txt: \1 is not exported (make symbols)/p' \
            -e 's/^> \(.*\)/tests\/api\/symbols.txt: \1 is exported but not listed (make symbols)/p' "$work/diff"
    diff "$work/declared" "$work/exported" > "$work/diff" ||
        sed -n -e 's/^< \(.*\)/include\/md: \1 is declared but not exported/p' \
            -e 's/^> \(.*\)/include\/md: \1 is exported but not declared/p' "$work/diff"
}

# The objects of present sources: a removed file may have left its object behind.
objects() {
    find lib -name '*.c' | sort | sed "s|\(.*\)\.c|$BUILD/\1.o|" | while read -r object; do
        [ -f "$object" ] && echo "$object"
    done
}

# Constant tables of pointers are in .data.rel.ro, a "d" for nm too: the section decides.
state() {
    objects | while read -r object; do
        objdump -t "$object" | sed 's/ \.hidden / /' | awk -v object="$object" '
            NF >= 5 && $(NF - 2) ~ /^\.(data|bss|tbss|tdata)(\.|$)/ && $(NF - 2) !~ /^\.data\.rel\.ro/ && $(NF - 1) !~ /^0+$/ {
                print object ": " $NF " is a mutable object of static duration" }'
    done | grep -v 'lib/core/error\.o: last_error '
}

BANNED='malloc calloc realloc reallocarray free strdup strndup asprintf vasprintf posix_memalign aligned_alloc
printf vprintf puts putchar perror stdout stderr exit _exit abort strcpy strcat sprintf vsprintf gets rand srand
random srandom strtok setlocale'

# Who may: the allocator itself, and blocks that a foreign library or the system hands over.
ALLOWED='lib/core/memory.o posix_memalign free
lib/core/log.o stderr
lib/core/path.o free
lib/core/file.o free
lib/image/decode_stb.o malloc realloc free
lib/image/encode_jpeg.o free
lib/image/encode.o free'

banned() {
    objects | xargs nm -A -u 2> /dev/null | awk -v banned="$BANNED" -v allowed="$ALLOWED" -v build="$BUILD/" '
        BEGIN {
            count = split(banned, names, /[ \n]+/)
            for (i = 1; i <= count; i++) ban[names[i]] = 1
            count = split(allowed, lines, "\n")
            for (i = 1; i <= count; i++) {
                words = split(lines[i], word, " ")
                for (j = 2; j <= words; j++) may[word[1] " " word[j]] = 1
            }
        }
        {
            object = $1
            sub(/:.*/, "", object)
            sub(build, "", object)
            if ($NF in ban && !((object " " $NF) in may)) print object ": calls " $NF ", which lib/ may not"
        }'
}

# ---- headers -----------------------------------------------------------------

alone() { # header language compiler flags...
    header=$1 language=$2
    shift 2
    # Twice: the guard must hold.
    printf '#include "%s"\n#include "%s"\n' "$header" "$header" |
        "$@" -x "$language" -Iinclude -Wall -Wextra -Wpedantic -Werror -fsyntax-only - 2> "$work/alone" || {
        echo "$header does not compile alone as $language: $(grep -m 1 error "$work/alone")"
    }
}

headers() {
    cxx=""
    for candidate in g++ clang++; do
        have $candidate && cxx=$candidate && break
    done
    [ -n "$cxx" ] || echo "SKIP no C++ compiler: public headers as C++11" >&2
    for header in $(cd include && find . -name '*.h' | sed 's|^\./||' | sort); do
        alone "$header" c "$CC" -std=c11
        [ -z "$cxx" ] || alone "$header" c++ $cxx -std=c++11
    done
    for header in $(cd lib && find . -name '*.h' | sed 's|^\./||' | sort); do
        case $header in
            backend/cuda/vendor/*) ;; # the libraries' own headers may not be here
            backend/cuda/*) alone "$header" c "$CC" -std=c11 -Ilib -I. -Itests/cuemu/include -D_GNU_SOURCE ;;
            *) alone "$header" c "$CC" -std=c11 -Ilib -D_GNU_SOURCE ;;
        esac
    done
    for header in $(find kernels -name 'launch*.h' 2> /dev/null | sort); do
        alone "$header" c "$CC" -std=c11 -I.
    done
}

# ---- words -------------------------------------------------------------------

words() {
    # Brackets keep the patterns from finding themselves; GLOBAL.HAC[K] is a key of Detectron2.
    find lib include examples bench tests tools kernels docs .ci Makefile ./*.md mdet.pc.in -type f 2> /dev/null |
        sort > "$work/files"
    xargs grep -H -n -w -E 'TOD[O]|FIXM[E]|XX[X]|HAC[K]' < "$work/files" |
        grep -v -e 'https\{0,1\}://' -e 'GLOBAL\.HAC[K]' -e '/detectron2_dump\.yaml:'
    xargs grep -H -n -E '/wor[k]/|pypi\.or[g]|pythonhosted\.or[g]|npmjs\.or[g]|crates\.i[o]|proxy\.golan[g]' \
        < "$work/files"
    grep -E '\.([ch]|cu|cuh|cc|sh|in)$|Makefile$' "$work/files" | xargs grep -H -n "[^ -~	]" | sed 's/$/ - not ASCII/'
    { sources && device_sources; } | while read -r file; do
        case $file in
            include/*) name=${file#include/} ;;
            *) name=${file##*/} ;;
        esac
        head -n 1 "$file" | grep -q "^/\* $name - [^ ]" ||
            echo "$file:1: does not begin with /* $name - one sentence"
    done
}

# ---- layout and compilers ------------------------------------------------------

layout() {
    for tool in clang-format-14 clang-format; do
        $tool --version 2> /dev/null | grep -q 'version 14\.' && break
        tool=""
    done
    [ -n "$tool" ] || { echo "SKIP no clang-format 14: layout" >&2 && return; }
    sources | grep '\.c$' | while read -r file; do
        $tool --dry-run -Werror "$file" 2> "$work/layout" ||
            echo "$(grep -m 1 -o '^[^ ]*:[0-9]*:' "$work/layout") layout, make format" \
                "($(grep -c 'error:' "$work/layout") places)"
    done
}

# The cuda backend over the shim of its runtime, and what speaks to NVIDIA's libraries over theirs.
compile_cuda() { # compiler flags
    toolkit=$(sed -n 's/^CUDA_CPPFLAGS := //p' "$work/features")
    for part in shim vendor; do
        case $part in
            shim) find lib/backend/cuda -maxdepth 1 -name '*.c' > "$work/files" && include=-Itests/cuemu/include ;;
            vendor) find lib/backend/cuda/vendor -name '*.c' > "$work/files" && include=$toolkit ;;
        esac 2> /dev/null
        [ -s "$work/files" ] && [ -n "$include" ] || continue
        # shellcheck disable=SC2086 # words on purpose
        xargs -n 8 -P 2 "$1" -std=c11 -fsyntax-only -Iinclude -Ilib -I. $include -D_GNU_SOURCE -pthread $2 \
            ${WARNINGS:--Wall -Wextra -Werror} < "$work/files" > "$work/log" 2>&1 ||
            grep -E 'error|warning' "$work/log" | sed "s/\$/ [$1]/"
    done
}

compilers() {
    for compiler in gcc clang; do
        have $compiler || { echo "SKIP no $compiler: its warnings" >&2 && continue; }
        CC=$compiler sh "$here/probe.sh" > "$work/features"
        flags=$(sed -n -e 's/^FEATURE_DEFS := //p' -e 's/^FEATURE_CFLAGS := //p' "$work/features" | tr '\n' ' ')
        find lib -name '*.c' | grep -v '^lib/backend/cuda/' | sort > "$work/files"
        grep -q 'HAVE_ONEDNN := 1' "$work/features" || sed -i '/onednn/d' "$work/files"
        # shellcheck disable=SC2086 # words on purpose
        xargs -n 8 -P 2 $compiler -std=c11 -fsyntax-only -Iinclude -Ilib -D_GNU_SOURCE -pthread $flags \
            ${WARNINGS:--Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror} \
            < "$work/files" > "$work/log" 2>&1 ||
            grep -E 'error|warning' "$work/log" | sed "s/\$/ [$compiler]/"
        compile_cuda "$compiler" "$flags"
    done
}

# ---- all ---------------------------------------------------------------------

case ${1:-} in
    sources) sources && exit 0 ;;
    exported) exported "$2" && exit 0 ;;
esac
[ $# -gt 0 ] || set -- layers sizes symbols state banned headers words layout compilers
breaches=0
for rule in "$@"; do
    start=$(date +%s)
    $rule > "$work/verdict"
    count=$(grep -c . "$work/verdict")
    printf '%-10s %3d  %2ds\n' "$rule" "$count" $(($(date +%s) - start))
    sed 's/^/    /' "$work/verdict"
    breaches=$((breaches + count))
done
[ "$breaches" -eq 0 ] || echo "lint: $breaches lines of breaches"
[ "$breaches" -eq 0 ]
