#!/bin/sh
# test_md_eval.sh - md-eval on files of results: its tables, what it refuses, and data of every format.
. tests/support/cases.sh
case ${MODE:-release} in
    release) bin=$PWD/build/bin ;;
    *) bin=$PWD/build/$MODE/bin ;;
esac
top=$(mktemp -d) || exit 1
trap 'rm -rf "$top" "$case_log"' EXIT

score() { "$bin/md-eval" --quiet --threads 1 --predictions "$@"; }

# ---- the example that COCO's own tool was run on ---------------------------------------------------

cat > "$top/truth.json" << 'END'
{"images": [{"id": 1, "file_name": "1.jpg"}, {"id": 2, "file_name": "2.jpg"}, {"id": 3, "file_name": "3.jpg"}],
 "categories": [{"id": 1, "name": "cup"}, {"id": 2, "name": "dish"}, {"id": 3, "name": "fork"}],
 "annotations": [
 {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 40, 40], "area": 1600, "iscrowd": 0},
 {"id": 2, "image_id": 1, "category_id": 1, "bbox": [100, 100, 120, 110], "area": 13200, "iscrowd": 0},
 {"id": 3, "image_id": 1, "category_id": 2, "bbox": [200, 30, 20, 25], "area": 500, "iscrowd": 0},
 {"id": 4, "image_id": 1, "category_id": 1, "bbox": [0, 0, 300, 300], "area": 90000, "iscrowd": 1},
 {"id": 5, "image_id": 2, "category_id": 2, "bbox": [30, 30, 60, 60], "area": 3600, "iscrowd": 0},
 {"id": 6, "image_id": 2, "category_id": 1, "bbox": [5, 5, 31, 31], "area": 961, "iscrowd": 0}]}
END
cat > "$top/found.json" << 'END'
[{"image_id": 1, "category_id": 1, "bbox": [12, 11, 38, 41], "score": 0.9},
{"image_id": 1, "category_id": 1, "bbox": [10, 10, 40, 40], "score": 0.9},
{"image_id": 1, "category_id": 1, "bbox": [90, 95, 140, 120], "score": 0.8},
{"image_id": 1, "category_id": 1, "bbox": [250, 250, 40, 40], "score": 0.7},
{"image_id": 1, "category_id": 2, "bbox": [198, 28, 24, 28], "score": 0.6},
{"image_id": 1, "category_id": 2, "bbox": [0, 0, 10, 10], "score": 0.65},
{"image_id": 2, "category_id": 2, "bbox": [30, 30, 60, 66], "score": 0.5},
{"image_id": 2, "category_id": 1, "bbox": [7, 6, 30, 30], "score": 0.95},
{"image_id": 2, "category_id": 1, "bbox": [300, 300, 20, 20], "score": 0.3},
{"image_id": 3, "category_id": 3, "bbox": [1, 1, 4, 4], "score": 0.99},
{"image_id": 3, "category_id": 1, "bbox": [0, 0, 9, 9], "score": 0.2}]
END
cat > "$top/wanted" << 'END'
 Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.583
 Average Precision  (AP) @[ IoU=0.50      | area=   all | maxDets=100 ] = 0.833
 Average Precision  (AP) @[ IoU=0.75      | area=   all | maxDets=100 ] = 0.584
 Average Precision  (AP) @[ IoU=0.50:0.95 | area= small | maxDets=100 ] = 0.525
 Average Precision  (AP) @[ IoU=0.50:0.95 | area=medium | maxDets=100 ] = 0.950
 Average Precision  (AP) @[ IoU=0.50:0.95 | area= large | maxDets=100 ] = 0.600
 Average Recall     (AR) @[ IoU=0.50:0.95 | area=   all | maxDets=  1 ] = 0.492
 Average Recall     (AR) @[ IoU=0.50:0.95 | area=   all | maxDets= 10 ] = 0.750
 Average Recall     (AR) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.750
 Average Recall     (AR) @[ IoU=0.50:0.95 | area= small | maxDets=100 ] = 0.650
 Average Recall     (AR) @[ IoU=0.50:0.95 | area=medium | maxDets=100 ] = 0.950
 Average Recall     (AR) @[ IoU=0.50:0.95 | area= large | maxDets=100 ] = 0.600
Evaluation results for bbox:
|   AP   |  AP50  |  AP75  |  APs   |  APm   |  APl   |
|:------:|:------:|:------:|:------:|:------:|:------:|
| 58.350 | 83.333 | 58.416 | 52.500 | 95.000 | 60.000 |
copypaste: Task: bbox
copypaste: AP,AP50,AP75,APs,APm,APl
copypaste: 58.3498,83.3333,58.4158,52.5000,95.0000,60.0000
Per-category bbox AP:
| category   | AP     | category   | AP     | category   | AP   |
|:-----------|:-------|:-----------|:-------|:-----------|:-----|
| cup        | 76.634 | dish       | 40.066 | fork       | nan  |
END
truth=coco:$top/truth.json found=$top/found.json
same_tables() { score "$found" --data "$truth" "$@" | head -n 23 | diff "$top/wanted" -; }
expect_ok "the tables, to the letter" same_tables
expect_ok "what is written is what was read" same_tables --output "$top/deep/out"
found=$top/deep/out/coco_instances_results.json
expect_ok "and gives the same tables" same_tables
found=$top/found.json
expect_output "one detection of each image and class" "maxDets=  1 ] = 0.492" \
    score "$found" --data "$truth" --max-detections 1
expect_output "other thresholds" "IoU=0.30:0.50" score "$found" --data "$truth" --iou 0.3,0.4,0.5
expect_output "without IoU 0.75" "|  nan   |" score "$found" --data "$truth" --iou 0.5
with_zero() { sed 's/"id": 5, "image/"id": 0, "image/' "$top/truth.json" > "$top/zero.json"; }
expect_ok "a truth of id 0" with_zero
dish() { # AP of the dishes
    score "$found" --data "coco:$top/zero.json" "$@" | grep 'dish' | head -n 1 | sed 's/.*dish  *| \([0-9.]*\).*/\1/'
}
expect_output "id 0 is an id" "40.066" dish
expect_output "unless pycocotools is asked for" "12.624" dish --strict-pycocotools

# ---- wrong use -------------------------------------------------------------------------------------

expect_exit "no data" 2 "--data" score "$found"
expect_exit "neither model nor results" 2 "--weights, --predictions or --compare" "$bin/md-eval" --data "$truth"
expect_exit "both" 2 "exclude each other" score "$found" --weights w.safetensors --data "$truth"
expect_exit "results that are not there" 3 "none.json" score "$top/none.json" --data "$truth"
expect_exit "a folder" 3 "$top" score "$top" --data "$truth"
expect_exit "annotations in their place" 3 "truth.json:1:1" score "$top/truth.json" --data "$truth"
expect_exit "results in the place of annotations" 3 "found.json:1:1" score "$found" --data "coco:$found"
expect_exit "IoU of words" 2 "--iou half" score "$found" --data "$truth" --iou half
expect_exit "IoU that falls" 2 "--iou 0.7,0.5" score "$found" --data "$truth" --iou 0.7,0.5
expect_exit "IoU above 1" 2 "--iou 0.5,1.5" score "$found" --data "$truth" --iou 0.5,1.5
expect_exit "IoU that ends early" 2 "--iou 0.5," score "$found" --data "$truth" --iou 0.5,
expect_exit "no detections wanted" 2 "--max-detections 0" score "$found" --data "$truth" --max-detections 0
expect_exit "--ignore-unknown of a model" 2 "for --predictions" \
    "$bin/md-eval" --weights w.safetensors --data "$truth" --ignore-unknown
expect_exit "a folder that cannot be made" 1 "$found/out" score "$found" --data "$truth" --output "$found/out"
expect_exit "numbers that cannot be written" 1 "$top/no/e.json" \
    score "$found" --data "$truth" --json "$top/no/e.json"

# ---- bad results -----------------------------------------------------------------------------------

results() { # NAME, and what stands between the brackets
    printf '[%s]' "$2" > "$top/$1.json"
    echo "$top/$1.json"
}
box='"bbox": [1, 2, 30, 40], "score": 0.5}'
good="{\"image_id\": 1, \"category_id\": 1, $box"
unknown=$(results unknown "$good, {\"image_id\": 4, \"category_id\": 1, $box, {\"image_id\": 1, \"category_id\": 8, $box")
expect_exit "unknown ids" 3 "1 of images that the data set does not have (4), 1 of categories that the data set does not have (8)" \
    score "$unknown" --data "$truth"
expect_output "passed over" "passed over, of 3 results" score "$unknown" --data "$truth" --ignore-unknown
expect_exit "a negative size" 3 "result 2: \"bbox\" has a negative size" \
    score "$(results negative "$good, {\"image_id\": 1, \"category_id\": 1, \"bbox\": [9, 9, -1, 2], \"score\": 1}")" --data "$truth"
expect_exit "not a number" 3 "result 1: NaN and Infinity" \
    score "$(results nan '{"image_id": 1, "category_id": 1, "bbox": [NaN, 9, 1, 2], "score": 1}')" --data "$truth"
expect_exit "cut off" 3 "the text ends" sh -c "head -c 300 '$found' > '$top/cut.json'; \
    '$bin/md-eval' --quiet --predictions '$top/cut.json' --data '$truth'"
expect_output "a score above 1" "warning: $top/high.json: 1 scores lie outside of 0 to 1, the first in result 2" \
    score "$(results high "$good, {\"image_id\": 1, \"category_id\": 1, \"bbox\": [9, 9, 1, 2], \"score\": 7}")" --data "$truth"
empty=$(results empty '')
expect_output "no results: said" "warning: no detections at all" score "$empty" --data "$truth"
expect_output "no results: shown" "|  nan  |" score "$empty" --data "$truth"
expect_output "no results: as JSON" "\"AP\": null" sh -c \
    "'$bin/md-eval' --quiet --predictions '$empty' --data '$truth' --json '$top/e.json' && cat '$top/e.json'"
twice() { sed 's/"id": 5, "image/"id": 3, "image/' "$top/truth.json" > "$top/twice.json"; }
expect_ok "a truth of an id that another one has" twice
expect_exit "is refused" 3 "two annotations have id 3" score "$found" --data "coco:$top/twice.json"

# ---- data of other formats, by number and by name --------------------------------------------------

expect_ok "a drawn data set" "$bin/md-data" split toy:6:1 --val 0.5 --output "$top/toy" --format csv --quiet
expect_ok "as COCO" "$bin/md-data" convert "csv:$top/toy/val.csv:$top/toy/images" "coco:$top/val.json" --quiet
# The truth as results: annotations lie one a line.
sed -n 's/.*"image_id": *\([0-9]*\).*"category_id": *\([0-9]*\).*"bbox": *\(\[[^]]*\]\).*/{"image_id": \1, "category_id": \2, "bbox": \3, "score": 1},/p' \
    "$top/val.json" > "$top/perfect"
perfect=$(results perfect "$(sed '$ s/,$//' "$top/perfect")")
whole="Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 1.000"
expect_output "perfect results of COCO data" "$whole" score "$perfect" --data "coco:$top/val.json:$top/toy/images"
expect_output "perfect results of CSV data" "$whole" score "$perfect" --data "csv:$top/toy/val.csv:$top/toy/images"
# The same with names for numbers; the formats list images in orders of their own.
sed -n 's/.*"id": *\([0-9]*\).*"file_name": *"\([^"]*\)".*/s|"image_id": \1,|"image_id": "\2",|/p' \
    "$top/val.json" | sed 's/\.[a-z]*",|$/",|/' > "$top/names.sed"
names=$top/names.json
sed -f "$top/names.sed" "$perfect" > "$names"
no_numbers() { grep -q '"image_id": "' "$names" && ! grep -q '"image_id": [0-9]' "$names"; }
expect_ok "images by their names" no_numbers
expect_output "perfect results by name" "$whole" score "$names" --data "csv:$top/toy/val.csv:$top/toy/images"
expect_ok "as YOLO" "$bin/md-data" convert "csv:$top/toy/val.csv:$top/toy/images" "yolo:$top/yolo:val" --images copy --quiet
expect_output "perfect results of YOLO data" "$whole" score "$names" --data "yolo:$top/yolo:val"

# ---- a model's results are those of its file -------------------------------------------------------

expect_ok "a model" "$bin/md-train" --quiet --threads 1 --config tiny --train toy:4:1 --output "$top/run" \
    SOLVER.MAX_ITER 2 SOLVER.STEPS '()' SEED 1
model=$top/run/checkpoints/final.safetensors
data=csv:$top/toy/val.csv:$top/toy/images
measure() { # the numbers, of a model or of results
    output=$1
    shift
    "$bin/md-eval" --quiet --threads 1 --data "$data" --json "$output" "$@" > /dev/null &&
        grep -v seconds "$output" > "$output.numbers"
}
expect_ok "its results" measure "$top/m.json" --weights "$model" --output "$top/model"
expect_ok "read back" measure "$top/f.json" --predictions "$top/model/coco_instances_results.json"
expect_ok "measure the same" cmp "$top/m.json.numbers" "$top/f.json.numbers"
expect_ok "what md-infer writes" "$bin/md-infer" --quiet --threads 1 --weights "$model" --threshold 0.05 \
    --json "$top/infer.json" "$top/toy/images"
# It looked at all images, the data are half of them.
expect_ok "is measured by name" measure "$top/i.json" --predictions "$top/infer.json" --ignore-unknown
same_line() { [ "$(grep -m 1 "$1" "$top/m.json.numbers")" = "$(grep -m 1 "$1" "$top/i.json.numbers")" ]; }
expect_ok "and measures the same" same_line '"AP"'

# ---- names of anybody's files do not steer the terminal -----------------------------------------------

printf '%s' '{"images": [{"id": 1, "file_name": "a.jpg", "width": 9, "height": 9}],' \
    '"categories": [{"id": 1, "name": "red\u001b[31m\nface"}], "annotations": [{"id": 1, "image_id": 1,' \
    '"category_id": 1, "bbox": [1, 1, 5, 5]}]}' > "$top/steer.json"
echo '[{"image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5], "score": 0.9}]' > "$top/steered.json"
plain() {
    "$bin/md-eval" --data "coco:$top/steer.json" --predictions "$top/steered.json" > "$top/plain.txt" 2>&1 &&
        grep -q 'red?\[31m?face' "$top/plain.txt" && ! grep -q "$(printf '\033')" "$top/plain.txt"
}
expect_ok "an escape in a name is shown as ?" plain

finish
