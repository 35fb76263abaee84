#!/bin/sh
# test_corpus.sh - every seed and every find of the fuzz targets runs through its parser.
. tests/support/cases.sh
BUILD=${BUILD:-build/release}
for source in tests/fuzz/fuzz_*.c; do
    name=$(basename "$source" .c)
    set -- "tests/fuzz/corpus/${name#fuzz_}"/*
    [ -f "$1" ] || set --
    expect_ok "$name has seeds" [ $# -gt 0 ]
    expect_ok "$name" timeout 120 "$BUILD/tests/fuzz/replay_$name" "$@"
done
finish
