#!/bin/sh
# coverage.sh - share of the lines that a command runs: `coverage.sh BUILD FILE... -- COMMAND...`.
#
# The objects below BUILD are of MODE=cov: they count the lines they run. FILE is a source of lib/.
set -u
build=$1
shift
files=""
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    files="$files $1"
    shift
done
[ $# -gt 1 ] || { echo "usage: coverage.sh BUILD FILE... -- COMMAND..." >&2; exit 2; }
shift
find "$build" -name '*.gcda' -delete
log=$(mktemp) || exit 1
"$@" > "$log" 2>&1
code=$?
[ $code -eq 0 ] || { tail -20 "$log" >&2; echo "coverage: '$*' failed; the figures are of what it ran" >&2; }
rm -f "$log"
for file in $files; do
    # "File 'lib/x.c'" is followed by "Lines executed:93.10% of 58"; headers come with it.
    gcov -n -o "$build/${file%.c}.o" "$file" 2> /dev/null | awk -v file="$file" '
        /^File / { own = $0 == "File '\''" file "'\''" }
        own && /^Lines executed:/ {
            sub(/^Lines executed:/, ""); sub(/% of /, " ")
            printf "%-40s %6.1f %% of %4d lines\n", file, $1, $2
            done = 1; own = 0
        }
        END { if (!done) printf "%-40s    0.0 %%\n", file }'
done | awk '{ print; share = $2 / 100; lines += $5; run += share * $5 }
            END { if (lines) printf "%-40s %6.1f %% of %4d lines\n", "all", 100 * run / lines, lines }'
exit $code
