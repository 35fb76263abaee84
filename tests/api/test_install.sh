#!/bin/sh
# test_install.sh - installs into a folder, builds users of the library against what is there with
# pkg-config, shared and static, runs them, and takes all away again.
. tests/support/cases.sh
CC=${CC:-cc}
MODE=${MODE:-release}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work" "$case_log"' EXIT
prefix=$work/usr

case $MODE in asan | tsan)
    skip_case "users would need the sanitizer's flags: install is tested in the other modes"
    finish
    exit
    ;;
esac

# As another library or program may have them: they must not meet ours.
cat > "$work/user.c" << 'END'
#include <md.h>
#include <stdio.h>
#include <string.h>
int error_set(void);
int error_set(void) { return 7; }
int memory_alloc(void);
int memory_alloc(void) { return 8; }
int main(void)
{
    printf("version %s\n", md_version_string());
    return md_version_number() != MD_VERSION_NUMBER || !*md_status_text(MD_ENOMEM) || error_set() != 7 ||
           memory_alloc() != 8;
}
END

pkg() {
    PKG_CONFIG_PATH="$prefix/lib/pkgconfig" pkg-config "$@"
}
build_shared() { # source program
    # shellcheck disable=SC2046 # words on purpose
    $CC -std=c11 -Wall -Wextra -Wpedantic -Werror "$1" -o "$2" $(pkg --cflags --libs mdet)
}
build_static() {
    # shellcheck disable=SC2046
    $CC -std=c11 -Wall -Wextra -Wpedantic -Werror "$1" -o "$2" $(pkg --cflags mdet) "$prefix/lib/libmdet.a" \
        $(pkg --libs --static mdet | sed "s/-lmdet //")
}
only_md_names() { # what the archive shows
    ! nm -g --defined-only "$prefix/lib/libmdet.a" | awk 'NF == 3 && $3 !~ /^md_/' | grep .
}
has_soname() {
    objdump -p "$prefix/lib/libmdet.so" | grep -q 'SONAME *libmdet\.so\.0$'
}
nothing_left() {
    ! find "$prefix" -not -type d | grep .
}

expect_ok "install" make -s install MODE="$MODE" PREFIX="$prefix"
expect_output "pkg-config knows the version" 0.1.0 pkg --modversion mdet
expect_ok "a user of the shared library builds" build_shared "$work/user.c" "$work/shared"
expect_output "and runs" "version 0.1.0" env LD_LIBRARY_PATH="$prefix/lib" "$work/shared"
expect_failure "it does need the shared library" "libmdet.so.0" env -u LD_LIBRARY_PATH "$work/shared"
expect_ok "a user of the static library builds" build_static "$work/user.c" "$work/static"
expect_output "and runs" "version 0.1.0" "$work/static"
expect_ok "the archive shows only md_ names" only_md_names
expect_ok "the soname carries the major version" has_soname
for example in examples/predict.c examples/train_minimal.c examples/own_dataset.c; do
    [ -f $example ] && expect_ok "$example builds against the installed library" build_shared $example "$work/example"
done
for program in "$prefix"/bin/md-*; do
    [ -f "$program" ] && expect_output "${program##*/} --version" 0.1.0 "$program" --version
done
expect_ok "uninstall" make -s uninstall MODE="$MODE" PREFIX="$prefix"
expect_ok "leaves no file" nothing_left
expect_ok "install below DESTDIR" make -s install MODE="$MODE" DESTDIR="$work/stage" PREFIX=/opt/mdet
expect_output "mdet.pc does not name DESTDIR" "prefix=/opt/mdet" cat "$work/stage/opt/mdet/lib/pkgconfig/mdet.pc"
finish
