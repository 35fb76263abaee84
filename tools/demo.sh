#!/bin/sh
# demo.sh - trains a small model on drawn faces, with and without masks, and shows what it finds.
set -eu
bin=$1
run=runs/demo

for program in md-train md-infer; do
    [ -x "$bin/$program" ] || { echo "demo: $bin/$program is missing; make programs builds it" >&2 && exit 1; }
done
echo "demo: training on the CPU, under three minutes; Ctrl-C stops it and keeps the best model"
"$bin/md-train" --config tiny --train toy:200:1 --val toy:40:2 --output $run --overwrite
echo
"$bin/md-infer" --weights $run/checkpoints/best.safetensors --output $run/inference $run/samples
echo
echo "demo: the model      $run/checkpoints/best.safetensors"
echo "demo: its history    $run/my_log.txt, $run/metrics.json"
echo "demo: drawn boxes    $run/inference"
