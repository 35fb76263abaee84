/* test_heat_map.c - counts as cells: texts, colours, names of any kind and length, many classes. */
#include "draw/heat_map.h"

#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "draw/plot_list.h"
#include "image/image.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/temp_dir.h"

START_TEST(counts_take_four_characters)
{
    static const struct {
        uint64_t count;
        const char *text;
    } all[] = {{0, "0"},          {7, "7"},       {999, "999"},        {1000, "1.0k"},
               {1999, "1.9k"},    {9999, "9.9k"}, {10000, "10k"},      {999999, "999k"},
               {1000000, "1.0M"}, {35e6, "35M"},  {UINT64_MAX, "18E"}, {12345678901, "12G"}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        char text[8];
        heat_map_format(text, all[i].count);
        ck_assert_str_eq(text, all[i].text);
    }
}
END_TEST

static const char *const hostile[3] = {"<script>alert(1)</script>", "a \"b\" & 'c'", "nothing"};
static const uint64_t cells[9] = {6, 2, 0, 0, 1500, 0, 0, 0, 0};
static const struct heat_map small = {.title = "Confusion <0.5>",
                                      .row_label = "truth",
                                      .column_label = "found",
                                      .names = hostile,
                                      .cells = cells,
                                      .count = 3};

START_TEST(cells_say_what_they_count)
{
    struct memory memory;
    struct buffer out;
    memory_init(&memory, NULL);
    buffer_init(&out, &memory);
    ck_assert_int_eq(heat_map_put_svg(&small, &memory, &out), MD_OK);
    ck_assert_ptr_null(strstr(out.data, "<script"));
    ck_assert_ptr_nonnull(strstr(out.data, "role=\"img\" aria-label=\"Confusion &lt;0.5&gt;\""));
    ck_assert_ptr_nonnull(strstr(out.data,
                                 "<title>truth: &lt;script&gt;alert(1)&lt;/script&gt;, found: a "
                                 "&quot;b&quot; &amp; &#39;c&#39;, 2 of 8</title>"));
    ck_assert_ptr_nonnull(strstr(out.data, ">1.5k</text>"));
    ck_assert_ptr_nonnull(strstr(out.data, ">75%</text>"));
    ck_assert_ptr_nonnull(strstr(out.data, ">100%</text>"));
    /* Three counts that are not zero, three colours: 0.10 + 0.60 of the share. */
    ck_assert_ptr_nonnull(strstr(out.data, "fill=\"#0072b2\" fill-opacity=\"0.55\""));
    ck_assert_ptr_nonnull(strstr(out.data, "fill=\"#d55e00\" fill-opacity=\"0.25\""));
    ck_assert_ptr_nonnull(strstr(out.data, "fill=\"#0072b2\" fill-opacity=\"0.70\""));
    int rects = 0;
    for (const char *at = out.data; (at = strstr(at, "<rect")) != NULL; at++)
        rects++;
    ck_assert_int_eq(rects, 1 + 3);
    buffer_free(&out);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

/* Names of 300 bytes of two-byte characters, 81 classes, all counts as large as they come. */
START_TEST(everything_stays_on_the_paper)
{
    enum { MOST = 81, LONG = 300 };
    static char long_name[LONG + 1];
    static uint64_t counts[MOST * MOST];
    const char *names[MOST];
    struct memory memory;
    memory_init(&memory, NULL);
    for (int i = 0; i < LONG; i += 2)
        memcpy(long_name + i, "\xc3\xa4", 3);
    for (int i = 0; i < MOST * MOST; i++)
        counts[i] = UINT64_MAX / MOST;
    for (int i = 0; i < MOST; i++)
        names[i] = i % 2 ? long_name : "";
    for (size_t count = 1; count <= MOST; count += 80) {
        const struct heat_map map = {.title = long_name + 100,
                                     .row_label = "truth",
                                     .column_label = "found",
                                     .names = names,
                                     .cells = counts,
                                     .count = count};
        struct file_bytes bytes;
        md_image image;
        ck_assert_msg(heat_map_save(&map, &memory, temp_path("heat")) == MD_OK, "%s", error_text());
        ck_assert_int_eq(file_read(&bytes, &memory, temp_path("heat.svg"), 1 << 24), MD_OK);
        const char *svg = (const char *)bytes.data;
        int width = 0, height = 0;
        ck_assert_int_eq(
            sscanf(strstr(svg, "width="), "width=\"%d\" height=\"%d\"", &width, &height), 2);
        ck_assert_int_ge(width, (int)count * 28);
        ck_assert_int_le(width, 2800);
        for (const char *at = svg; (at = strstr(at, "<text x=")) != NULL; at++) {
            double x = atof(at + 9);
            double y = atof(strstr(at, "y=") + 3);
            ck_assert_msg(x >= 0 && x <= width && y >= 0 && y <= height, "%.40s", at);
        }
        for (const char *at = svg; (at = strstr(at, "\xc3")) != NULL; at++)
            ck_assert_msg(at[1] == '\xa4', "a character was cut in two");
        file_bytes_free(&bytes);
        ck_assert_int_eq(image_load(&image, &memory, temp_path("heat.png")), MD_OK);
        ck_assert_int_eq(image.width, width);
        ck_assert_int_eq(image.height, height);
        image_release(&image);
    }
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

/* Names that are wider than a cell are turned: their ink lies above it, in one narrow column. */
START_TEST(turned_names_are_painted)
{
    static const char *const names[2] = {"a name that is wide", "b"};
    static const uint64_t none[4] = {0};
    const struct heat_map map = {.title = "",
                                 .row_label = "",
                                 .column_label = "",
                                 .names = names,
                                 .cells = none,
                                 .count = 2};
    struct memory memory;
    md_image image;
    memory_init(&memory, NULL);
    ck_assert_int_eq(heat_map_save(&map, &memory, temp_path("turned")), MD_OK);
    ck_assert_int_eq(image_load(&image, &memory, temp_path("turned.png")), MD_OK);
    int dark = 0, left = image.width, right = 0;
    for (int y = 60; y < 60 + 130; y++)
        for (int x = 0; x < image.width; x++)
            if (y < image.height - 2 * 88 - 40 && image.data[y * image.stride + x * 3] < 90) {
                dark++;
                left = x < left ? x : left;
                right = x > right ? x : right;
            }
    image_release(&image);
    ck_assert_int_gt(dark, 100);
    ck_assert_int_le(right - left, 88 + 16); /* two columns' middles are a cell apart */
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
        md_status st = heat_map_save(&small, &failing.memory, temp_path("f"));
        if (st == MD_OK)
            st = heat_map_put_svg(&small, &failing.memory, &out);
        buffer_free(&out);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
    struct memory memory;
    memory_init(&memory, NULL);
    ck_assert_int_eq(heat_map_save(&small, &memory, temp_path("no/such/folder")), MD_EIO);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

SUITE("draw/heat_map", TEST(counts_take_four_characters), TEST(cells_say_what_they_count),
      TEST(everything_stays_on_the_paper), TEST(turned_names_are_painted),
      TEST(no_failure_of_memory_leaks))
