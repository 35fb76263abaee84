#!/bin/sh
# compare_cpu.sh - md-fps and torchvision alternately on the same weights; ratios of time.
#
#   sh bench/compare_cpu.sh NAME [CONFIG [HxW [ROUNDS [THREADS]]]]
#
# Writes bench/results/cpu-NAME.json. Run it on a machine that does nothing else. NAME says which machine.
# ITERS, TRAIN_ITERS and MODES (default, tuned or both: the peer's allocator) come from the environment.
set -eu
name=${1:?a name for the result, such as epyc-2core}
config=${2:-faster_rcnn_R_50_FPN_3x} size=${3:-800x1333} rounds=${4:-3} threads=${5:-$(nproc)}
iters=${ITERS:-5} train_iters=${TRAIN_ITERS:-3} modes=${MODES:-both}
fps=${FPS:-build/bin/md-fps} python=${PYTHON:-/usr/bin/python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

[ -x "$fps" ] || { echo "compare_cpu.sh: no $fps: make" >&2; exit 1; }
"$fps" --quiet --config "$config" --size "$size" --threads "$threads" --warmup 0 --iters 1 \
    --save-weights "$work/model.safetensors" > /dev/null
set -- --quiet --weights "$work/model.safetensors" --size "$size" --threads "$threads" --warmup 2
round=1
while [ "$round" -le "$rounds" ]; do
    echo "round $round of $rounds" >&2
    "$fps" "$@" --iters "$iters" --json "$work/infer-$round.json" > /dev/null
    "$fps" "$@" --iters "$train_iters" --train --json "$work/train-$round.json" > /dev/null
    "$python" bench/peers/torchvision_cpu.py --weights "$work/model.safetensors" \
        --json "$work/infer-$round.json" --threads "$threads" --iters "$iters" --mode "$modes" \
        --train-iters "$train_iters" > "$work/peer-$round.json"
    round=$((round + 1))
done

mkdir -p bench/results
"$python" - "$work" "$rounds" "$config" "$size" "$threads" > "$work/result.json" << 'END'
import json, platform, statistics, sys
work, rounds, config, size, threads = sys.argv[1:]
load = lambda kind, i: json.load(open(f"{work}/{kind}-{i}.json"))
result = {"config": config, "size": size, "threads": int(threads), "machine": platform.processor() or
          platform.machine(), "rounds": []}
for i in range(1, int(rounds) + 1):
    peer = load("peer", i)
    row = {"peer": peer}
    for what in ("infer", "train"):
        ours = load(what, i)
        row[what] = {"mdet": ours["seconds"]["p50"], "peer": peer[what]["p50"],
                     "ratio": peer[what]["p50"] / ours["seconds"]["p50"]}
        result["build"] = ours["build"]
    result["rounds"].append(row)
for what in ("infer", "train"):
    result[what + "_ratio"] = statistics.median(r[what]["ratio"] for r in result["rounds"])
print(json.dumps(result, indent=2))
END
mv "$work/result.json" "bench/results/cpu-$name.json"
"$python" - "bench/results/cpu-$name.json" << 'END'
import json, sys
r = json.load(open(sys.argv[1]))
for i, row in enumerate(r["rounds"], 1):
    for what in ("infer", "train"):
        d = row[what]
        print(f"round {i} {what}: mdet {d['mdet']:.3f} s, torchvision {d['peer']:.3f} s, ratio {d['ratio']:.2f}")
print(f"median ratio: infer {r['infer_ratio']:.2f}, train {r['train_ratio']:.2f}")
END
