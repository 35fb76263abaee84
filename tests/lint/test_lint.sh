#!/bin/sh
# test_lint.sh - each rule passes a small clean tree and catches what is planted in it.
. tests/support/cases.sh
CC=${CC:-cc}
lint=$(pwd)/tools/lint.sh
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work" "$case_log"' EXIT

clean_tree() {
    rm -rf "$work/tree" && mkdir -p "$work/tree" && cd "$work/tree" || exit 1
    mkdir -p lib/core lib/image include/md tests/api examples build/release/lib/core build/lib
    printf 'core:\nimage: core\n' > lib/LAYERS
    printf '/* %s - all of it. */\n#ifndef MD_H\n#define MD_H\n#include "md/base.h"\n#endif\n' md.h > include/md.h
    cat > include/md/base.h << 'END'
/* md/base.h - the base. */
#ifndef MD_BASE_H
#define MD_BASE_H
#define MD_API __attribute__((visibility("default")))
#ifdef __cplusplus
extern "C" {
#endif
MD_API int md_one(void);
#ifdef __cplusplus
}
#endif
#endif
END
    printf '/* one.h - one. */\n#ifndef CORE_ONE_H\n#define CORE_ONE_H\nint one(void);\n#endif\n' > lib/core/one.h
    cat > lib/core/one.c << 'END'
/* one.c - one. */
#include "core/one.h"

#include "md/base.h"

static const char *const words[] = {"malloc", "not called"};

int one(void)
{
    return words[0][0] == 'm';
}

int md_one(void)
{
    return one();
}
END
    printf '/* md_one.c - prints one. */\n#include <md.h>\n\nint main(void)\n{\n    return md_one();\n}\n' > examples/md_one.c
    echo md_one > tests/api/symbols.txt
    cp "$root/.clang-format" .
    build
}

build() {
    $CC -std=c11 -fPIC -fvisibility=hidden -Iinclude -Ilib -c lib/core/one.c -o build/release/lib/core/one.o &&
        $CC -shared build/release/lib/core/one.o -o build/lib/libmdet.so.0.1.0
}

catches() { # title, text it says, rule; planted in the present tree
    BUILD=build/release SHARED=build/lib/libmdet.so.0.1.0 expect_failure "$1" "$2" sh "$lint" "$3"
    clean_tree
}

repeat() { # count text
    awk -v count="$1" -v text="$2" 'BEGIN { for (i = 0; i < count; i++) print text }'
}

root=$(pwd)
clean_tree
expect_ok "a clean tree passes" sh "$lint"

echo '#include "image/image.h"' >> lib/core/one.c
catches "a lower layer includes a higher" 'lib/core may not include "image/image.h"' layers
echo '#include "one.h"' >> lib/core/one.c
catches "an include without its folder" '"one.h" is not named from lib/' layers
mkdir lib/nowhere && echo '#include "core/one.h"' > lib/nowhere/x.c
catches "a folder without a line" 'not in lib/LAYERS' layers
echo '#include "core/one.h"' >> examples/md_one.c
catches "a program looks inside" 'public headers only' layers

mkdir examples/support && echo '/* share.h - shared. */' > examples/support/share.h
printf '/* share.c - shared. */\n#include "share.h"\n' > examples/support/share.c
expect_ok "what programs share lies beside them" sh "$lint" layers
echo '#include "one.h"' >> examples/support/share.c
catches "shared code looks inside" 'public headers only' layers

repeat 500 '' >> lib/core/one.c
catches "a long file" 'lines in a file, limit 500' sizes
repeat 260 '' >> lib/core/one.h
catches "a long header" 'lines in a file, limit 260' sizes
{ echo 'static int longest(void) {' && repeat 79 '    one();' && echo '}'; } >> lib/core/one.c
catches "a long function" 'longest: 81 lines, limit 80' sizes
echo 'void f(int a, int b, int c, int d, int e, int (*g)(int, int), int h, int i, int j) { }' >> lib/core/one.c
catches "nine parameters" 'f: 9 parameters, limit 8' sizes
echo 'int g(int a) { if (a) { while (a) { do { for (;;) { switch (a) { } } } while (a); } } return a; }' >> lib/core/one.c
catches "five levels" 'g: 5 levels of nesting, limit 4' sizes
printf 'int k(int a)\n{\n    return a == 1 || a == 2 || a == 3 || a == 4 || a == 5 || a == 6 || a == 7 || a == 8\n        || a == 9 || a == 10 || a == 11 || a == 12 || a == 13 || a == 14 || a == 15 ? 1 : 0;\n}\n' >> lib/core/one.c
catches "sixteen paths" 'k: 16 paths' sizes
printf '/* %0111d */\n' 0 >> lib/core/one.c
catches "a wide line" '117 columns, limit 110' sizes
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18; do echo "static int s$i(void) { return 0; }"; done >> lib/core/one.c
for i in 1 2; do echo "static int t$i(void) {" && repeat 50 '    one();' && echo '}'; done >> lib/core/one.c
catches "too many long functions" '% of the functions within 45 lines' sizes

# What only looks like a breach.
cat >> lib/core/one.c << 'END'
#define EACH(x) \
    if (x) { if (x) { if (x) { if (x) { if (x) { } } } } }
/* if (a) { if (a) { if (a) { if (a) { if (a) { { { */
static const char braces[] = "{{{{{{ \" {{{{{{", quote = '{';
struct point { int x, y; };
static const struct point table[2] = {{1, 2}, {3, 4}};
int h(void (*call)(int, int, int), int (*more)(int, int, int), int a, int b, int c, int d)
{
    call(braces[0] + quote, ((struct point){.x = 1, .y = (int){2}}).x, table[a].y);
    return more(b, c, d);
}
END
expect_ok "braces in comments, strings, macros and values" sh "$lint" sizes
clean_tree

echo md_two >> tests/api/symbols.txt
catches "a name that is gone" 'md_two is not exported' symbols
echo 'MD_API int md_three(void);' >> include/md/base.h
catches "a promise without a function" 'md_three is declared but not exported' symbols
echo '__attribute__((visibility("default"))) int leaked(void); int leaked(void) { return 1; }' >> lib/core/one.c
build
catches "a name that leaks" 'leaked is exported but not listed' symbols
echo 'static int counter; int count(void); int count(void) { return ++counter; }' >> lib/core/one.c
build
catches "a mutable static" 'counter is a mutable object' state
echo '_Thread_local int mine = 3;' >> lib/core/one.c
build
catches "a thread-local static" 'mine is a mutable object' state

echo '#include <stdlib.h>' >> lib/core/one.c
echo 'void *take(int n); void *take(int n) { return malloc((unsigned)n); }' >> lib/core/one.c
build
catches "malloc" 'calls malloc' banned
printf '#include <stdio.h>\nvoid say(int n);\nvoid say(int n) { fprintf(stderr, "%%d", n); }\n' >> lib/core/one.c
build
catches "printing" 'calls stderr' banned

echo 'size_t two(void);' > lib/core/two.h
catches "a header that leans on others" 'core/two.h does not compile alone' headers
sed -i '1a int md_class(int class);' include/md/base.h
if command -v g++ > /dev/null || command -v clang++ > /dev/null; then
    catches "a public header that is no C++" 'does not compile alone as c++' headers
else
    skip_case "no C++ compiler" && clean_tree
fi

printf '/* TO%s: later */\n' DO >> lib/core/one.c
catches "unfinished work" 'one.c:' words
printf '/* TO%s: https://example.org/1 */\n' DO >> lib/core/one.c
expect_ok "unfinished work with a link" sh "$lint" words
clean_tree
printf '/* see /wo%s */\n' rk/here >> lib/core/one.c
catches "a foreign path" 'one.c:' words
printf '/* caf\303\251 */\n' >> lib/core/one.c
catches "not ASCII" 'not ASCII' words
sed -i 1d lib/core/one.c
catches "no first line" 'does not begin with /* one.c - one sentence' words

if clang-format-14 --version > /dev/null 2>&1; then
    printf 'int  two( void )\n{ return 2; }\n' >> lib/core/one.c
    catches "layout" 'make format' layout
else
    skip_case "no clang-format 14" && clean_tree
fi
mkdir tools && cp "$root/tools/probe.sh" tools
printf 'int two(void);\nint two(void)\n{\n    int unused = 1L << 40;\n    return 2;\n}\n' >> lib/core/one.c
catches "a warning" 'one.c:' compilers
cd "$root" && finish
