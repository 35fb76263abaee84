#!/bin/sh
# test_bench_ops.sh - bench-ops runs each kind of operation at a small size and writes its figures.
. tests/support/cases.sh
out=$(mktemp -d) || exit 1
trap 'rm -rf "$out" "$case_log"' EXIT
case ${MODE:-release} in release) bin=build/bin ;; *) bin=build/$MODE/bin ;; esac

expect_ok "it is built" make -s "$bin/bench-ops" MODE="${MODE:-release}"
small() { # arguments
    "$bin/bench-ops" --device ref --threads 1 --divide 12 --bandwidth 10 --peak 0.01 --json "$out/x.json" "$@"
}
figure() { # pattern of a line in the file
    grep -q "$1" "$out/x.json"
}
expect_output "a convolution, with its share" "%" small --only "p6"
expect_ok "its figures" figure '"name": "rpn 3x3 256 p6", "pass": "fwd", "count": 1, "us_p50": [0-9.]*, .*"groups": 1'
expect_ok "its backward passes" figure '"pass": "bwd-w"'
expect_ok "the end of the file" figure '"failed": 0}'
expect_output "no backward passes" "fpn lateral5" small --only "lateral5" --forward --batch 2
expect_failure "which are not there" "0" grep -c bwd "$out/x.json"
expect_output "images" "images 480x640" small --only images
expect_output "pooling" "pool 3x3/2" small --only pool
expect_output "proposals" "merge 5 levels" small --only "levels"
expect_output "suppression" "nms 1 x 10000" small --only "nms 1 x"
expect_failure "an unknown device" 'no device "gpu"' "$bin/bench-ops" --device gpu
expect_failure "an unknown precision" "Usage" "$bin/bench-ops" --precision fp8
expect_failure "no number" "Usage" "$bin/bench-ops" --batch x
expect_failure "a file that cannot be written" "cannot be written" "$bin/bench-ops" --device ref --only none --json /nowhere/x
finish
