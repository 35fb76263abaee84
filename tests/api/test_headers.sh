#!/bin/sh
# test_headers.sh - each public header compiles alone, as C11 and as C++11, and so does each
# internal one as C11; twice included is fine.
. tests/support/cases.sh
expect_ok "headers compile alone" sh tools/lint.sh headers
command -v g++ > /dev/null || command -v clang++ > /dev/null || skip_case "no C++ compiler"
finish
