#!/bin/sh
# demo.sh - trains a small model on drawn faces, with and without masks, and shows what it finds.
set -eu
bin=$1
run=runs/demo
start=$(date +%s)

echo "demo: a small network learns from 1000 drawn pictures; about a minute on two cores"
"$bin/md-train" --config tiny --train toy:1000:1 --val toy:60:2 --output "$run" --overwrite \
    SEED 1 SOLVER.MAX_ITER 3000 SOLVER.STEPS "(2500,)" TEST.EVAL_PERIOD 500
echo
echo "demo: what it makes of 60 pictures that it has never seen"
"$bin/md-eval" --weights "$run/checkpoints/final.safetensors" --data toy:60:3 --quiet \
    --output "$run/pictures"
echo
echo "demo: the model      $run/checkpoints/final.safetensors"
echo "demo: its history    $run/plots/loss.png, $run/my_log.txt"
echo "demo: drawn boxes    $run/pictures/"
echo "demo: $(($(date +%s) - start)) seconds in all"
