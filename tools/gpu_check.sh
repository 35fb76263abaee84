#!/bin/sh
# gpu_check.sh - everything that needs a GPU, in one run of under ten minutes, into one JSON file.
#
#   sh tools/gpu_check.sh [NAME]              all sections; NAME says which GPU (its own name)
#   sh tools/gpu_check.sh --only a,b [NAME]   some; the file keeps what earlier runs found in others
#   sh tools/gpu_check.sh --plan              sections, their seconds, and what each does
#   sh tools/gpu_check.sh --debs FOLDER       downloads the Debian packages below into FOLDER
#
# Writes ${OUT:-build/gpu}/gpu-NAME.json, to be looked at and committed as bench/results/gpu-NAME.json,
# and a log beside it. Exit status: 0 all that ran is well, 1 a section failed, 2 bad usage, 77 no GPU.
# A section that fails says why, and the others go on. GPU_CHECK_SECONDS (570) bounds the whole run:
# sections come in order of worth, and what finds no time left is "skipped": another call with --only,
# on the same machine, fills it in.
#
# What the machine must have: nvcc 12 or later with cuDNN 9's headers (the toolkit's, or those of
# PyTorch's own wheels, which are found), gcc, g++, make, binutils. For the peer: python3 with torch and
# torchvision. The build also needs libyaml and zlib, and the tests Check; what is missing of those
# comes along as Debian packages in a folder (GPU_CHECK_DEBS, or third_party/debs), which are unpacked to
# build/gpu/prefix and installed nowhere. oneDNN, libjpeg, libpng and expat are not needed. Nothing is
# downloaded, and the settings of the GPU are left alone. Where the checkout has no .git,
# GPU_CHECK_COMMIT says what it is. GPU_CHECK_MASKS (third_party/masks) is a folder with train.csv, val.csv
# and images/ for the section of that name.
set -u
LC_ALL=C
export LC_ALL

# name:seconds:what, in order of worth
plan='machine:20:GPU, driver, clocks, versions
build:240:library, programs, benchmarks and tests for this GPU; registers against their budget
device_tests:150:tests of kernels, primitives, backend and network, on the GPU
limits:60:copy bandwidth, tensor peak, gaps in a graph with and without programmatic launch, device properties
fps:150:md-fps for X-101 and R-50, fp32 and bf16 at batch 1, bf16 at batch 8, then fp16 and tf32
peer:110:torchvision, eager bf16 channels_last, same weights and images; boxes compared; NMS, RoIAlign
train:100:md-fps --train for X-101 and R-50, bf16 at batch 2 and 16, fp32 at batch 2; two runs with the same bits
train_peer:80:torchvision'"'"'s training step under autocast, same weights and pictures
masks:70:a short training on photographs of faces with and without masks, with its AP50
ops:100:bench-ops, each primitive and its share of the roofline; at batch 8 gradients too
layers:60:the same convolutions and products by cuDNN and cuBLASLt through PyTorch
engines:80:every engine of cuDNN and cuBLASLt for shapes of X-101, timed
sanitize:110:compute-sanitizer memcheck, racecheck, initcheck, synccheck over the tests of kernels
compile:150:torchvision under torch.compile
suite:150:the rest of the suite'
size=800x1344
configs='X101:faster_rcnn_X_101_32x8d_FPN_3x R50:faster_rcnn_R_50_FPN_3x'
debs='libyaml-dev libyaml-0-2 zlib1g-dev zlib1g check libsubunit-dev libsubunit0 pkg-config pkgconf pkgconf-bin libpkgconf3'

usage() {
    sed -n 's/^# \{0,1\}//; 2,/^Writes/p' "$0" | sed '$d' >&2
    exit 2
}

only="" name="" section=""
while [ $# -gt 0 ]; do
    case $1 in
        --plan | --list)
            printf '%s\n' "$plan" | awk -F: '{ printf "%-14s %4d s  %s\n", $1, $2, $3 }'
            exit 0 ;;
        --debs)
            mkdir -p "${2:?a folder}" && cd "$2" || exit 1
            # shellcheck disable=SC2086 # words on purpose
            apt-get download $debs && ls && exit 0
            exit 1 ;;
        --only) only=",${2:?names of sections}," && shift ;;
        --section) section=${2:?a section} && shift ;;
        -*) usage ;;
        *) name=$1 ;;
    esac
    shift
done

[ -f tools/gpu_check.sh ] || { echo "gpu_check: run it in the root of the checkout" >&2 && exit 2; }
[ -z "$only" ] || for one in $(printf '%s' "$only" | tr , ' '); do
    printf '%s\n' "$plan" | grep -q "^$one:" || { echo "gpu_check: no section '$one'; --plan lists them" >&2 && exit 2; }
done

# ---- what a section may use ------------------------------------------------------------------

jobs=$(nproc 2> /dev/null || echo 2)
python=${PYTHON:-python3}
work=build/gpu/check # a log, a status and figures of each section
bin=build/gpu/bin

json_text() { # of standard input, without the quotes
    tr -d '\000-\010\013\014\016-\037' | awk '
        { gsub(/\\/, "\\\\"); gsub(/"/, "\\\""); gsub(/\t/, "\\t"); gsub(/\r/, ""); printf "%s%s", (NR > 1 ? "\\n" : ""), $0 }'
}

skip() { # why; ends the section
    echo "$*"
    exit 77
}
fail() { # why
    echo "$*"
    exit 1
}

make_gpu() {
    MDET_SETUP=0 make -j"$jobs" MODE=gpu "$@"
}

need_torch() {
    "$python" -c 'import torch, torchvision' 2> /dev/null || skip "no $python with torch and torchvision"
}
need_program() {
    # What an earlier state of the sources left behind must not be measured.
    [ -f "$work/built" ] && [ -x "$bin/$1" ] || fail "$bin/$1 was not built"
}

# Objects of JSON in files, as a list.
json_list() { # files
    printf '['
    separator=""
    for file in "$@"; do
        [ -s "$file" ] || continue
        printf '%s' "$separator" && cat "$file"
        separator=,
    done
    printf ']\n'
}

# ---- sections: each writes $data if it has figures, and ends by 0, 77 or another status ----------

query() {
    nvidia-smi --query-gpu="$1" --format=csv,noheader,nounits 2> /dev/null | sed 1q
}

section_machine() {
    {
        printf '{'
        for key in name compute_cap driver_version memory.total clocks.sm clocks.mem clocks.max.sm clocks.max.mem \
            power.limit temperature.gpu mig.mode.current; do
            printf '"%s": "%s", ' "$key" "$(query $key | json_text)"
        done
        printf '"nvcc": "%s", ' "$(nvcc --version 2> /dev/null | sed -n 's/.*release //p' | json_text)"
        printf '"gcc": "%s", ' "$(gcc --version 2> /dev/null | sed 1q | json_text)"
        printf '"cpu": "%s", "cores": %d, ' "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | sed 1q | json_text)" "$jobs"
        printf '"python": "%s"}\n' "$("$python" -c 'import sys, torch, torchvision
print(sys.version.split()[0], "torch", torch.__version__, "torchvision", torchvision.__version__, "cudnn", torch.backends.cudnn.version())' 2> /dev/null | json_text)"
    } > "$data"
    cat "$data"
    command -v nvcc > /dev/null 2>&1 || fail "no nvcc on the PATH: PATH=/usr/local/cuda/bin:\$PATH"
}

test_programs() { # folders below tests/
    for folder in "$@"; do
        for source in tests/"$folder"/test_*.c; do
            case $source in
                *'*'* | */test_cuemu*) ;; # the emulated device's own
                *) echo "build/gpu/${source%.c}" ;;
            esac
        done
    done
}

section_build() {
    capability=$(query compute_cap | tr -d .)
    gencode="-gencode=arch=compute_$capability,code=sm_$capability"
    rm -f "$work/built"
    make_gpu NVCC_GENCODE="$gencode" lib programs bench || fail "the build failed"
    : > "$work/built"
    grep -q '^HAVE_CHECK := 1' build/gpu/features.mk || echo "no Check: tests will be skipped (GPU_CHECK_DEBS)"
    BUDGET_ARCHS="$capability" sh tools/kernel_budget.sh build/gpu/kernels --table
    budget=$(BUDGET_ARCHS="$capability" sh tools/kernel_budget.sh build/gpu/kernels) || echo "$budget"
    cat build/gpu/features.mk
    printf '{"gencode": "%s", "budget": "%s"}\n' "$gencode" "$(printf '%s' "$budget" | json_text)" > "$data"
    if grep -q '^HAVE_CHECK := 1' build/gpu/features.mk; then
        # shellcheck disable=SC2046 # words on purpose
        make_gpu -k NVCC_GENCODE="$gencode" $(test_programs core tensor backend ops kernels nn model api) ||
            fail "a test does not compile"
    fi
    [ -z "$budget" ] || fail "$(printf "%s" "$budget" | sed 1q)"
}

test_run() { # fork, how many at a time, test programs and scripts
    fork=$1 at_once=$2
    shift 2
    CK_FORK=$fork CK_TIMEOUT_MULTIPLIER=8 RUNNER="timeout -k 5 100" BUILD=build/gpu MODE=gpu JOBS=$at_once CUDA=1 CUEMU=0 \
        MDET_SETUP=0 sh tools/run_tests.sh "$@" > "$log" 2>&1
}

run_tests() { # test programs and scripts
    grep -q '^HAVE_CHECK := 1' build/gpu/features.mk 2> /dev/null || skip "no Check on this machine (GPU_CHECK_DEBS)"
    [ $# -gt 0 ] && [ -f "$work/built" ] || fail "no test was built"
    log=$work/$section.out
    # A process for each case would make a context of the GPU for each. What fails so gets another
    # chance alone and with processes: it may have been the case before it.
    test_run no "$tests_at_once" "$@"
    code=$?
    again=$(sed -n 's/^failed://p' "$log")
    if [ -n "$again" ]; then
        mv "$log" "$work/$section.first" && cat "$work/$section.first"
        echo "again:$again"
        # shellcheck disable=SC2086 # words on purpose
        test_run yes 2 $again
        code=$?
    fi
    cat "$log"
    total=$(tail -n 1 "$log")
    printf '{"total": "%s", "failed": "%s", "run_again": "%s"}\n' "$(printf '%s' "$total" | json_text)" \
        "$(sed -n 's/^failed://p' "$log" | json_text)" "$(printf '%s' "$again" | json_text)" > "$data"
    [ $code -eq 0 ] || fail "$total"
}

built() { # test programs that exist
    for program in "$@"; do
        [ -x "$program" ] && echo "$program"
    done
}

section_device_tests() {
    tests_at_once=4
    # shellcheck disable=SC2046 # words on purpose
    run_tests $(built $(test_programs kernels backend ops tensor nn model) build/gpu/tests/api/test_predict)
}

section_suite() {
    tests_at_once=$jobs
    gencode=$(sed -n 's/^GENCODE := //p' build/gpu/features.mk 2> /dev/null)
    folders=$(for folder in tests/*/; do basename "$folder"; done | grep -v -x -E 'kernels|backend|ops|tensor|nn|model')
    # shellcheck disable=SC2086,SC2046 # words on purpose
    make_gpu -k NVCC_GENCODE="$gencode" $(test_programs $folders) || echo "some tests do not compile"
    # shellcheck disable=SC2086,SC2046
    run_tests $(built $(test_programs $folders)) tests/programs/test_*.sh tests/api/test_*.sh
}

section_limits() {
    nvcc -std=c++17 -O3 -arch=native -o "$work/gpu_limits" bench/gpu_limits.cu -ldl || fail "bench/gpu_limits.cu does not compile"
    "$work/gpu_limits" > "$work/limits.json" || fail "gpu_limits failed: $(tail -n 1 "$work/limits.json")"
    if "$python" -c 'import torch' 2> /dev/null; then
        "$python" bench/peers/torchvision_gpu.py limits --seconds 2 --out "$work/limits-torch.json" || echo "no matrix peak from PyTorch"
    fi
    json_list "$work/limits.json" "$work/limits-torch.json" > "$data"
    cat "$data"
}

# A number of the limits that were measured, or nothing.
limit() { # key
    cat "$work/limits.json" "$work/limits-torch.json" 2> /dev/null | tr ',{}' '\n' |
        sed -n "s/.*\"$1\": *\([0-9.]*\).*/\1/p" | sed 1q
}

section_ops() {
    need_program bench-ops
    bandwidth=$(limit copy_gb_per_s) peak=$(limit matmul_bf16_tflop_per_s)
    code=0
    for batch in 1 8; do
        forward=--forward
        [ $batch = 1 ] || forward="" # gradients too
        "$bin/bench-ops" --device cuda --precision bf16 --batch $batch $forward ${bandwidth:+--bandwidth "$bandwidth"} \
            ${peak:+--peak "$peak"} --json "$work/ops-$batch.json" || code=1
    done
    json_list "$work"/ops-1.json "$work"/ops-8.json > "$data"
    [ $code -eq 0 ] || fail "bench-ops failed"
}

# Calibrated weights of a configuration, made on this machine; in fp32, whose figures are kept too.
weights() { # short name, configuration
    "$bin/md-fps" --quiet --device cuda --config "$2" --size "$size" --warmup 5 --iters 20 \
        --save-weights "$work/$1.safetensors" --json "$work/fps-$1-fp32-1.json"
}

fps() { # short name, precision, batch, runs
    [ -s "$work/$1.safetensors" ] || return 0
    "$bin/md-fps" --quiet --device cuda --weights "$work/$1.safetensors" --size "$size" --precision "$2" --batch "$3" \
        --warmup $(($4 / 4)) --iters "$4" --json "$work/fps-$1-$2-$3.json" || echo "FAILED md-fps $1 $2 batch $3"
    json_list "$work"/fps-*.json > "$data"
}

section_fps() {
    need_program md-fps
    rm -f "$work"/fps-*.json "$work"/*.safetensors
    {
        for pair in $configs; do
            weights "${pair%%:*}" "${pair#*:}" || echo "FAILED weights of ${pair#*:}"
            fps "${pair%%:*}" bf16 1 200
        done
        for runs in bf16:8:60 fp16:1:100 tf32:1:60; do
            for pair in $configs; do
                batch=${runs#*:}
                fps "${pair%%:*}" "${runs%%:*}" "${batch%:*}" "${batch#*:}"
            done
        done
    } > "$work/fps.out" 2>&1
    cat "$work/fps.out"
    ! grep -q '^FAILED' "$work/fps.out" || fail "$(grep '^FAILED' "$work/fps.out" | tr '\n' ' ')"
}

peer() { # what, short name, seconds
    what=$1 short=$2 seconds=$3
    [ -s "$work/$short.safetensors" ] && [ -s "$work/fps-$short-fp32-1.json" ] || {
        echo "FAILED no weights and detections of $short: section fps makes them" && return
    }
    rm -f "$work/$what-$short.json"
    # What is cut short leaves the figures that it has.
    timeout -k 5 "$seconds" "$python" bench/peers/torchvision_gpu.py "$what" --weights "$work/$short.safetensors" \
        --json "$work/fps-$short-fp32-1.json" --ours "$work/fps-$short-bf16-1.json" --out "$work/$what-$short.json" ||
        echo "FAILED $what $short (status $?)"
    json_list "$work/$what"-X101.json "$work/$what"-R50.json > "$data"
}

section_peer() {
    need_torch
    {
        peer eager X101 $((box * 5 / 10))
        peer eager R50 $((box * 3 / 10))
    } > "$work/peer.out" 2>&1
    cat "$work/peer.out"
    timeout -k 5 $((box / 6)) "$python" bench/peers/torchvision_gpu.py tail --seconds 1 --out "$work/eager-tail.json" ||
        echo "FAILED tail" >> "$work/peer.out"
    json_list "$work"/eager-*.json > "$data"
    ! grep -q '^FAILED' "$work/peer.out" || fail "$(grep -m 1 '^FAILED' "$work/peer.out")"
}

train_fps() { # short name, precision, batch, runs
    [ -s "$work/$1.safetensors" ] || { echo "FAILED no weights of $1: section fps makes them" && return; }
    "$bin/md-fps" --quiet --train --device cuda --weights "$work/$1.safetensors" --size "$size" --precision "$2" --batch "$3" \
        --warmup $(($4 / 3)) --iters "$4" --json "$work/step-$1-$2-$3.json" || echo "FAILED md-fps --train $1 $2 batch $3"
    json_list "$work"/step-*.json > "$data"
}

# A few steps on drawn faces, twice: the same bits, and losses near the CPU's.
train_twice() { # precision
    for run in 1 2; do
        "$bin/md-train" --quiet --train toy:32:1 --config faster_rcnn_R_50_FPN_3x --output "$work/twice-$run" --overwrite \
            --device cuda --precision "$1" SEED 1 SOLVER.MAX_ITER 10 SOLVER.IMS_PER_BATCH 2 INPUT.MIN_SIZE_TRAIN '(320,)' \
            MDET.DETERMINISTIC True TEST.EVAL_PERIOD 0 || { echo "FAILED md-train $1" && return; }
    done
    cmp "$work/twice-1/checkpoints/final.safetensors" "$work/twice-2/checkpoints/final.safetensors" > /dev/null 2>&1 ||
        echo "FAILED two trainings in $1 differ"
}

section_train() {
    need_program md-fps
    need_program md-train
    rm -f "$work"/step-*.json
    {
        for runs in bf16:2:30 bf16:16:12 fp32:2:12; do
            for pair in $configs; do
                batch=${runs#*:}
                train_fps "${pair%%:*}" "${runs%%:*}" "${batch%:*}" "${batch#*:}"
            done
        done
        train_twice fp32
        train_twice bf16
    } > "$work/train.out" 2>&1
    cat "$work/train.out"
    ! grep -q '^FAILED' "$work/train.out" || fail "$(grep '^FAILED' "$work/train.out" | tr '\n' ' ')"
}

section_train_peer() {
    need_torch
    {
        peer train X101 $((box * 6 / 10))
        peer train R50 $((box * 4 / 10))
    } > "$work/train_peer.out" 2>&1
    cat "$work/train_peer.out"
    ! grep -q '^FAILED' "$work/train_peer.out" || fail "$(grep -m 1 '^FAILED' "$work/train_peer.out")"
}

# As many steps as its time allows, by those of the first: no figure of speed, but one of what is learned.
section_masks() {
    need_program md-train
    masks=${GPU_CHECK_MASKS:-third_party/masks}
    [ -f "$masks/train.csv" ] || skip "no $masks/train.csv: no photographs to train on"
    timeout -k 5 $((box - 5)) "$bin/md-train" --quiet --train "csv:$masks/train.csv:$masks/images" \
        --val "csv:$masks/val.csv:$masks/images" --config faster_rcnn_R_18_FPN --output "$work/masks" --overwrite --device cuda \
        --precision bf16 SEED 1 SOLVER.IMS_PER_BATCH 16 SOLVER.BASE_LR 0.02 SOLVER.MAX_ITER 1500 SOLVER.STEPS '(1000, 1300)' \
        INPUT.MIN_SIZE_TRAIN '(320, 400, 480)' INPUT.MIN_SIZE_TEST 400 TEST.EVAL_PERIOD 150 MDET.TEST.AP True \
        MDET.BEST.METRIC bbox/AP50
    code=$?
    grep '"bbox/AP50"' "$work/masks/metrics.json" > "$work/masks.lines" 2> /dev/null
    [ -s "$work/masks.lines" ] || fail "no average precision was measured (status $code)"
    awk 'BEGIN { printf "[" } { printf "%s%s", (NR > 1 ? ",\n" : ""), $0 } END { print "]" }' "$work/masks.lines" > "$data"
    [ $code -eq 0 ] || [ $code -eq 124 ] || fail "md-train ended with status $code"
}

section_compile() {
    need_torch
    # What was compiled is kept for another run on this machine.
    TORCHINDUCTOR_CACHE_DIR=$(pwd)/build/gpu/inductor TRITON_CACHE_DIR=$(pwd)/build/gpu/triton
    export TORCHINDUCTOR_CACHE_DIR TRITON_CACHE_DIR
    peer compile X101 $((box - 8)) > "$work/compile.out" 2>&1
    cat "$work/compile.out"
    ! grep -q '^FAILED' "$work/compile.out" || fail "$(grep -m 1 '^FAILED' "$work/compile.out")"
}

section_layers() {
    need_torch
    code=0
    for batch in 1 8; do
        [ -s "$work/ops-$batch.json" ] || continue
        timeout -k 5 $((box / 2 - 3)) "$python" bench/peers/torchvision_gpu.py layers --seconds 0.5 --ops "$work/ops-$batch.json" \
            --out "$work/layers-$batch.json" || code=1
    done
    json_list "$work"/layers-*.json > "$data"
    [ -s "$work/layers-1.json" ] || fail "no figures of bench-ops: section ops makes them"
    [ $code -eq 0 ] || fail "a shape failed in PyTorch"
}

section_engines() {
    need_program bench-engines
    code=0
    for run in '1: w' '8: w' '1:3x3 256' '1:conv3'; do # grouped ones first
        "$bin/bench-engines" bf16 "${run%%:*}" "${run#*:}" $((box / 6)) > "$work/engines-${run%%:*}-$(echo "${run#*:}" | tr -d ' ').json" || code=1
    done
    json_list "$work"/engines-*.json > "$data"
    [ $code -eq 0 ] || fail "bench-engines failed"
}

sanitizer() {
    for candidate in "$(command -v compute-sanitizer)" /usr/local/cuda/bin/compute-sanitizer \
        /usr/local/cuda/compute-sanitizer/compute-sanitizer /opt/nvidia/*/compute-sanitizer; do
        [ -x "$candidate" ] && echo "$candidate" && return
    done
    return 1
}

section_sanitize() {
    tool=$(sanitizer) || skip "no compute-sanitizer"
    # shellcheck disable=SC2046 # words on purpose
    set -- $(built $(test_programs kernels))
    [ $# -gt 0 ] || skip "no test of kernels was built"
    lines="" bad=0 separator=""
    for check in memcheck racecheck initcheck synccheck; do
        for program in "$@"; do
            # racecheck is hundreds of times slower: each gets its seconds, and says when they ran out
            CK_FORK=no timeout -k 5 "${SANITIZE_SECONDS:-20}" "$tool" --tool $check --error-exitcode 99 \
                "$program" > "$work/sanitize.one" 2>&1
            case $? in
                0) verdict=clean ;;
                124 | 137) verdict="out of time" ;;
                99) verdict=errors && bad=$((bad + 1)) && head -n 40 "$work/sanitize.one" ;;
                *) verdict=failed && bad=$((bad + 1)) && tail -n 15 "$work/sanitize.one" ;;
            esac
            echo "$check $(basename "$program") $verdict"
            lines="$lines$separator{\"tool\": \"$check\", \"test\": \"$(basename "$program")\", \"verdict\": \"$verdict\"}"
            separator=", "
            printf '[%s]\n' "$lines" > "$data"
        done
    done
    [ $bad -eq 0 ] || fail "$bad of the sanitizers' runs found something"
}

# ---- the machine's libraries: carried packages, and headers of PyTorch's wheels --------------------

add_path() { # variable, folder
    [ -d "$2" ] || return 0
    eval "$1=\"$2\${$1:+:\$$1}\"; export $1"
}

use_debs() {
    folder=${GPU_CHECK_DEBS:-third_party/debs}
    ls "$folder"/*.deb > /dev/null 2>&1 || return 0
    prefix=$(pwd)/build/gpu/prefix
    mkdir -p "$prefix"
    for deb in "$folder"/*.deb; do
        dpkg -x "$deb" "$prefix" || echo "gpu_check: $deb cannot be unpacked" >&2
    done
    find "$prefix" -type l -lname '/*' | while read -r link; do # they mean a place below the prefix
        ln -sfn "$prefix$(readlink "$link")" "$link"
    done
    for triplet in "" "/$(uname -m)-linux-gnu"; do
        add_path CPATH "$prefix/usr/include$triplet"
        for lib in usr/lib lib; do
            add_path LIBRARY_PATH "$prefix/$lib$triplet"
            add_path LD_LIBRARY_PATH "$prefix/$lib$triplet"
        done
        add_path PKG_CONFIG_PATH "$prefix/usr/lib$triplet/pkgconfig"
    done
    add_path PATH "$prefix/usr/bin"
}

has_header() {
    printf '#include <%s>\n' "$1" | gcc -E -x c -I"${CUDA_HOME:-/usr/local/cuda}/include" - > /dev/null 2>&1
}

use_wheels() {
    packages=$("$python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])' 2> /dev/null) || return 0
    for header in cudnn.h cublasLt.h; do
        has_header $header && continue
        for found in "$packages"/nvidia/*/include/$header; do
            [ -f "$found" ] && add_path CPATH "$(dirname "$found")" && break
        done
    done
    # Behind what the system has.
    for library in "$packages"/nvidia/*/lib/libcudnn.so.9 "$packages"/nvidia/*/lib/libcublasLt.so.*; do
        [ -f "$library" ] && LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$(dirname "$library")"
    done
    export LD_LIBRARY_PATH
}

if [ -n "$section" ]; then
    data=$work/$section.json
    box=${GPU_CHECK_BOX:-60} # the seconds it has
    "section_$section"
    exit $?
fi

# ---- the run --------------------------------------------------------------------------------------

nvidia-smi -L 2> /dev/null | grep -q '^GPU 0' || { echo "gpu_check: no GPU here (nvidia-smi -L lists none); nothing was measured" >&2 && exit 77; }
[ -n "$name" ] || name=$(query name | tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9-' | sed 's/^nvidia-//')
results=${OUT:-build/gpu}
unset OUT # a variable of the Makefile
mkdir -p "$results" "$work" || exit 1
command -v nvcc > /dev/null 2>&1 || PATH=$PATH:/usr/local/cuda/bin
LD_LIBRARY_PATH=${LD_LIBRARY_PATH:-}
use_debs
use_wheels
export PATH
began=$(date +%s)
allowed=${GPU_CHECK_SECONDS:-570}
failures=0 ran="" late=""
# Engines that were once found best are kept for another run on this machine.
XDG_CACHE_HOME=$(pwd)/build/gpu/cache
export XDG_CACHE_HOME

# An earlier run's time for a section must not count again.
record() { # section, status, seconds, reason
    printf '%s\n%s\n%s\n%s\n' "$2" "$3" "$4" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" > "$work/$1.status"
}

run_section() { # name, seconds
    left=$((allowed - ($(date +%s) - began)))
    box=$2
    [ "$left" -gt "$box" ] || box=$left
    rm -f "$work/$1.json"
    if [ "$box" -lt 5 ]; then
        : > "$work/$1.log"
        record "$1" skipped 0 "no time was left"
        late=$late,$1
        return
    fi
    start=$(date +%s)
    GPU_CHECK_BOX=$box timeout -k 10 "$box" sh "$0" --section "$1" > "$work/$1.log" 2>&1
    code=$?
    reason=$(grep -v '^[[:space:]]*$' "$work/$1.log" | tail -n 1 | cut -c1-300)
    case $code in
        0) status=ok reason="" ;;
        77) status=skipped ;;
        124 | 137) late=$late,$1 status=failed reason="stopped after its $box seconds; last words: $reason" ;;
        *) status=failed ;;
    esac
    record "$1" $status $(($(date +%s) - start)) "$reason"
    [ $status != failed ] || failures=$((failures + 1))
    printf '%-14s %-8s %4d s  %s\n' "$1" $status $(($(date +%s) - start)) "$reason"
}

valid_json() { # file
    [ -s "$1" ] || return 1
    ! command -v "$python" > /dev/null 2>&1 || "$python" -m json.tool "$1" > /dev/null 2>&1
}

write_result() {
    printf '{"name": "%s",\n "commit": "%s",\n "sections": {' "$(printf '%s' "$name" | json_text)" \
        "${GPU_CHECK_COMMIT:-$(git describe --always --dirty 2> /dev/null || echo unknown)}"
    separator=""
    for one in $(printf '%s\n' "$plan" | cut -d: -f1); do
        [ -f "$work/$one.status" ] || continue
        {
            read -r status && read -r seconds && read -r reason && read -r date
        } < "$work/$one.status"
        printf '%s\n  "%s": {"status": "%s", "seconds": %d, "date": "%s", "reason": "%s",\n   "log": "%s",\n   "data": ' "$separator" "$one" \
            "$status" "$seconds" "$date" "$(printf '%s' "$reason" | json_text)" \
            "$([ "$status" = ok ] || tail -n 30 "$work/$one.log" | json_text)"
        if valid_json "$work/$one.json"; then cat "$work/$one.json"; else printf null; fi
        printf '}'
        separator=,
    done
    printf '}}\n'
}

for line in $(printf '%s\n' "$plan" | cut -d: -f1,2); do
    one=${line%%:*}
    case $only in
        '' | *,"$one",*)
            ran="$ran $one"
            run_section "$one" "${line#*:}"
            write_result > "$results/gpu-$name.json" ;; # also when the next one is stopped from outside
    esac
done

for log in "$work"/*.log; do
    echo "==== $(basename "$log" .log)"
    tail -n 2000 "$log"
done > "$results/gpu-$name.log"
if [ $failures -gt 0 ]; then
    for one in $ran; do
        [ "$(sed -n 1p "$work/$one.status" 2> /dev/null)" = failed ] || continue
        echo "---- $one" && tail -n 25 "$work/$one.log"
    done
fi
[ -z "$late" ] || echo "gpu_check: had no time, or not enough: --only ${late#,}"
echo "gpu_check: $results/gpu-$name.json after $(($(date +%s) - began)) s, $failures sections failed"
[ $failures -eq 0 ]
