#!/bin/sh
# test_md_eval_compare.sh - md-eval's intervals, and two files of results compared.
. tests/support/cases.sh
case ${MODE:-release} in
    release) bin=$PWD/build/bin ;;
    *) bin=$PWD/build/$MODE/bin ;;
esac
top=$(mktemp -d) || exit 1
trap 'rm -rf "$top" "$case_log"' EXIT

# 40 images with two objects each, one of each class.
truth() {
    awk 'BEGIN {
        printf "{\"categories\": [{\"id\": 1, \"name\": \"with\"}, {\"id\": 2, \"name\": \"without\"}],\n\"images\": ["
        for (i = 1; i <= 40; i++)
            printf "%s{\"id\": %d, \"file_name\": \"%d.png\", \"width\": 200, \"height\": 200}", (i > 1 ? "," : ""), i, i
        printf "],\n\"annotations\": ["
        for (i = 1; i <= 40; i++)
            for (k = 1; k <= 2; k++)
                printf "%s{\"id\": %d, \"image_id\": %d, \"category_id\": %d, \"bbox\": [%d, %d, 40, 50], \"area\": 2000, \"iscrowd\": 0}",
                    (i + k > 2 ? "," : ""), 2 * i + k, i, k, 5 + i, 100 * (k - 1) + i % 7
        printf "]}\n"
    }'
}
# Every N-th of the second class is far off, and all boxes are OFF pixels beside the truth.
results() { # N OFF
    awk -v each="$1" -v off="$2" 'BEGIN {
        printf "["
        for (i = 1; i <= 40; i++)
            for (k = 1; k <= 2; k++)
                printf "%s{\"image_id\": %d, \"category_id\": %d, \"bbox\": [%d, %d, 40, 50], \"score\": %.2f}",
                    (i + k > 2 ? "," : ""), i, k, 5 + i + off + (k == 2 && i % each == 0 ? 100 : 0),
                    100 * (k - 1) + i % 7, 0.2 + (i * 37 % 40 + k) / 60
        printf "]\n"
    }'
}
truth > "$top/truth.json"
results 10 4 > "$top/a.json"
results 3 4 > "$top/b.json"
results 10 6 > "$top/c.json"
echo '[]' > "$top/none.json"
data=coco:$top/truth.json

evaluate() { "$bin/md-eval" --quiet --data "$data" "$@"; }
compare() { evaluate --compare "$@"; }

# ---- one report ---------------------------------------------------------------------------------

expect_output "an interval" "AP50: 95 % interval" evaluate --predictions "$top/a.json" --json "$top/one.json"
expect_output "resamples as many as asked for" "(50 resamples of the images)" \
    evaluate --predictions "$top/a.json" --bootstrap 50
expect_ok "an interval in JSON" grep -q '"AP50_interval": \[0\.[0-9]*, [01]\.*[0-9]*\],$' "$top/one.json"
without() { ! evaluate --predictions "$top/a.json" --bootstrap 0 --json "$top/less.json" | grep interval &&
    ! grep interval "$top/less.json"; }
expect_ok "no intervals" without
report() { # results resamples
    evaluate --predictions "$1" --bootstrap "$2" --output "$top/report" --errors 0 > /dev/null &&
        cat "$top/report/metrics.json"
}
expect_output "the report's intervals" '"resamples": 30' report "$top/a.json" 30
expect_output "no interval of no figure" '"intervals": {"bbox/AP": null' report "$top/none.json" 30
expect_output "a report without intervals" '"intervals": {"bbox/AP": null' report "$top/a.json" 0

# ---- two files ----------------------------------------------------------------------------------

expect_output "A is better" "A is better" compare "$top/a.json" "$top/b.json" --json "$top/two.json"
expect_output "B is better" "B is better" compare "$top/b.json" "$top/a.json"
expect_output "by class" "AP of without" compare "$top/a.json" "$top/b.json"
# The first class is the same in both.
expect_output "no difference" "| +0.000 (+0.000 to +0.000)" compare "$top/a.json" "$top/b.json"
expect_output "nothing is told of equals" "do not tell which is better" compare "$top/a.json" "$top/a.json"
expect_output "AP of boxes less exact" "A is better" compare "$top/a.json" "$top/c.json"
expect_ok "JSON of a comparison" sh -c "tr -d '\n' < '$top/two.json' | grep -q '^{  \"A\": .*\"AP50\": {\"A\": {\"value\": 0.*\"difference\": {\"value\": 0.*, \"interval\": \[.*\], \"A_better\": [01].*\"classes\": \[ *{\"name\": \"with\", .*\]}\$'"
expect_output "nothing found is no failure" "A is better" compare "$top/a.json" "$top/none.json"
same_again() {
    compare "$top/a.json" "$top/b.json" --threads 1 > "$top/1"
    compare "$top/a.json" "$top/b.json" --threads 3 | cmp - "$top/1"
}
expect_ok "the number of threads changes nothing" same_again

expect_exit "a second file is needed" 2 "second file" compare "$top/a.json"
expect_exit "too many files" 2 "no argument is wanted" compare "$top/a.json" "$top/b.json" "$top/c.json"
expect_exit "no resamples" 2 "resamples" compare "$top/a.json" "$top/b.json" --bootstrap 0
expect_exit "nowhere to draw" 2 "no --output" compare "$top/a.json" "$top/b.json" --output "$top/out"
expect_exit "one way at a time" 2 "exclude each other" \
    compare "$top/a.json" "$top/b.json" --predictions "$top/a.json"
expect_exit "a file that is not there" 3 "d.json" compare "$top/a.json" "$top/d.json"
expect_exit "JSON that cannot be written" 1 "/nowhere" \
    compare "$top/a.json" "$top/b.json" --json /nowhere/two.json
finish
