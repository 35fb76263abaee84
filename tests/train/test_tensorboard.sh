#!/bin/sh
# test_tensorboard.sh - TensorBoard reads the event files of a run that was killed and went on.
. tests/support/cases.sh
case ${MODE:-release} in
    release) bin=$PWD/build/bin ;;
    *) bin=$PWD/build/$MODE/bin ;;
esac

python=""
for candidate in "${MDET_PYTHON:-}" python3; do
    [ -n "$candidate" ] && "$candidate" -c 'import tensorboard' 2> /dev/null && python=$candidate && break
done
if [ -z "$python" ]; then
    skip_case "TensorBoard: neither \$MDET_PYTHON nor python3 has it (PyPI: tensorboard)"
    finish
    exit
fi

top=$(mktemp -d) || exit 1
trap 'rm -rf "$top" "$case_log"' EXIT
train() {
    "$bin/md-train" --quiet --threads 1 --train toy:6:1 --val toy:2:2 --output "$top/run" --config tiny \
        SOLVER.STEPS "()" SOLVER.CHECKPOINT_PERIOD 10 TEST.EVAL_PERIOD 3 SEED 1 "$@"
}
# The first run's events go beyond the checkpoint that the second goes on from.
expect_ok "a run" train SOLVER.MAX_ITER 14
expect_ok "its checkpoint of iteration 10" \
    mv "$top/run/checkpoints/last.1.safetensors" "$top/run/checkpoints/last.safetensors"
expect_ok "TensorBoard reads one file" "$python" tests/train/check_events.py "$top/run"
expect_ok "it goes on" train --resume SOLVER.MAX_ITER 24
expect_ok "TensorBoard reads two files as one run" "$python" tests/train/check_events.py "$top/run"
finish
