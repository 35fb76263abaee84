# cases.sh - for test scripts: counts cases and prints the total as Check does.
#
#   . tests/support/cases.sh
#   expect_ok "headers compile" command arguments
#   expect_failure "planted malloc" "malloc" command arguments   (output must hold the text)
#   expect_exit "no such file" 3 "none.csv" command arguments    (status and one line on standard error)
#   finish
cases=0 failures=0
case_log=$(mktemp) || exit 1
trap 'rm -f "$case_log"' EXIT

failed_case() { # title why
    failures=$((failures + 1))
    echo "FAILED $1: $2"
    tail -n 15 "$case_log"
}

expect_ok() { # title command...
    cases=$((cases + 1)) title=$1
    shift
    "$@" > "$case_log" 2>&1 < /dev/null || failed_case "$title" "exit status $? of: $*"
}

expect_failure() { # title text command...
    cases=$((cases + 1)) title=$1 text=$2
    shift 2
    if "$@" > "$case_log" 2>&1 < /dev/null; then
        failed_case "$title" "succeeded: $*"
    elif ! grep -q -F -e "$text" "$case_log"; then
        failed_case "$title" "does not say '$text'"
    fi
}

expect_output() { # title text command...
    cases=$((cases + 1)) title=$1 text=$2
    shift 2
    if ! "$@" > "$case_log" 2>&1 < /dev/null; then
        failed_case "$title" "failed: $*"
    elif ! grep -q -F -e "$text" "$case_log"; then
        failed_case "$title" "does not say '$text'"
    fi
}

# Exit status and, for a failure, exactly one line on standard error that holds the text.
expect_exit() { # title status text command...
    cases=$((cases + 1)) title=$1 wanted=$2 text=$3
    shift 3
    "$@" > /dev/null 2> "$case_log" < /dev/null
    got=$?
    lines=$(grep -c -v 'warning:' "$case_log")
    if [ "$got" -ne "$wanted" ]; then
        failed_case "$title" "exit status $got, not $wanted"
    elif ! grep -q -F -e "$text" "$case_log"; then
        failed_case "$title" "does not say '$text'"
    elif [ "$lines" -ne 1 ]; then
        failed_case "$title" "$lines lines instead of one"
    fi
}

skip_case() { # why
    cases=$((cases + 1))
    echo "SKIP $1"
}

finish() {
    percent=100
    [ "$cases" -gt 0 ] && percent=$(((cases - failures) * 100 / cases))
    echo "$percent%: Checks: $cases, Failures: $failures, Errors: 0"
    [ "$failures" -eq 0 ]
}
