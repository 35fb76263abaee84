#!/bin/sh
# fuzz.sh - runs fuzz targets with libFuzzer, one after the other: `fuzz.sh [NAME...]`, none: all.
#
# tests/fuzz/fuzz_NAME.c is the target, tests/fuzz/corpus/NAME/ its seeds, tests/fuzz/NAME.dict its
# words. What grows stays in build/fuzz/corpus/NAME; what is found is kept in build/fuzz/found/.
# An input may take a minute by the clock: on a busy machine a fraction of a second can last so long.
# FUZZ_CC is a clang with libFuzzer, SECONDS_EACH the time for each target.
set -u
FUZZ_CC=${FUZZ_CC:-clang}
SECONDS_EACH=${SECONDS_EACH:-60}
MAKE=${MAKE:-make}
build=build/fuzz

works() {
    printf 'int LLVMFuzzerTestOneInput(const char *b, unsigned long s) { return !b && s; }\n' |
        $FUZZ_CC -x c - -fsanitize=fuzzer,address,undefined -o "$1" 2> /dev/null
}

probe=$(mktemp) || exit 1
works "$probe" || {
    sh tools/setup.sh fuzz
    works "$probe" || {
        echo "fuzz: '$FUZZ_CC' has no libFuzzer; on Debian: apt-get install clang libclang-rt-14-dev" >&2
        rm -f "$probe"
        exit 1
    }
}
rm -f "$probe"

[ $# -gt 0 ] || set -- $(ls tests/fuzz/fuzz_*.c | sed 's|.*/fuzz_\(.*\)\.c|\1|')
fuzzers=""
for name in "$@"; do
    [ -f "tests/fuzz/fuzz_$name.c" ] || { echo "fuzz: no tests/fuzz/fuzz_$name.c" >&2 && exit 1; }
    fuzzers="$fuzzers $build/fuzzers/fuzz_$name"
done
# shellcheck disable=SC2086 # words on purpose
$MAKE --no-print-directory CC="$FUZZ_CC" MODE=fuzz $fuzzers || exit 1

failed=""
for name in "$@"; do
    mkdir -p "$build/corpus/$name" "$build/found"
    words=""
    [ -f "tests/fuzz/$name.dict" ] && words="-dict=tests/fuzz/$name.dict"
    seeds=""
    [ -d "tests/fuzz/corpus/$name" ] && seeds="tests/fuzz/corpus/$name"
    echo "fuzz: $name, $SECONDS_EACH seconds"
    # shellcheck disable=SC2086 # words on purpose
    "$build/fuzzers/fuzz_$name" -max_total_time="$SECONDS_EACH" -timeout=60 -rss_limit_mb=1024 \
        -print_final_stats=1 -verbosity=0 -artifact_prefix="$build/found/$name-" $words \
        "$build/corpus/$name" $seeds > "$build/$name.log" 2>&1 || failed="$failed $name"
    grep -a -E '^stat::(number_of_executed_units|average_exec_per_sec|peak_rss_mb)|^(SUMMARY|Test unit)' \
        "$build/$name.log"
done
[ -z "$failed" ] || echo "fuzz: found something:$failed; the inputs are in $build/found, the logs beside it" >&2
[ -z "$failed" ]
