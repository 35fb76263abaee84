#!/bin/sh
# run_tests.sh - runs each test program, prints one line for each and one total at the end.
# A program prints Check's "N%: Checks: a, Failures: b, Errors: c" and exits non-zero on failure.
passed=0 failed=0 skipped=0 bad=""
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
for program in "$@"; do
    start=$(date +%s)
    "$program" > "$log" 2>&1
    code=$?
    line=$(grep -E '^[0-9]+%: Checks: ' "$log" | tail -n 1)
    checks=$(printf '%s' "$line" | sed -n 's/.*Checks: \([0-9]*\),.*/\1/p')
    lost=$(printf '%s' "$line" | sed -n 's/.*Failures: \([0-9]*\), Errors: \([0-9]*\).*/\1 + \2/p')
    [ -n "$lost" ] && lost=$(($lost)) || lost=0
    skips=$(grep -c '^SKIP ' "$log")
    if [ -z "$checks" ] || { [ $code -ne 0 ] && [ "$lost" -eq 0 ]; }; then
        lost=$((lost + 1))
        checks=$((${checks:-0} + 1))
    fi
    passed=$((passed + checks - lost)) failed=$((failed + lost)) skipped=$((skipped + skips))
    name=${program#build/*/tests/}
    printf '%-44s %4d passed, %d failed  %3ds\n' "$name" $((checks - lost)) "$lost" $(($(date +%s) - start))
    grep '^SKIP ' "$log"
    if [ "$lost" -gt 0 ]; then
        bad="$bad $name"
        tail -n 40 "$log"
    fi
done
[ -n "$bad" ] && echo "failed:$bad"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
