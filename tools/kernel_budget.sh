#!/bin/sh
# kernel_budget.sh - what the compiler says of each kernel, against kernels/budget.txt.
#
#   kernel_budget.sh FOLDER            a line for each breach; none and exit status 0 when all is well
#   kernel_budget.sh FOLDER --table    file, kernel, registers, static shared memory, as a table
#   kernel_budget.sh FOLDER --budget   a new kernels/budget.txt on standard output
#
# FOLDER has a NAME.ptxas for each kernels/NAME.cu: what nvcc -Xptxas -v printed as it was built. No
# kernel may spill or keep an array on its stack, on any architecture. Registers and static shared
# memory are bounded on those that BUDGET_ARCHS names; the worst instance of a template counts.
# KERNELS is another folder than kernels/, for tests.
set -u
folder=${1:?a folder of .ptxas files} what=${2:-}
kernels=${KERNELS:-kernels}
budget=$kernels/budget.txt
archs=${BUDGET_ARCHS:-80 90}
LC_ALL=C
export LC_ALL

# One line for each compiled instance: file kernel architecture registers shared stack spilled
instances() {
    for report in "$folder"/*.ptxas; do
        file=$(basename "$report" .ptxas).cu
        [ -f "$kernels/$file" ] || continue # a removed kernel leaves its report behind
        c++filt < "$report" | awk -v file="$file" '
            function number(unit,    text) { # the one in front of `unit`
                if (!match($0, "[0-9]+ " unit)) return 0
                text = substr($0, RSTART, RLENGTH)
                return text + 0
            }
            /Compiling entry function/ {
                arch = $0
                sub(/.* for .sm_/, "", arch); sub(/[^0-9].*/, "", arch)
                kernel = $0
                sub(/.*entry function ./, "", kernel)
                gsub(/\(anonymous namespace\)::/, "", kernel)
                sub(/^void /, "", kernel)
                sub(/[<(].*/, "", kernel)
                sub(/.*[ :]/, "", kernel)
                stack = spilled = 0
            }
            /bytes stack frame/ { # of the kernel, and of each function that it calls
                stack += number("bytes stack frame")
                spilled += number("bytes spill stores") + number("bytes spill loads")
            }
            /: Used [0-9]+ registers/ { print file, kernel, arch, number("registers"), number("bytes smem"), stack, spilled }'
    done
}

# The worst of a kernel's instances on the bounded architectures.
worst() {
    instances | awk -v archs=" $archs " '
        index(archs, " " $3 " ") {
            key = $1 " " $2
            if (!(key in registers)) registers[key] = shared[key] = 0
            if ($4 > registers[key]) registers[key] = $4
            if ($5 > shared[key]) shared[key] = $5
        }
        END { for (key in registers) print key, registers[key], shared[key] }' | sort
}

breaches() {
    instances | awk '
        $6 > 0 && !told["stack" $0]++ { print "kernels/" $1 ": " $2 " keeps " $6 " bytes on its stack on sm_" $3 ": an array with a computed index?" }
        $7 > 0 && !told["spill" $0]++ { print "kernels/" $1 ": " $2 " spills " $7 " bytes of registers on sm_" $3 }'
    worst | awk -v budget="$budget" '
        BEGIN {
            while ((getline line < budget) > 0)
                if (line !~ /^#/ && split(line, f, " ") == 4) { registers[f[1] " " f[2]] = f[3]; shared[f[1] " " f[2]] = f[4] }
        }
        !(($1 " " $2) in registers) { print "kernels/" $1 ": " $2 " has no line in " budget " (make budget)"; next }
        { seen[$1 " " $2] = 1 }
        $3 > registers[$1 " " $2] { print "kernels/" $1 ": " $2 " takes " $3 " registers, budget " registers[$1 " " $2] }
        $4 > shared[$1 " " $2] { print "kernels/" $1 ": " $2 " takes " $4 " bytes of static shared memory, budget " shared[$1 " " $2] }
        END { if (NR > 0) for (key in registers) if (!(key in seen)) print budget ": " key " is no kernel any more (make budget)" }'
}

ls "$folder"/*.ptxas > /dev/null 2>&1 || { echo "$folder: no .ptxas file; the build of kernels by nvcc writes them" && exit 1; }
case $what in
    --table) worst | awk '{ printf "%-20s %-32s %3d registers %6d bytes\n", $1, $2, $3, $4 }' ;;
    --budget)
        echo '# file, kernel, most registers, most bytes of static shared memory: tools/kernel_budget.sh'
        # What depends on the compiler by a register or two is no breach: the next multiple of 8,
        # in which the hardware hands registers out.
        worst | awk '{ print $1, $2, int(($3 + 7) / 8) * 8, $4 }' ;;
    '')
        found=$(breaches)
        [ -z "$found" ] || { printf '%s\n' "$found" && exit 1; } ;;
    *) echo "kernel_budget.sh: no $what" >&2 && exit 2 ;;
esac
