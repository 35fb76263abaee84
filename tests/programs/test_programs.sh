#!/bin/sh
# test_programs.sh - the programs from end to end: options, exit codes, one line for one mistake, resuming.
. tests/support/cases.sh
case ${MODE:-release} in
    release) bin=$PWD/build/bin ;;
    *) bin=$PWD/build/$MODE/bin ;;
esac
top=$(mktemp -d) || exit 1
trap 'rm -rf "$top" "$case_log"' EXIT
run=$top/run model=$top/run/checkpoints/final.safetensors

short="SOLVER.MAX_ITER 4 SOLVER.STEPS () TEST.EVAL_PERIOD 2 SOLVER.CHECKPOINT_PERIOD 2 SEED 1"
train() { # data output more...
    data=$1 output=$2
    shift 2
    # shellcheck disable=SC2086 # words on purpose
    "$bin/md-train" --quiet --threads 1 --train "$data" --output "$output" --config tiny $short "$@"
}

# ---- every program ----------------------------------------------------------------------------

for program in md-train md-infer md-eval md-fps md-doctor md-data; do
    expect_output "$program --help" "Usage: $program" "$bin/$program" --help
    expect_output "$program --version" "$program 0." "$bin/$program" --version
    cases=$((cases + 1))
    "$bin/$program" --no-such-option > "$case_log" 2>&1
    [ $? -eq 2 ] || failed_case "$program: unknown option" "not exit status 2"
done
expect_exit "md-infer: no weights file" 3 none.safetensors "$bin/md-infer" --weights "$top/none.safetensors" Makefile
expect_exit "md-eval: no weights file" 3 none.safetensors \
    "$bin/md-eval" --weights "$top/none.safetensors" --data toy:1:1
expect_exit "md-fps: no weights file" 3 none.safetensors "$bin/md-fps" --weights "$top/none.safetensors"
expect_exit "md-fps: other number types" 4 "device cpu computes in fp32 alone" "$bin/md-fps" --device cpu --dtype bf16
expect_exit "md-infer: no such precision" 2 "fp32, tf32, bf16 or fp16" "$bin/md-infer" --precision int8
expect_exit "md-fps: a size in words" 2 "HEIGHTxWIDTH" "$bin/md-fps" --size large
expect_exit "md-fps: a size with a tail" 2 "HEIGHTxWIDTH" "$bin/md-fps" --size 128x128x3
expect_exit "md-fps: settings that would be ignored" 2 "settings are for --config" \
    "$bin/md-fps" --weights "$top/none.safetensors" MODEL.RPN.NMS_THRESH 0.5
# A build may be without oneDNN or OpenMP: then the doctor says so, and its exit status too.
doctor() {
    "$bin/md-doctor" > "$top/doctor" && wanted_word=whole. || wanted_word="not whole."
    grep -q '^self-test    passed' "$top/doctor" && grep -q "CPU path is $wanted_word" "$top/doctor" &&
        grep -q '^libraries .*zlib 1' "$top/doctor" && grep -q '^GPU ' "$top/doctor"
}
expect_ok "md-doctor: the engine works here" doctor
doctor_json() {
    "$bin/md-doctor" --json > "$top/doctor.json"
    tr -d '\n' < "$top/doctor.json" | grep -q '^{"version": "0.*"self_test": {"passed": true.*}$'
}
expect_ok "md-doctor: --json" doctor_json

# ---- md-fps -----------------------------------------------------------------------------------

# One thread: threads that wait for each other on a busy machine would take minutes.
fps() { "$bin/md-fps" --quiet --threads 1 --size 128x128 --iters 3 --warmup 1 "$@"; }
valid_json() { # of one object, as far as brackets and quotes tell without another language
    tr -d '\n' < "$1" | grep -q '^{.*"p95".*"first_image": \[ *\[.*\]\]}$' &&
        ! grep -q -i -e 'nan' -e 'inf[,}]' "$1"
}
first_image() { sed -n '/"first_image"/,$p' "$1"; }
same_detections() { first_image "$top/a.json" > "$top/a" && first_image "$top/b.json" | cmp - "$top/a"; }
expect_output "md-fps: synthetic weights" "images/s" fps --config tiny --json "$top/a.json" --save-weights "$top/s.safetensors"
expect_ok "md-fps: JSON" valid_json "$top/a.json"
expect_ok "md-fps: loads what it saved" fps --weights "$top/s.safetensors" --json "$top/b.json"
expect_ok "md-fps: and finds the same" same_detections
expect_exit "md-fps: no folder of images" 3 "no such file or folder" fps --config tiny --images "$top/absent"
expect_output "md-fps: training steps" "step" fps --config tiny --train
between_50_and_100() {
    count=$(sed -n 's/.*"detections": \([0-9]*\)\..*/\1/p' "$top/a.json")
    [ "$count" -ge 50 ] && [ "$count" -le 100 ]
}
expect_ok "md-fps: as many detections as promised" between_50_and_100

# ---- configuration ----------------------------------------------------------------------------

# What is printed is a configuration again, and prints the same.
print_config() { "$bin/md-train" --print-config --config "$1" SOLVER.BASE_LR 0.003 > "$2"; }
print_twice() {
    print_config tiny "$top/one.yaml" && print_config "$top/one.yaml" "$top/two.yaml" &&
        cmp "$top/one.yaml" "$top/two.yaml" && grep -q '^  BASE_LR: 0.003$' "$top/one.yaml"
}
expect_ok "md-train: --print-config reads back" print_twice
expect_output "md-train: --print-config counts the classes of the data" "NUM_CLASSES: 2" \
    "$bin/md-train" --print-config --train toy:2:1 --config tiny
expect_output "md-train: --fit says how large a batch may be" "images   64 in a batch" \
    "$bin/md-train" --fit --config tiny --device cpu
expect_exit "md-train: --print-config of a bad setting" 2 "did you mean SOLVER.BASE_LR" \
    "$bin/md-train" --print-config SOLVER.BASE_LT 1

# ---- train, find, measure ---------------------------------------------------------------------

expect_ok "md-train: toy data" train toy:8:1 "$run" --val toy:4:2
expect_ok "md-train: wrote its model" test -s "$model"
expect_ok "md-train: wrote its numbers" test -s "$run/metrics.json"
expect_output "md-train: says how long it waited" "% of it waiting for images" cat "$run/log.txt"
one_event_file() { [ "$(find "$run" -name 'events.out.tfevents.*' | wc -l)" -eq 1 ]; }
expect_ok "md-train: wrote its events" one_event_file
late_steps() { # the warning comes once from training, and from nothing else
    "$bin/md-train" --threads 1 --train toy:2:1 --output "$top/late" --config tiny SOLVER.MAX_ITER 2 2>&1 |
        grep -c 'SOLVER.STEPS' > "$top/count"
    "$bin/md-infer" --weights "$top/late/checkpoints/final.safetensors" --output "$top/late/out" \
        tests/image/samples 2>&1 | grep -c 'SOLVER.STEPS' >> "$top/count"
    [ "$(tr '\n' ' ' < "$top/count")" = "1 0 " ]
}
expect_ok "md-train: steps that are too late are said once" late_steps
expect_exit "md-train: the folder is taken" 2 "run" train toy:8:1 "$run"
expect_output "md-eval: table" "|  AP   |" "$bin/md-eval" --quiet --weights "$model" --data toy:4:3 --json "$top/e.json"
expect_output "md-eval: confusions" "truth \\ found" "$bin/md-eval" --quiet --weights "$model" --data toy:4:3
expect_output "md-eval: pictures" "images" "$bin/md-eval" --quiet --weights "$model" --data toy:4:3 --output "$top/pictures" --draw 2
expect_output "md-eval: as many as asked for" "2" sh -c "ls '$top/pictures/drawn' | wc -l"
expect_output "md-eval: what went wrong" "| missed " "$bin/md-eval" --quiet --weights "$model" --data toy:4:3 \
    --output "$top/wrong" --draw 0 --errors 3
expect_output "md-eval: pictures of errors" "3" sh -c "ls '$top/wrong/errors/fn' | wc -l"
expect_ok "md-eval: JSON" grep -q '"confusion"' "$top/e.json"

# Weights that have seen little, but let everything pass: some of it is right.
expect_ok "md-train: no detection is too weak" train toy:8:1 "$top/low" MODEL.ROI_HEADS.SCORE_THRESH_TEST 0.0
low=$top/low/checkpoints/final.safetensors
expect_output "md-eval: the best scores" "| all          | 0.0" "$bin/md-eval" --quiet --weights "$low" --data toy:8:3
expect_output "md-eval: VOC's figures" "| 2012       | " "$bin/md-eval" --quiet --weights "$low" --data toy:8:3 --voc
expect_output "md-eval: confusions at the best score" "matrix at score 0.00" \
    "$bin/md-eval" --quiet --weights "$low" --data toy:8:3 --threshold best
expect_exit "md-eval: nothing right, nothing stored" 3 "not changed" \
    "$bin/md-eval" --quiet --weights "$model" --data toy:1:3 --store-thresholds
expect_exit "md-eval: nowhere to store" 2 "is for --weights" \
    "$bin/md-eval" --predictions none.json --data toy:1:3 --store-thresholds
expect_output "md-eval: --store-thresholds" "md-infer uses them" \
    "$bin/md-eval" --quiet --weights "$low" --data toy:8:3 --store-thresholds
expect_output "md-infer: says which scores it uses" "stored with the weights: with_mask 0.0" \
    "$bin/md-infer" --weights "$low" tests/image/samples/baseline420.jpg
expect_output "md-infer: --threshold goes before them" "1 images, 0 objects" \
    "$bin/md-infer" --weights "$low" --threshold 0.9 tests/image/samples/baseline420.jpg
expect_output "md-eval: looks below stored scores" "| all          | 0.0" \
    "$bin/md-eval" --quiet --weights "$low" --data toy:8:3
converted() {
    "$bin/md-convert" --quiet "$low" "$top/low.pth" && "$bin/md-convert" --quiet "$top/low.pth" "$top/low2.safetensors" &&
        "$bin/md-infer" --weights "$top/low2.safetensors" tests/image/samples/baseline420.jpg
}
expect_output "md-convert: keeps them" "stored with the weights" converted

# The first bytes of a picture from the programs themselves: a bitmap of 40 x 30 grey pixels.
mkdir "$top/images"
{
    printf 'BM\266\016\000\000\000\000\000\000\066\000\000\000\050\000\000\000\050\000\000\000\036\000\000\000'
    printf '\001\000\030\000\000\000\000\000\200\016\000\000\000\000\000\000\000\000\000\000\000\000\000\000'
    printf '\000\000\000\000'
    head -c 3600 /dev/zero | tr '\000' '\200'
} > "$top/images/good.bmp"
head -c 500 "$top/images/good.bmp" > "$top/images/cut.bmp"
expect_ok "md-infer: a picture" "$bin/md-infer" --weights "$model" --output "$top/drawn" --json "$top/i.json" "$top/images/good.bmp"
expect_ok "md-infer: drew it" test -s "$top/drawn/good.bmp"
expect_exit "md-infer: a truncated picture" 3 cut.bmp "$bin/md-infer" --weights "$model" "$top/images/cut.bmp"
expect_exit "md-infer: a picture that is not there" 3 none.png "$bin/md-infer" --weights "$model" "$top/none.png"

# ---- interrupted and resumed ------------------------------------------------------------------

interrupt() {
    # shellcheck disable=SC2086 # words on purpose
    timeout -s KILL 60 "$bin/md-train" --quiet --threads 1 --train toy:8:1 --output "$top/long" --config tiny \
        $short TEST.EVAL_PERIOD 0 SOLVER.MAX_ITER 100000 &
    job=$!
    waited=0
    until [ -s "$top/long/checkpoints/last.safetensors" ] || [ $waited -ge 200 ]; do
        sleep 0.1
        waited=$((waited + 1))
    done
    kill -INT "$job" # timeout passes it on
    wait "$job"
    status=$?
    echo "status $status after $waited tenths"
    [ "$status" -eq 130 ]
}
resume() {
    done=$(sed -n 's/.*"iteration": \([0-9]*\).*/\1/p' "$top/long/metrics.json" | tail -n 1)
    train toy:8:1 "$top/long" --resume SOLVER.MAX_ITER $((${done:-0} + 40))
}
expect_ok "md-train: an interrupt ends with 130" interrupt
expect_ok "md-train: and --resume goes on" resume
expect_ok "md-train: to its end" test -s "$top/long/checkpoints/final.safetensors"

# ---- a run that Detectron2 began ----------------------------------------------------------------

# Five iterations are done in it (tests/golden/make_run.py); the configuration is that of its sizes.
pth=tests/train/samples/run.pth theirs=$top/theirs
mkdir "$theirs" && cp $pth "$theirs/model_0000004.pth" && printf model_0000004.pth > "$theirs/last_checkpoint"
printf '{"bbox/APs": NaN, "iteration": 4, "lr": 0.01}\n' > "$theirs/metrics.json"
"$bin/md-train" --print-config --config tiny MODEL.RESNETS.STEM_OUT_CHANNELS 1 MODEL.RESNETS.RES2_OUT_CHANNELS 1 \
    MODEL.FPN.OUT_CHANNELS 2 MODEL.ROI_BOX_HEAD.FC_DIM 3 MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION 2 \
    MODEL.BACKBONE.FREEZE_AT 2 MODEL.ROI_HEADS.NUM_CLASSES 2 SOLVER.MAX_ITER 12 SOLVER.STEPS '(10,)' \
    SOLVER.WARMUP_ITERS 8 SEED 1 > "$theirs/config.yaml"
go_on() { "$bin/md-train" --threads 1 --train toy:4:1 "$@"; }
the_next_rate() { grep '"iteration": 5,' "$1/metrics.json" | grep -q '"lr": 0\.0125075'; } # as PyTorch had it
expect_output "--resume-from: says where it stands" "run.pth, a checkpoint of Detectron2, 5 iterations done" \
    go_on --output "$top/ours" --resume-from $pth --config "$theirs/config.yaml" SOLVER.MAX_ITER 12
expect_output "--resume-from: its folder, its configuration" "iteration 5 to 12" \
    go_on --output "$top/ours2" --resume-from "$theirs" SOLVER.CHECKPOINT_PERIOD 6
expect_output "--resume-from: another end is another schedule" "here it is" \
    go_on --output "$top/ours3" --resume-from "$theirs" SOLVER.WARMUP_ITERS 6 SOLVER.MAX_ITER 6
expect_output "--resume in its folder" "iteration 5 to 12" go_on --output "$theirs" --resume
expect_ok "--resume in its folder: its lines stay" grep -q 'NaN, "iteration": 4' "$theirs/metrics.json"
expect_output "--resume in its folder: from our own then" "iteration 12 to 12" go_on --output "$theirs" --resume
same_end() { cmp "$theirs/checkpoints/final.safetensors" "$top/ours/checkpoints/final.safetensors"; }
expect_ok "both ways come to the same weights" same_end
expect_ok "the rate of the next iteration is PyTorch's" the_next_rate "$top/ours2"
expect_output "--resume-from: a checkpoint of our own" "iteration 12 to 14" go_on --output "$top/ours4" \
    --resume-from "$top/ours2/checkpoints/last.safetensors" SOLVER.MAX_ITER 14
expect_exit "--resume-from: other frozen layers" 3 "has 39 parameters, this network trains 42" \
    go_on --quiet --output "$top/never" --resume-from "$theirs/model_0000004.pth" MODEL.BACKBONE.FREEZE_AT 0
expect_exit "--resume-from: what would be overwritten" 2 "is to be overwritten" \
    go_on --quiet --output "$theirs" --overwrite --resume-from "$theirs/model_0000004.pth"
expect_exit "--resume-from and --weights" 2 "exclude each other" \
    go_on --output "$top/never" --resume-from $pth --weights $pth
expect_output "--weights: it is said that it is a checkpoint" "--resume-from" \
    go_on --output "$top/ours5" --weights $pth --config "$theirs/config.yaml" SOLVER.MAX_ITER 1

# ---- augmentation, parts, clipping, average ----------------------------------------------------

augmented="INPUT.CROP.ENABLED True INPUT.CROP.SIZE (0.7,0.7) INPUT.RANDOM_FLIP vertical
    MDET.INPUT.BRIGHTNESS (0.8,1.2) MDET.INPUT.LIGHTING 20 SOLVER.IMS_PER_BATCH 4 MDET.SOLVER.ACCUMULATE 2
    DATALOADER.SAMPLER_TRAIN RepeatFactorTrainingSampler DATALOADER.REPEAT_THRESHOLD 0.9
    SOLVER.CLIP_GRADIENTS.ENABLED True SOLVER.LR_SCHEDULER_NAME WarmupCosineLR MDET.EMA.ENABLED True"
same_weights() { cmp "$top/once/checkpoints/$1.safetensors" "$top/twice/checkpoints/$1.safetensors"; }
# shellcheck disable=SC2086 # words on purpose
{
    expect_ok "md-train: with everything" train toy:8:1 "$top/once" --val toy:4:2 $augmented
    expect_exit "md-train: a crop beyond the image" 2 INPUT.CROP.SIZE \
        train toy:8:1 "$top/never" $augmented INPUT.CROP.SIZE "(1.5,0.5)"
    expect_exit "md-train: a negative crop" 2 INPUT.CROP.SIZE train toy:8:1 "$top/never" $augmented INPUT.CROP.SIZE "(-1,1)"
    expect_exit "md-train: a decay out of range" 2 MDET.EMA.DECAY train toy:8:1 "$top/never" MDET.EMA.DECAY 1.5
    expect_ok "md-train: the same again" train toy:8:1 "$top/twice" --val toy:4:2 $augmented
}
expect_ok "md-train: with the same average" same_weights best
expect_output "md-eval: of averaged weights" "|  AP   |" \
    "$bin/md-eval" --quiet --weights "$top/once/checkpoints/best.safetensors" --data toy:4:3
expect_output "md-eval: of the last checkpoint" "|  AP   |" \
    "$bin/md-eval" --quiet --weights "$top/once/checkpoints/last.safetensors" --data toy:4:3

# ---- bad data: one line, a documented exit code -----------------------------------------------

csv() { printf 'filename,xmin,ymin,xmax,ymax,class\n%s\n' "$1" > "$top/bad.csv"; }
bad_csv() { # title text
    expect_exit "csv: $1" 3 "$2" train "csv:$top/bad.csv:$top/images" "$top/bad_run"
    rm -rf "$top/bad_run"
}
csv "good.bmp,30,2,10,20,face" && bad_csv "inverted box" "bad.csv"
csv "good.bmp,nan,2,10,20,face" && bad_csv "a box that is no number" "bad.csv"
csv "good.bmp,1,2,10,20,face
none.bmp,1,2,10,20,face" && bad_csv "missing image" "none.bmp"
csv "none.bmp,1,2,10,20,face"
expect_exit "csv: the folder of other images" 2 "name the folder" \
    train "csv:$top/bad.csv:$top/images" "$top/bad_run"
csv "cut.bmp,1,2,10,20,face" && bad_csv "truncated image" "cut.bmp"
csv "../images/good.bmp,1,2,10,20,face" && bad_csv "a path that leaves the folder" "bad.csv"
printf 'filename,xmin,ymin,xmax,class\ngood.bmp,1,2,10,face\n' > "$top/bad.csv" && bad_csv "missing column" "ymax"
: > "$top/bad.csv" && bad_csv "empty file" "bad.csv"
csv "good.bmp,1,2,10,20,zebra"
expect_exit "csv: a class the weights do not know" 3 "zebra" \
    "$bin/md-eval" --weights "$model" --data "csv:$top/bad.csv:$top/images"
expect_exit "a data set of no kind" 2 "what" train "what:ever" "$top/bad_run"

printf 'SOLVER:\n  MAX_ITER: many\n' > "$top/bad.yaml"
expect_exit "yaml: wrong type" 3 "MAX_ITER" \
    "$bin/md-train" --train toy:2:1 --output "$top/bad_run" --config "$top/bad.yaml"
expect_exit "an unknown setting" 2 "SOLVER.MAX_ITTER" \
    "$bin/md-train" --train toy:2:1 --output "$top/bad_run" --config tiny SOLVER.MAX_ITTER 3
head -c 5000 "$model" > "$top/cut.safetensors"
expect_exit "cut weights" 3 "cut.safetensors" "$bin/md-eval" --weights "$top/cut.safetensors" --data toy:1:1
finish
