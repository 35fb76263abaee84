#!/bin/sh
# test_kernel_budget.sh - a kernel that spills, grows or has no budget is found; those of this build are within.
. tests/support/cases.sh
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work" "$case_log"' EXIT
mkdir -p "$work/kernels" "$work/build"
echo '/* x.cu */' > "$work/kernels/x.cu"

# As nvcc -Xptxas -v prints it: two instances of a template on one architecture, one on another.
report() { # registers, shared, stack, spilled
    cat > "$work/build/x.ptxas" << REPORT
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '_Z6conv_kI13__nv_bfloat16Li16EEvPT_PKS1_N29_GLOBAL__N__a6cf851d_4_t_cu_l1PE' for 'sm_80'
ptxas info    : Function properties for _Z6conv_kI13__nv_bfloat16Li16EEvPT_PKS1_N29_GLOBAL__N__a6cf851d_4_t_cu_l1PE
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 10 registers, used 1 barriers, 1024 bytes smem, 372 bytes cmem[0]
ptxas info    : Compiling entry function '_Z6conv_kIfLi8EEvPT_PKS0_N29_GLOBAL__N__a6cf851d_4_t_cu_l1PE' for 'sm_80'
ptxas info    : Function properties for _Z6conv_kIfLi8EEvPT_PKS0_N29_GLOBAL__N__a6cf851d_4_t_cu_l1PE
    $3 bytes stack frame, $4 bytes spill stores, $4 bytes spill loads
ptxas info    : Used $1 registers, used 1 barriers, $2 bytes smem, 372 bytes cmem[0]
ptxas info    : Compiling entry function '_Z5plainPf' for 'sm_120'
ptxas info    : Function properties for _Z5plainPf
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 250 registers, used 0 barriers
REPORT
}
check() {
    KERNELS="$work/kernels" sh tools/kernel_budget.sh "$work/build" "$@"
}
budget() {
    printf '%s\n' "$@" > "$work/kernels/budget.txt"
}

expect_failure "nothing was built" "no .ptxas file" check
report 40 2048 0 0
budget '# a comment' 'x.cu conv_k 40 2048'
expect_ok "within its budget, which is not for sm_120" check
expect_output "the table has the worst instance" "conv_k                            40 registers   2048 bytes" check --table
expect_output "a new list rounds registers up" "x.cu conv_k 40 2048" check --budget
report 41 2048 0 0
expect_failure "one register more" "conv_k takes 41 registers, budget 40" check
report 40 2049 0 0
expect_failure "one byte more" "conv_k takes 2049 bytes of static shared memory, budget 2048" check
report 40 2048 0 8
expect_failure "a spill" "conv_k spills 16 bytes of registers on sm_80" check
report 40 2048 16 0
expect_failure "an array on the stack" "conv_k keeps 16 bytes on its stack" check
report 40 2048 0 0
budget '# empty'
expect_failure "no budget" "conv_k has no line" check
budget 'x.cu conv_k 40 2048' 'x.cu gone 40 0'
expect_failure "a budget without its kernel" "x.cu gone is no kernel any more" check
budget 'x.cu conv_k 40 2048'
printf 'not a report' > "$work/build/old.ptxas"
expect_ok "a report without its source" check

in_the_table() { # docs/kernels.md
    lost=0
    while read -r file kernel rest; do
        case $file in \#*) continue ;; esac
        grep -q "^| .*$kernel.* | $file |" docs/kernels.md || { echo "docs/kernels.md: no row of $kernel, $file" && lost=1; }
    done < kernels/budget.txt
    return $lost
}
expect_ok "each kernel has its row in docs/kernels.md" in_the_table

if ls "${BUILD:-build/release}"/kernels/*.ptxas > /dev/null 2>&1; then
    expect_ok "the kernels of this build" sh tools/kernel_budget.sh "${BUILD:-build/release}/kernels"
else
    skip_case "no kernels were built here: their registers"
fi
finish
