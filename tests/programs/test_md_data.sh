#!/bin/sh
# test_md_data.sh - md-data from end to end: every command on drawn data, and on data full of mistakes.
. tests/support/cases.sh
case ${MODE:-release} in
    release) bin=$PWD/build/bin ;;
    *) bin=$PWD/build/$MODE/bin ;;
esac
top=$(mktemp -d) || exit 1
trap 'rm -rf "$top" "$case_log"' EXIT

data() { "$bin/md-data" "$@" --quiet --threads 2; }

for command in check stats split convert preview; do
    expect_output "$command --help" "Usage: md-data $command" "$bin/md-data" $command --help
    expect_exit "$command without a data set" 2 "see md-data $command --help" data $command
done
no=what:ever:it
expect_exit "check: a data set of no kind" 2 "$no" data check $no
expect_exit "stats: a data set of no kind" 2 "$no" data stats $no
expect_exit "split: a data set of no kind" 2 "$no" data split $no --val 0.5 --output "$top/no"
expect_exit "convert: a data set of no kind" 2 "$no" data convert $no "csv:$top/no.csv"
expect_exit "preview: a data set of no kind" 2 "$no" data preview $no --output "$top/no.png"
expect_exit "no command" 2 "a command is needed" "$bin/md-data"
expect_exit "no such command" 2 "chek is no command" "$bin/md-data" chek toy:1:1

# ---- drawn data: split, checked, counted, shown ------------------------------------------------

toy=$top/toy
spec() { echo "csv:$toy/$1.csv:$toy/images"; }
lines() { wc -l < "$1" | tr -d ' '; }
same_text() { printf '%s\n' "$1" > "$top/text" && printf '%s\n' "$2" | cmp - "$top/text"; }
expect_ok "split: toy data" data split toy:20:1 --val 0.25 --output "$toy" --format csv
expect_ok "split: the pictures of all parts" same_text "$(find "$toy/images" -name '*.png' | wc -l | tr -d ' ')" 20
images_of() { cut -d , -f 1 "$1" | sed 1d | sort -u; }
expect_ok "split: a quarter is for validation" same_text "$(images_of "$toy/val.csv" | wc -l | tr -d ' ')" 5
expect_ok "split: no picture twice" same_text "$({ images_of "$toy/train.csv" && images_of "$toy/val.csv"; } | uniq -d)" ""
expect_output "check: nothing is wrong" "0 errors, 0 warnings" data check "$(spec train)" "$(spec val)"
expect_ok "split: once more, elsewhere" data split "$(spec train)" --fractions 0.5,0.3,0.2 --output "$top/a" --seed 4
expect_ok "split: the same seed" data split "$(spec train)" --fractions 0.5,0.3,0.2 --output "$top/b" --seed 4 --threads 1
for part in train val test; do
    expect_ok "split: gives the same $part" cmp "$top/a/$part.csv" "$top/b/$part.csv"
done
expect_exit "split: the files are there" 2 "train.csv" data split "$(spec train)" --val 0.5 --output "$top/a"
expect_ok "split: and may be replaced" data split "$(spec train)" --val 0.5 --output "$top/a" --overwrite
expect_exit "split: fractions that do not add up" 2 "add up to 0.9" \
    data split "$(spec train)" --fractions 0.5,0.4 --output "$top/c"
expect_exit "split: without a fraction" 2 "--val or --fractions" data split "$(spec train)" --output "$top/c"
expect_exit "split: a name with a folder" 2 "cannot name a file" \
    data split "$(spec train)" --val 0.5 --names a/b,c --output "$top/c"

expect_ok "convert: to COCO" data convert "$(spec train)" "coco:$top/t.json"
expect_ok "convert: and back" data convert "coco:$top/t.json:$toy/images" "csv:$top/t.csv"
expect_ok "convert: nothing is lost" cmp "$toy/train.csv" "$top/t.csv"
expect_exit "convert: where to?" 2 "where to write" data convert "$(spec train)"
expect_exit "convert: a format of no kind" 2 "no:such" data convert "$(spec train)" no:such

# csv -> yolo -> voc -> csv: boxes and names are the same, and both formats pass the check.
"$bin/md-data" check "voc:$top" --quiet > "$case_log" 2>&1
if grep -q expat "$case_log"; then
    skip_case "this build has no expat: Pascal VOC"
    through=yolo
else
    through="yolo voc"
fi
from=$(spec train)
for format in $through; do
    expect_ok "convert: to $format" data convert "$from" "$format:$top/$format:train" --images copy
    from=$format:$top/$format:train
    expect_output "check: $format" "0 errors, 0 warnings" data check "$from"
    expect_ok "split: $format" data split "$from" --val 0.2 --output "$top/$format-parts" --images copy
    expect_output "check: the parts of $format" "0 errors, 0 warnings" \
        data check "$format:$top/$format-parts:train" "$format:$top/$format-parts:val"
    expect_ok "training on $format" "$bin/md-train" --quiet --threads 1 --config tiny \
        --train "$format:$top/$format-parts:train" --val "$format:$top/$format-parts:val" \
        --output "$top/$format-run" SOLVER.MAX_ITER 2 SOLVER.STEPS '()' INPUT.MIN_SIZE_TRAIN '(64,)' \
        INPUT.MIN_SIZE_TEST 64
done
expect_ok "convert: back to CSV" data convert "$from" "csv:$top/round.csv"
sorted() { sed 1d "$1" | sort; }
expect_ok "convert: nothing is lost on the way" same_text "$(sorted "$toy/train.csv")" "$(sorted "$top/round.csv")"

stats() { data stats "$1" --json -; }
expect_output "stats: as a table" "small (below 32x32)" data stats "$(spec train)" --output "$top/plots"
expect_ok "stats: plots" test -s "$top/plots/class_balance.svg" -a -s "$top/plots/image_sizes.png"
expect_ok "stats: the same for both formats" same_text "$(stats "$(spec train)")" "$(stats "coco:$top/t.json:$toy/images")"
expect_output "stats: JSON" '"images": 15,' stats "$(spec train)"
expect_exit "stats: no file" 3 "none.csv" data stats "csv:$top/none.csv:$toy/images"

expect_ok "preview: a sheet" data preview "$(spec train)" --output "$top/sheet.png" --count 5 --cell 80
expect_ok "preview: is a picture" data preview "$(spec val)" --output "$top/sheet.jpg" --columns 1 --cell 80
expect_exit "preview: to nowhere" 2 "--output F is needed" data preview "$(spec val)"
expect_exit "preview: no picture's name" 2 "sheet.txt" data preview "$(spec val)" --output "$top/sheet.txt"

# ---- mistakes ---------------------------------------------------------------------------------

bad=$top/bad.csv
name=$(sed -n 2p "$toy/train.csv" | cut -d , -f 1)
other=$(images_of "$toy/val.csv" | head -n 1)
head -c 700 "$toy/images/$name" > "$toy/images/cut.png"
cp "$toy/images/$name" "$toy/images/copy.png"
cat > "$bad" << END
filename,xmin,ymin,xmax,ymax,class
$name,10,10,30,30,with_mask
$name,30,10,10,30,with_mask
$name,9000,9000,9010,9010,with_mask
gone.png,10,10,30,30,with_mask
cut.png,10,10,30,30,without_mask
$other,10,10,30,30,zebra
END
check_bad() { data check "$(spec val)" "csv:$bad:$toy/images" "$@"; }
problem() { # title text
    cases=$((cases + 1))
    check_bad > "$case_log" 2>&1
    [ $? -eq 3 ] || failed_case "check: $1" "not exit status 3"
    grep -q -F -e "$2" "$case_log" || failed_case "check: $1" "does not say '$2'"
}
problem "inverted box" "bad.csv:3: error: the box 30,10,10,30"
problem "box outside" "bad.csv:4: error: $name: the box 9000,9000,9010,9010 lies outside"
problem "missing image" "bad.csv:5: error: gone.png: there is no file"
problem "truncated image" "bad.csv:6: error: cut.png: "
problem "image of both sets" "bad.csv:7: error: $other: the very same picture is \"$other\" of set 1"
problem "class of one set only" "error: the class \"zebra\" is none of the first set's"
expect_ok "check: JSON is for programs" sh -c "'$bin/md-data' check 'csv:$bad:$toy/images' --quiet --json - |
    grep -c '^{\"kind\": \"[a-z-]*\", \"level\": \"[a-z]*\", \"set\": 1, .*\"line\": [0-9]*,.*\"}' | grep -q '^4\$'"
printf 'filename,xmin,ymin,xmax,ymax,class\ncopy.png,10,10,30,30,with_mask\n%s,10,10,30,30,with_mask\n' "$name" > "$top/twice.csv"
expect_output "check: a repeated picture is a warning" "0 errors, 1 warnings" data check "csv:$top/twice.csv:$toy/images"
cases=$((cases + 1))
data check "csv:$top/twice.csv:$toy/images" --strict > "$case_log" 2>&1
[ $? -eq 3 ] || failed_case "check: --strict" "not exit status 3"
cases=$((cases + 1))
data check "csv:$top/none.csv:$toy/images" > "$case_log" 2>&1
[ $? -eq 3 ] && grep -q 'none.csv.*\[file\]' "$case_log" || failed_case "check: no such file" "not told with status 3"
labels=$(find "$top/yolo/labels" -name '*.txt' | sort | head -n 1)
echo "0 0.5 0.5 0.2" >> "$labels"
echo "7 0.5 0.5 0.2 0.2" >> "$labels"
cases=$((cases + 1))
data check "yolo:$top/yolo:train" > "$case_log" 2>&1
[ $? -eq 3 ] && [ "$(grep -c "$(basename "$labels"):[0-9]*: error: .*\[annotation\]" "$case_log")" -eq 2 ] ||
    failed_case "check: two bad lines of YOLO" "not both are told with their line"
expect_exit "check: no such folder" 2 "not a folder" data check "csv:$bad:$top/nowhere"
expect_exit "check: --near out of range" 2 "--near 12" data check --near 12 toy:1:1
finish
