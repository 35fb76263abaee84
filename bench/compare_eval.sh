#!/bin/sh
# compare_eval.sh - average precision here and by pycocotools on the same files; ratio of processor time.
#
#   sh bench/compare_eval.sh NAME [IMAGES [THREADS]]
#
# Writes bench/results/eval-NAME.json; NAME says which machine. MDET_PYTHON is a Python that has
# pycocotools. Stops when a figure differs by more than 1e-12.
set -eu
name=${1:?a name for the result, such as epyc-2core}
images=${2:-5000} threads=${3:-$(nproc)}
python=${MDET_PYTHON:-python3} bench=${BENCH:-build/bin/bench-eval}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

[ -x "$bench" ] || { echo "compare_eval.sh: no $bench: make bench" >&2; exit 1; }
"$python" bench/peers/pycocotools_eval.py make "$work" "$images"
"$bench" "$work/truth.json" "$work/results.json" "$threads" > "$work/mdet.json"
"$python" bench/peers/pycocotools_eval.py measure "$work" > "$work/peer.json"
mkdir -p bench/results
"$python" - "$work" > "$work/result.json" << 'END'
import json, platform, sys
mdet, peer = (json.load(open(f"{sys.argv[1]}/{name}.json")) for name in ("mdet", "peer"))
worst = max(abs(a - b) for a, b in zip(mdet["stats"], peer["stats"]))
assert worst <= 1e-12, f"figures differ by {worst}"
print(json.dumps({"machine": platform.processor() or platform.machine(), "mdet": mdet, "pycocotools": peer,
                  "worst_difference": worst,
                  "ratio_cpu": peer["evaluate"]["cpu"] / mdet["evaluate"]["cpu"],
                  "ratio_wall": peer["evaluate"]["wall"] / mdet["evaluate"]["wall"],
                  "ratio_wall_threads": peer["evaluate"]["wall"] / mdet["evaluate_threads"]["wall"]}, indent=2))
END
mv "$work/result.json" "bench/results/eval-$name.json"
"$python" - "bench/results/eval-$name.json" << 'END'
import json, sys
r = json.load(open(sys.argv[1]))
ours, peer = r["mdet"], r["pycocotools"]
print(f"processor time: mdet {ours['evaluate']['cpu']:.3f} s, pycocotools {peer['evaluate']['cpu']:.1f} s, "
      f"ratio {r['ratio_cpu']:.0f}; figures within {r['worst_difference']:.1e}")
print(f"by the clock: ratio {r['ratio_wall']:.0f}, with {ours['threads']} threads {r['ratio_wall_threads']:.0f}; "
      f"peak memory {ours['peak_mib']:.0f} and {peer['peak_mib']:.0f} MiB")
END
