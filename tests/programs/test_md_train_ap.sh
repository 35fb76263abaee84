#!/bin/sh
# test_md_train_ap.sh - average precision while training: the files' numbers are md-eval's of the same weights.
. tests/support/cases.sh
case ${MODE:-release} in
    release) bin=$PWD/build/bin ;;
    *) bin=$PWD/build/$MODE/bin ;;
esac
top=$(mktemp -d) || exit 1
trap 'rm -rf "$top" "$case_log"' EXIT
run=$top/run

# Long enough that the tiny network finds something.
train() {
    "$bin/md-train" --quiet --threads 1 --train toy:20:1 --val toy:10:2 --output "$run" --config tiny \
        SOLVER.MAX_ITER 60 SOLVER.STEPS "()" TEST.EVAL_PERIOD 30 SEED 1 "$@"
}
expect_exit "md-train: a metric that there is not" 2 "bbox/APm, bbox/APl, bbox/AP-CLASS" train MDET.BEST.METRIC AP50
expect_exit "md-train: a class that there is not" 2 "this run measures val_loss, bbox/AP," \
    train MDET.BEST.METRIC bbox/AP-zebra
expect_output "md-train: the best by average precision" "best bbox/AP50" \
    "$bin/md-train" --threads 1 --train toy:20:1 --val toy:10:2 --output "$run" --config tiny \
    SOLVER.MAX_ITER 60 SOLVER.STEPS "()" TEST.EVAL_PERIOD 30 SEED 1 MDET.BEST.METRIC bbox/AP50

"$bin/md-eval" --quiet --threads 1 --weights "$run/checkpoints/final.safetensors" --data toy:10:2 > "$top/eval" 2>&1
summary() { sed -n 's/^[^|]*\(| *[0-9][0-9.]* | *[0-9][0-9.]* .*|\)$/\1/p' "$1" | tail -n 1; }
sed -n '/Evaluation results/,/Per-category/p' "$top/eval" > "$top/table"
same_row() {
    row=$(summary "$top/table")
    echo "md-eval has $row"
    [ -n "$row" ] && [ "$(sed -n '/Evaluation results/,/Per-category/p' "$run/log.txt" > "$top/logged"
        summary "$top/logged")" = "$row" ]
}
expect_ok "md-train: its table ends as md-eval's" same_row
something_found() { ! summary "$top/table" | grep -q '^| *0\.000 '; }
expect_ok "md-train: and is not empty" something_found

# Of the last line of metrics.json, as the table has it.
logged() { sed -n "s|.*\"bbox/$1\": \([-+0-9.e]*\),.*|\1|p" "$run/metrics.json" | tail -n 1; }
same_numbers() {
    table=$(summary "$top/table")
    column=2
    for name in AP AP50 AP75 APs APm; do
        wanted=$(echo "$table" | cut -d '|' -f $column | tr -d ' ')
        value=$(logged $name)
        echo "$name: $value in metrics.json, $wanted by md-eval"
        [ "$(echo "$value" | LC_ALL=C awk '{printf "%.3f", $1}')" = "$wanted" ] || return 1
        column=$((column + 1))
    done
}
expect_ok "md-train: metrics.json has md-eval's numbers" same_numbers
expect_ok "md-train: one for each class" grep -q '"bbox/AP-without_mask": ' "$run/metrics.json"
expect_ok "md-train: null where there is no object of a size" grep -q '"bbox/APl": null' "$run/metrics.json"
expect_output "md-train: columns for people" "bbox/AP50" head -n 1 "$run/my_log.txt"
finish
