#!/bin/sh
# test_gpu_check.sh - the GPU check without a GPU, and its bookkeeping beside a made-up one.
. tests/support/cases.sh
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work" "$case_log"' EXIT
mkdir -p "$work/none" "$work/some" "$work/tree/tools" "$work/tree/bench"
printf '#!/bin/sh\necho "no devices were found"\nexit 9\n' > "$work/none/nvidia-smi"
cat > "$work/some/nvidia-smi" << 'FAKE'
#!/bin/sh
case $1 in
    -L) echo 'GPU 0: Made Up 1 "quoted" (UUID: GPU-0)' ;;
    *name*) echo 'NVIDIA Made Up 1 "quoted"' ;;
    *) echo 90 ;;
esac
FAKE
printf '#!/bin/sh\necho "a compiler that cannot: \\"tab\there\\""\nexit 1\n' > "$work/some/nvcc"
chmod +x "$work/none/nvidia-smi" "$work/some/nvidia-smi" "$work/some/nvcc"
cp tools/gpu_check.sh "$work/tree/tools"

with() { # none or some, arguments
    machine=$work/$1
    shift
    (cd "$work/tree" && PATH="$machine:$PATH" OUT="$work/out" GPU_CHECK_COMMIT=abc sh tools/gpu_check.sh "$@")
}
result() {
    cat "$work/out/gpu-made-up-1-quoted.json"
}
is_json() {
    result | python3 -m json.tool
}

for section in machine build device_tests limits fps peer train train_peer masks ops layers engines sanitize compile suite; do
    expect_output "the plan has $section" "$section " sh tools/gpu_check.sh --plan
done
expect_exit "no GPU: says so" 77 "no GPU here" with none
expect_ok "no GPU leaves no result" test ! -e "$work/out"
expect_failure "an unknown section" "no section 'speed'" with none --only machine,speed
expect_failure "an unknown option" "gpu_check.sh - everything" with none --speed
expect_output "one section" "0 sections failed" with some --only machine
expect_output "its result" '"machine": {"status": "ok"' result
expect_output "the commit" '"commit": "abc"' result
expect_failure "a section that fails" "1 sections failed" with some --only limits
expect_output "the earlier section is kept" '"machine": {"status": "ok"' result
expect_output "the failed one says why" 'bench/gpu_limits.cu does not compile' result
expect_failure "a section without its program" "md-fps was not built" with some --only fps
expect_output "quotes and tabs in a log" 'a compiler that cannot: \"tab\there\"' result
expect_output "no time is left" '"machine": {"status": "skipped"' \
    env GPU_CHECK_SECONDS=0 sh -c "$(printf 'cd %s && PATH=%s:$PATH OUT=%s sh tools/gpu_check.sh --only machine > /dev/null; cat %s/*.json' \
    "$work/tree" "$work/some" "$work/late" "$work/late")"
if python3 -c 'import json' 2> /dev/null; then
    expect_ok "the result is JSON" is_json
else
    skip_case "no python3: whether the result is JSON"
fi
finish
