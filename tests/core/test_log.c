/* test_log.c - which lines pass, and what they look like. */
#include <string.h>

#include "core/log.h"
#include "suite.h"

struct record {
    int count;
    md_log_level level;
    char text[2048];
};

static void keep(void *user, md_log_level level, const char *message)
{
    struct record *record = user;
    record->count++;
    record->level = level;
    snprintf(record->text, sizeof record->text, "%s", message);
}

START_TEST(passes_lines_up_to_the_level)
{
    struct record record = {0};
    const struct log log = {keep, &record, MD_LOG_WARN};
    log_write(&log, MD_LOG_INFO, "quiet");
    log_write(&log, MD_LOG_DEBUG, "quiet");
    ck_assert_int_eq(record.count, 0);
    log_write(&log, MD_LOG_WARN, "%s %d", "warned", 3);
    ck_assert_str_eq(record.text, "warned 3");
    ck_assert_int_eq(record.level, MD_LOG_WARN);
    log_write(&log, MD_LOG_ERROR, "failed");
    ck_assert_str_eq(record.text, "failed");
    ck_assert_int_eq(record.level, MD_LOG_ERROR);
    ck_assert_int_eq(record.count, 2);
}
END_TEST

START_TEST(makes_one_line_of_limited_length)
{
    struct record record = {0};
    const struct log log = {keep, &record, MD_LOG_DEBUG};
    log_write(&log, MD_LOG_DEBUG, "a\nb\r\nc");
    ck_assert_str_eq(record.text, "a b  c");
    char text[3000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    log_write(&log, MD_LOG_INFO, "%s", text);
    ck_assert_uint_eq(strlen(record.text), 1023);
}
END_TEST

START_TEST(silence_is_fine)
{
    const struct log log = {NULL, NULL, MD_LOG_DEBUG};
    log_write(NULL, MD_LOG_ERROR, "nobody listens");
    log_write(&log, MD_LOG_ERROR, "nobody listens");
}
END_TEST

SUITE("core/log", TEST(passes_lines_up_to_the_level), TEST(makes_one_line_of_limited_length),
      TEST(silence_is_fine))
