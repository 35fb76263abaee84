#!/bin/sh
# test_md_train_group.sh - md-train as several processes: the numbers of one, one folder, one that dies.
. tests/support/cases.sh
case ${MODE:-release} in
    release) bin=$PWD/build/bin ;;
    *) bin=$PWD/build/$MODE/bin ;;
esac
top=$(mktemp -d) || exit 1
trap 'rm -rf "$top" "$case_log"' EXIT
settings='SOLVER.IMS_PER_BATCH 4 SOLVER.MAX_ITER 8 SOLVER.STEPS () TEST.EVAL_PERIOD 8 SEED 1
    MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE 4 MODEL.ROI_HEADS.POSITIVE_FRACTION 0.5 DATALOADER.NUM_WORKERS 1
    INPUT.CROP.ENABLED True INPUT.CROP.TYPE absolute INPUT.CROP.SIZE [48,48] INPUT.MIN_SIZE_TRAIN [48]'

train() { # folder, further arguments
    folder=$1
    shift
    "$bin/md-train" --quiet --threads 1 --train toy:12:1 --val toy:4:2 --output "$folder" --config tiny \
        --device cpu $settings "$@"
}
port=$((20000 + $$ % 12000))
two() { # folder, further arguments: both processes must end well
    MDET_WORLD_SIZE=2 MDET_RANK=1 MDET_MASTER=127.0.0.1:$port train "$@" > "$top/second" 2>&1 &
    other=$!
    MDET_WORLD_SIZE=2 MDET_RANK=0 MDET_MASTER=127.0.0.1:$port train "$@"
    first=$?
    wait "$other"
    second=$?
    cat "$top/second"
    [ "$first" = 0 ] && [ "$second" = 0 ]
}
last_loss() { sed -n 's/.*"val_loss": \([-+0-9.e]*\).*/\1/p' "$1/metrics.json" | tail -n 1; }

expect_ok "md-train: one process" train "$top/one"
expect_ok "md-train: two processes" two "$top/two"
# Sums in another order: roundings, after eight steps.
near() {
    echo "$1 and $2"
    [ -n "$1" ] && [ -n "$2" ] && awk "BEGIN { d = $1 - $2; exit !(d < 1e-4 && d > -1e-4) }"
}
expect_ok "md-train: two have the loss of one" near "$(last_loss "$top/one")" "$(last_loss "$top/two")"
expect_ok "md-train: the second one says nothing" test ! -s "$top/second"
expect_output "md-train: the log counts them" "2 processes share each batch" cat "$top/two/log.txt"

if command -v mpirun > /dev/null 2>&1; then
    by_mpirun() {
        OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 mpirun --oversubscribe -n 2 \
            "$bin/md-train" --quiet --threads 1 --train toy:12:1 --val toy:4:2 --output "$top/mpi" \
            --config tiny --device cpu $settings
    }
    expect_ok "md-train: mpirun -n 2" by_mpirun
    expect_ok "md-train: and the same numbers" test "$(last_loss "$top/two")" = "$(last_loss "$top/mpi")"
else
    echo "SKIP mpirun -n 2: there is no mpirun (Debian: openmpi-bin)"
fi

expect_exit "md-train: half a group" 2 "MDET_WORLD_SIZE is set, MDET_RANK is not" \
    env MDET_WORLD_SIZE=2 "$bin/md-train" --train toy:2:1 --output "$top/half" --config tiny
expect_exit "md-train: nobody comes" 1 "1 of 2 processes came" \
    env MDET_WORLD_SIZE=2 MDET_RANK=0 MDET_MASTER=127.0.0.1:$port MDET_GROUP_TIMEOUT=1 \
    "$bin/md-train" --train toy:2:1 --output "$top/nobody" --config tiny

# Killed in the midst of it: the first one says so, saves, and the run goes on from there.
death() {
    set -- --quiet --threads 1 --train toy:12:1 --val toy:4:2 --output "$top/dead" --config tiny \
        --device cpu $settings SOLVER.MAX_ITER 100000
    MDET_WORLD_SIZE=2 MDET_RANK=1 MDET_MASTER=127.0.0.1:$port "$bin/md-train" "$@" > "$top/second" 2>&1 &
    other=$!
    (
        while [ ! -s "$top/dead/metrics.json" ]; do sleep 0.1; done
        kill -KILL "$other"
    ) &
    MDET_WORLD_SIZE=2 MDET_RANK=0 MDET_MASTER=127.0.0.1:$port timeout -s KILL 60 "$bin/md-train" "$@"
    code=$?
    wait
    return $code
}
expect_exit "md-train: one that dies is noticed" 1 "another process of the group has gone" death
expect_ok "md-train: and leaves a checkpoint" test -s "$top/dead/checkpoints/last.safetensors"
expect_ok "md-train: that can be gone on from" train "$top/dead" --resume SOLVER.MAX_ITER 1
finish
