/* test_markup.c - hostile text between tags; data in base64. */
#include "core/markup.h"

#include <string.h>

#include "core/error.h"
#include "suite.h"
#include "support/failing_memory.h"

static const struct {
    const char *text, *wanted;
} texts[] = {
    {"", ""},
    {"plain", "plain"},
    {"<img src=x onerror='alert(1)'>", "&lt;img src=x onerror=&#39;alert(1)&#39;&gt;"},
    {"\"><script>", "&quot;&gt;&lt;script&gt;"},
    {"&lt; & &amp;", "&amp;lt; &amp; &amp;amp;"},
    {"a\tb\nc\rd", "a b c d"},
    {"\x01\x1b[31m\x7f", "\xef\xbf\xbd\xef\xbf\xbd[31m\xef\xbf\xbd"},
    {"\xc2\x85\xc2\xa0", "\xef\xbf\xbd\xc2\xa0"},
    {"Gr\xc3\xb6\xc3\x9f"
     "e \xe2\x82\xac \xf0\x9f\x98\x80",
     "Gr\xc3\xb6\xc3\x9f"
     "e \xe2\x82\xac \xf0\x9f\x98\x80"},
    /* Latin-1, an overlong '<', a surrogate, a cut character, the non-characters FFFE and FFFF. */
    {"\xe4", "\xef\xbf\xbd"},
    {"\xc0\xbc", "\xef\xbf\xbd\xef\xbf\xbd"},
    {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    {"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"},
    {"\xef\xbf\xbe\xef\xbf\xbf\xef\xbf\xbd", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
};

START_TEST(text_cannot_leave_its_place)
{
    struct memory memory;
    struct buffer out;
    memory_init(&memory, NULL);
    buffer_init(&out, &memory);
    ck_assert_int_eq(markup_put_text(&out, texts[_i].text), MD_OK);
    ck_assert_str_eq(out.data ? out.data : "", texts[_i].wanted);
    buffer_free(&out);
}
END_TEST

START_TEST(data_is_base64)
{
    static const char *const wanted[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
                                         "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    struct memory memory;
    memory_init(&memory, NULL);
    for (size_t size = 0; size <= 6; size++) { /* the examples of RFC 4648, section 10 */
        struct buffer out;
        buffer_init(&out, &memory);
        ck_assert_int_eq(markup_put_data(&out, "image/png", "foobar", size), MD_OK);
        ck_assert(strncmp(out.data, "data:image/png;base64,", 22) == 0);
        ck_assert_str_eq(out.data + 22, wanted[size]);
        buffer_free(&out);
    }
    struct buffer out;
    buffer_init(&out, &memory);
    ck_assert_int_eq(markup_put_data(&out, "x", "\xff\xef\xbe\x00", 4), MD_OK);
    ck_assert_str_eq(out.data, "data:x;base64,/+++AA==");
    buffer_free(&out);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(no_failure_of_memory_leaks)
{
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        struct buffer out;
        failing_memory_init(&failing, k);
        buffer_init(&out, &failing.memory);
        md_status st = MD_OK;
        for (int i = 0; st == MD_OK && i < 40; i++)
            st = markup_put_text(&out, "<&>");
        if (st == MD_OK)
            st = markup_put_data(&out, "image/png", texts, sizeof texts);
        buffer_free(&out);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
}
END_TEST

SUITE("core/markup", LOOP(text_cannot_leave_its_place, 0, (int)(sizeof texts / sizeof texts[0])),
      TEST(data_is_base64), TEST(no_failure_of_memory_leaks))
