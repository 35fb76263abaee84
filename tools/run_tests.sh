#!/bin/sh
# run_tests.sh - runs test programs and scripts, one line for each as it ends and one total.
#
# A program prints Check's "N%: Checks: a, Failures: b, Errors: c", "SKIP why" for each case left
# out, and exits non-zero on failure. JOBS run at a time, those that took longest last time first.
# RUNNER is put in front of each (valgrind); BUILD is where the times are kept.
JOBS=${JOBS:-2}
BUILD=${BUILD:-build/release}

one() { # folder of logs, test
    name=${2#build/*/tests/} name=${name#tests/}
    log=$1/$(printf '%s' "$name" | tr / +)
    start=$(date +%s)
    case $2 in
        *.sh) sh "$2" > "$log.log" 2>&1 < /dev/null ;;
        *) $RUNNER "$2" > "$log.log" 2>&1 < /dev/null ;;
    esac
    code=$?
    seconds=$(($(date +%s) - start))
    line=$(grep -a -E '^[0-9]+%: Checks: ' "$log.log" | tail -n 1)
    checks=$(printf '%s' "$line" | sed -n 's/.*Checks: \([0-9]*\),.*/\1/p')
    lost=$(printf '%s' "$line" | sed -n 's/.*Failures: \([0-9]*\), Errors: \([0-9]*\).*/\1 + \2/p')
    lost=$((${lost:-0}))
    # A program that dies without a count, or fails for a reason it did not count, is one failure.
    if [ -z "$checks" ] || { [ $code -ne 0 ] && [ $lost -eq 0 ]; }; then
        lost=$((lost + 1)) checks=$((${checks:-0} + 1))
    fi
    skips=$(grep -a -c '^SKIP ' "$log.log")
    passed=$((checks - lost - skips))
    [ $passed -ge 0 ] || passed=0
    printf '%s %s %s %s %s\n' "$2" $passed $lost "$skips" $seconds > "$log.result"
    printf '%-44s %4d passed, %d failed, %d skipped  %3ds\n' "$name" $passed $lost "$skips" $seconds
}

if [ "$1" = --one ]; then
    one "$2" "$3"
    exit 0
fi

# A script may run make of its own.
unset MAKEFLAGS MAKELEVEL MFLAGS MAKEOVERRIDES
[ $# -gt 0 ] || { echo "no such test" >&2 && exit 1; }
# Threads that wait must not burn the core that another test needs.
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}"
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=1}"
logs=$(mktemp -d) || exit 1
trap 'rm -rf "$logs"' EXIT
times=$BUILD/times.txt
[ -f "$times" ] || : > "$times"

# Unknown ones count as long.
for test in "$@"; do echo "$test"; done |
    awk -v times="$times" 'BEGIN { while ((getline line < times) > 0) { split(line, f, " "); t[f[1]] = f[2] } }
        { print ($1 in t ? t[$1] : 9999), NR, $1 }' |
    sort -k1,1nr -k2,2n | cut -d' ' -f3 | xargs -r -n 1 -P "$JOBS" sh "$0" --one "$logs"

passed=0 failed=0 skipped=0 bad=""
for result in "$logs"/*.result; do
    [ -f "$result" ] || continue
    read -r test a b c seconds < "$result"
    passed=$((passed + a)) failed=$((failed + b)) skipped=$((skipped + c))
    sed -i "\|^$test |d" "$times" && echo "$test $seconds" >> "$times"
    grep -a '^SKIP ' "${result%.result}.log"
    [ "$b" -eq 0 ] && continue
    bad="$bad $test"
    echo "---- $test"
    tail -n 40 "${result%.result}.log"
done
[ -n "$bad" ] && echo "failed:$bad"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
