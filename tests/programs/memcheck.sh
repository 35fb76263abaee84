#!/bin/sh
# memcheck.sh - three steps of training, validation, detection and evaluation under RUNNER: make test-valgrind.
. tests/support/cases.sh
case ${MODE:-release} in
    release) bin=$PWD/build/bin ;;
    *) bin=$PWD/build/$MODE/bin ;;
esac
top=$(mktemp -d) || exit 1
trap 'rm -rf "$top" "$case_log"' EXIT
small="INPUT.MIN_SIZE_TRAIN (64,) INPUT.MAX_SIZE_TRAIN 96 INPUT.MIN_SIZE_TEST 64 INPUT.MAX_SIZE_TEST 96"
train() { # more...
    # shellcheck disable=SC2086 # words on purpose
    $RUNNER "$bin/md-train" --quiet --threads 2 --config tiny --train toy:4:1 --val toy:2:2 \
        --output "$top/run" "$@" $small SEED 1 SOLVER.STEPS "()" TEST.EVAL_PERIOD 2 SOLVER.CHECKPOINT_PERIOD 2
}
detect() {
    $RUNNER "$bin/md-infer" --quiet --threads 2 --weights "$top/run/checkpoints/final.safetensors" \
        --output "$top/drawn" --json "$top/found.json" docs/images/demo.png
}
expect_ok "memcheck: training" train SOLVER.MAX_ITER 2 MDET.TEST.AP True
expect_ok "memcheck: going on with it" train --resume SOLVER.MAX_ITER 3
expect_ok "memcheck: detection" detect
evaluate() {
    $RUNNER "$bin/md-eval" --quiet --threads 2 --weights "$top/run/checkpoints/final.safetensors" \
        --data toy:2:2 --bootstrap 20 --voc --errors 4 --draw 2 --output "$top/report"
}
expect_ok "memcheck: evaluation" evaluate
expect_ok "its report" [ -s "$top/report/report.html" ]
finish
