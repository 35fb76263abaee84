#!/bin/sh
# test_probe.sh - the probe finds what is there, obeys 0 and 1, and says what it cannot find.
. tests/support/cases.sh
CC=${CC:-cc}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work" "$case_log"' EXIT

# A compiler that cannot find oneDNN, libjpeg or OpenMP.
cat > "$work/poor-cc" << END
#!/bin/sh
for word in "\$@"; do
    case \$word in
        -ldnnl | -ljpeg | -fopenmp) echo "no \$word here" >&2; exit 1 ;;
    esac
done
exec $CC "\$@"
END
chmod +x "$work/poor-cc"

# Lets make itself read what the probe wrote, as the Makefile does.
read_by_make() { # environment words...
    env "$@" sh tools/probe.sh > "$work/features.mk" || return 1
    printf 'include %s/features.mk\nall:\n\t@echo HAVE_ONEDNN=$(HAVE_ONEDNN) $(FEATURE_DEFS) $(FEATURE_LIBS)\n' \
        "$work" > "$work/Makefile"
    make -s -f "$work/Makefile"
}
lacks() { # text environment words...
    text=$1
    shift
    read_by_make "$@" > "$work/output" 2>&1 && ! grep -q -e "$text" "$work/output"
}

expect_output "says what it found" "# found:" env CC="$CC" sh tools/probe.sh
expect_output "libyaml is always linked" "-lyaml" read_by_make CC="$CC"
expect_output "ONEDNN=0 turns it off" "HAVE_ONEDNN=0" read_by_make CC="$CC" ONEDNN=0
expect_ok "ONEDNN=0 does not link it" lacks -ldnnl CC="$CC" ONEDNN=0
expect_output "auto does without what is missing" "HAVE_ONEDNN=0" read_by_make CC="$work/poor-cc"
expect_ok "a missing library is not linked" lacks -ljpeg CC="$work/poor-cc"
expect_ok "a missing OpenMP is not asked for" lacks -fopenmp CC="$work/poor-cc"
expect_failure "ONEDNN=1 without oneDNN" "ONEDNN=1 was asked for" read_by_make CC="$work/poor-cc" ONEDNN=1
expect_failure "JPEG=1 without libjpeg" "JPEG=1 was asked for" read_by_make CC="$work/poor-cc" JPEG=1
expect_failure "a word that is none" "ONEDNN is auto, 0 or 1, not 'yes'" read_by_make CC="$CC" ONEDNN=yes
expect_failure "the Makefile passes it on" "ONEDNN=1 was asked for" \
    env MDET_SETUP=0 make -s lib CC="$work/poor-cc" ONEDNN=1 BUILD="$work/build" OUT="$work/out"
expect_failure "no compiler" "no C compiler" env CC="$work/none" sh tools/setup.sh
finish
