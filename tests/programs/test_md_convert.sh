#!/bin/sh
# test_md_convert.sh - md-convert from end to end: lists, names, formats in a circle, files that are no good.
. tests/support/cases.sh
case ${MODE:-release} in
    release) bin=$PWD/build/bin ;;
    *) bin=$PWD/build/$MODE/bin ;;
esac
top=$(mktemp -d) || exit 1
trap 'rm -rf "$top" "$case_log"' EXIT
samples=tests/weights/samples

convert() { "$bin/md-convert" "$@" --quiet --threads 1; }
same_text() { printf '%s\n' "$1" > "$top/text" && printf '%s\n' "$2" | cmp - "$top/text"; }
list() { convert --list "$@"; }

expect_output "--help" "Usage: md-convert" "$bin/md-convert" --help
expect_output "--version" "md-convert 0." "$bin/md-convert" --version
expect_exit "no files" 2 "IN and OUT are needed" convert
expect_exit "one file" 2 "IN and OUT are needed" convert $samples/torch2.pth
expect_exit "three files" 2 "IN and OUT are needed" convert a b c
expect_exit "--list of two files" 2 "one file" convert --list a b
expect_exit "--names of no kind" 2 "detectron2 or keep" convert --names mine a b
expect_exit "--from of no kind" 2 "torchvision is wanted" convert --from mine a b
expect_exit "--names keep leaves nothing for --from" 2 "excludes" convert --names keep --from caffe2 a b
expect_exit "--list and --config" 2 "exclude each other" convert --list a --config tiny
expect_exit "settings for no model" 2 "need --config" convert a b SEED 1
expect_exit "a setting without value" 2 "has no value" convert a b --config tiny SEED

# ---- names --------------------------------------------------------------------------------------

expect_ok "--list: as they are in the file" same_text "$(list $samples/caffe2_p2.pkl)" \
    'conv1_w [2, 150] float32
conv1_b [2] float32'
expect_ok "--list: as they become" same_text "$(list $samples/caffe2_p2.pkl --names detectron2)" \
    'stem.conv1.weight [2, 150] float32
stem.conv1.bias [2] float32'
expect_ok "to .safetensors" convert $samples/caffe2_p2.pkl "$top/c.safetensors"
expect_ok "to .safetensors: names" same_text "$(list "$top/c.safetensors")" \
    'stem.conv1.weight [2, 150] float32
stem.conv1.bias [2] float32'
expect_ok "--names keep" convert $samples/caffe2_p2.pkl "$top/k.pt" --names keep
expect_ok "--names keep: names" same_text "$(list "$top/k.pt")" "$(list $samples/caffe2_p2.pkl)"
expect_ok "--from detectron2 leaves names alone" same_text "$(list $samples/caffe2_p2.pkl --from detectron2)" \
    "$(list $samples/caffe2_p2.pkl)"

# ---- formats in a circle ------------------------------------------------------------------------

for sample in numpy2_p5.pkl torch2.pth torch113_training.pth; do
    expect_ok "$sample: to .safetensors" convert $samples/$sample "$top/1.safetensors"
    expect_ok "$sample: to .pth" convert "$top/1.safetensors" "$top/2.pth"
    expect_ok "$sample: and back" convert "$top/2.pth" "$top/3.safetensors"
    expect_ok "$sample: is equal" cmp "$top/1.safetensors" "$top/3.safetensors"
    expect_ok "$sample: nothing was lost" same_text "$(list "$top/3.safetensors")" "$(list $samples/$sample)"
done

# ---- a model ------------------------------------------------------------------------------------

expect_ok "a model's weights" "$bin/md-fps" --quiet --threads 1 --size 64x64 --iters 1 --warmup 0 \
    --config tiny --save-weights "$top/m.safetensors"
expect_output "--config: all fits" "0 missing, 0 of another shape" \
    convert "$top/m.safetensors" "$top/m.pth" --config tiny
expect_output "--config: and runs" "images/s" \
    "$bin/md-fps" --quiet --threads 1 --size 64x64 --iters 1 --warmup 0 --weights "$top/m.pth"
expect_exit "--config: another model" 3 "in the model" \
    convert "$top/m.safetensors" "$top/x.pth" --config tiny MODEL.FPN.OUT_CHANNELS 64
expect_exit "--config: nothing fits" 3 "none of its 2 tensors" \
    convert $samples/caffe2_p2.pkl "$top/x.pth" --config tiny MODEL.RESNETS.STEM_OUT_CHANNELS 8 --from detectron2
expect_output "--config: other classes" "training can start" \
    convert "$top/m.safetensors" "$top/o.safetensors" --config tiny MODEL.ROI_HEADS.NUM_CLASSES 7
expect_exit "--config: none such" 2 "no_such_preset" convert "$top/m.safetensors" "$top/x.pth" --config no_such_preset
expect_ok "what does not fit is not written" test ! -e "$top/x.pth"

# ---- a checkpoint as start weights ----------------------------------------------------------------

train() { # output more...
    output=$1
    shift
    "$bin/md-train" --threads 1 --train toy:4:1 --output "$output" --config tiny SOLVER.MAX_ITER 2 \
        'SOLVER.STEPS' '()' TEST.EVAL_PERIOD 0 INPUT.MIN_SIZE_TRAIN '(64,)' SEED 1 "$@"
}
expect_ok "a training" train "$top/run"
last=$top/run/checkpoints/last.safetensors
expect_output "start weights with an iteration: it is said" "checkpoint at iteration 2; its weights alone" \
    train "$top/run2" --weights "$last"
expect_ok "a checkpoint" convert "$last" "$top/l.pth"
expect_ok "a .pth brings its configuration along" "$bin/md-train" --quiet --threads 1 --train toy:4:1 \
    --output "$top/run3" --weights "$top/l.pth" SOLVER.MAX_ITER 1
expect_output "and it is the one it was made with" "STEM_OUT_CHANNELS: $(sed -n 's/.*STEM_OUT_CHANNELS: //p' "$top/run/config.yaml")" \
    cat "$top/run3/config.yaml"
no_momentum() { ! list "$1" | grep -q momentum; }
expect_ok "without momentum" no_momentum "$top/l.pth"
expect_output "unless all is kept" "momentum/" list "$last"
expect_ok "all is kept" convert "$last" "$top/l2.pth" --names keep
expect_ok "all is kept: names" same_text "$(list "$top/l2.pth")" "$(list "$last")"

# ---- what cannot be -----------------------------------------------------------------------------

expect_exit "no such file" 3 "none.pth" convert "$top/none.pth" "$top/x.safetensors"
expect_exit "a folder" 3 "$top" convert "$top" "$top/x.safetensors"
expect_exit "a program in a pickle" 3 "os.system" convert $samples/hostile.pth "$top/x.safetensors"
head -c 1500 $samples/torch2.pth > "$top/cut.pth"
expect_exit "a cut file" 3 "cut.pth" convert "$top/cut.pth" "$top/x.safetensors"
: > "$top/empty.pkl"
expect_exit "an empty file" 3 "empty.pkl" convert "$top/empty.pkl" "$top/x.safetensors"
expect_exit "another suffix" 2 ".safetensors, .pth or .pt" convert $samples/torch2.pth "$top/x.bin"
expect_exit "a folder that is not there" 3 "no/x.pth" convert $samples/torch2.pth "$top/no/x.pth"
cp $samples/torch2.pth "$top/same.pth"
ln -s same.pth "$top/link.pth"
expect_exit "the input itself" 2 "the file that is read" convert "$top/same.pth" "$top/same.pth"
expect_exit "the input by another name" 2 "the file that is read" convert "$top/same.pth" "$top/link.pth"
expect_ok "is not touched" cmp $samples/torch2.pth "$top/same.pth"
expect_ok "nothing half was written" test ! -e "$top/x.safetensors" -a ! -e "$top/x.pth" -a ! -e "$top/x.bin"
[ "$(id -u)" -eq 0 ] || {
    mkdir "$top/locked" && chmod 500 "$top/locked"
    expect_exit "a folder that is locked" 3 "locked/x.pth" convert $samples/torch2.pth "$top/locked/x.pth"
}
finish
