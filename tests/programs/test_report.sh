#!/bin/sh
# test_report.sh - md-eval --output: the folder, and its page as a browser shows it on a phone and on a desk.
. tests/support/cases.sh
case ${MODE:-release} in
    release) bin=$PWD/build/bin ;;
    *) bin=$PWD/build/$MODE/bin ;;
esac
top=$(mktemp -d) || exit 1
trap 'rm -rf "$top" "$case_log"' EXIT

# ---- toy scenes, of which one class has a name that is markup; most truths are found ------------

"$bin/md-data" convert toy:16:7 "coco:$top/plain.json:$top/images" --images copy --quiet > "$case_log" 2>&1 ||
    failed_case "toy scenes" "not written"
sed 's/"with_mask"/"<img src=x onerror=alert(1)>"/' "$top/plain.json" > "$top/truth.json"
awk '/"bbox"/ {
    match($0, /"image_id": [0-9]+/); image = substr($0, RSTART + 12, RLENGTH - 12)
    match($0, /"category_id": [0-9]+/); class = substr($0, RSTART + 15, RLENGTH - 15)
    match($0, /"bbox": \[[^]]*\]/); box = substr($0, RSTART, RLENGTH)
    n++
    if (n % 7 == 0) next
    if (n % 5 == 0) class = 3 - class
    printf "%s{\"image_id\": %d, \"category_id\": %d, %s, \"score\": 0.%d}", (out++ ? ",\n" : "["), image,
           class, box, 99 - n
    if (n % 4 == 0)
        printf ",\n{\"image_id\": %d, \"category_id\": %d, \"bbox\": [1, 2, 30, 40], \"score\": 0.4%d}",
               image, class, n
} END { print "]" }' "$top/truth.json" > "$top/found.json"
data="coco:$top/truth.json:$top/images"

report() { "$bin/md-eval" --quiet --threads 1 --predictions "$top/found.json" --data "$data" --output "$top/out" "$@"; }

expect_output "the report is named" "Report: $top/out/report.html" report
for name in metrics.json coco_instances_results.json report.html plots/confusion_matrix.svg \
    plots/pr_curve.png plots/f1_curve.svg plots/p_curve.svg plots/r_curve.svg plots/sizes.png plots/scores.png; do
    expect_ok "$name" test -s "$top/out/$name"
done
# The table prints three decimals of the number in the file.
same_number() {
    printed=$(report | sed -n 's/^copypaste: \([0-9.]*\),.*/\1/p')
    written=$(sed -n 's/^ *"bbox\/AP": \([0-9.]*\),$/\1/p' "$top/out/metrics.json")
    [ "$(printf %.4f "$written")" = "$printed" ]
}
expect_ok "the same AP in print and in the file" same_number
again() {
    "$bin/md-eval" --quiet --threads 1 --predictions "$top/out/coco_instances_results.json" --data "$data" \
        --output "$top/again" > "$top/log" && cmp "$top/again/metrics.json" "$top/out/metrics.json"
}
expect_ok "its own results give the same numbers" again
expect_ok "nothing is left half written" test -z "$(find "$top/out" -name '*.tmp-*')"
expect_exit "the folder is a file" 1 "found.json" "$bin/md-eval" --quiet --predictions "$top/found.json" \
    --data "$data" --output "$top/found.json"

# ---- more classes than a terminal is wide ---------------------------------------------------------

awk 'BEGIN {
    for (i = 1; i <= 15; i++) {
        classes = classes (i > 1 ? "," : "") "{\"id\": " i ", \"name\": \"kind" i "\"}"
        truths = truths (i > 1 ? "," : "") "{\"id\": " i ", \"image_id\": 1, \"category_id\": " i \
                 ", \"bbox\": [" 40 * i ", 9, 30, 30], \"area\": 900, \"iscrowd\": 0}"
    }
    print "{\"images\": [{\"id\": 1, \"file_name\": \"1.jpg\", \"width\": 700, \"height\": 50}],"
    print "\"categories\": [" classes "], \"annotations\": [" truths "]}"
}' > "$top/many.json"
printf '[{"image_id": 1, "category_id": 7, "bbox": [120, 9, 30, 30], "score": 0.9}]' > "$top/one.json"
many() {
    "$bin/md-eval" --quiet --threads 1 --predictions "$top/one.json" --data "coco:$top/many.json" --output "$top/many"
}
expect_output "the largest confusions in place of a matrix" "kind3       kind7             1" many
expect_ok "the page has the same" grep -q '<bdi>kind3</bdi></th><td class="left"><bdi>kind7</bdi></td><td>1</td>' \
    "$top/many/report.html"
expect_ok "pictures that could not be read are told" grep -q 'images could not be read' "$top/many/report.html"

if command -v xmllint > /dev/null 2>&1; then
    expect_ok "the plots are XML" xmllint --noout "$top"/out/plots/*.svg
else
    skip_case "no xmllint"
fi

# ---- in a browser: nothing runs, nothing is wider than the screen --------------------------------

browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
in_browser() { # width
    cat > "$top/probe.html" << END
<!DOCTYPE html><meta charset="utf-8"><pre id="said">not loaded</pre>
<iframe id="frame" style="width:$1px;height:900px;border:0" src="out/report.html"></iframe>
<script>
frame.onload = function () {
    var page = frame.contentDocument, root = page.documentElement;
    var count = function (what) { return page.querySelectorAll(what).length; };
    said.textContent = 'wide ' + (root.scrollWidth > root.clientWidth) + ' sections ' + count('section') +
        ' scripts ' + count('script, [onerror], [onload], img[src="x"]') +
        ' without words ' + count('img:not([alt]), svg:not([aria-label])') +
        ' plots ' + count('figure > svg') + ' pictures ' + (count('.gallery img') > 5) +
        ' shown ' + (page.querySelector('.gallery img').naturalWidth > 100) +
        ' title ' + page.title;
};
</script>
END
    timeout 60 "$browser" --headless --no-sandbox --disable-gpu --user-data-dir="$top/profile" \
        --allow-file-access-from-files --virtual-time-budget=10000 --dump-dom "file://$top/probe.html" 2> /dev/null
}
looks() { # width
    in_browser "$1" | tee "$top/dom" |
        grep -F 'wide false sections 7 scripts 0 without words 0 plots 6 pictures true shown true title found.json on'
}
if [ -z "$browser" ]; then
    skip_case "no chromium to look at the page with"
elif ! in_browser 390 | grep -q 'id="said"'; then
    skip_case "$browser does not run here"
else
    expect_ok "on a phone" looks 390
    expect_ok "on a desk" looks 1280
fi
finish
