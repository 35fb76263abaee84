/* config_case.h - a configuration, its memory and the warnings it gave, for one test case. */
#ifndef TESTS_CONFIG_CASE_H
#define TESTS_CONFIG_CASE_H

#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "core/error.h"
#include "suite.h"

struct config_case {
    struct memory  memory;
    struct log     log;
    struct config *config;
    int            warnings;
    char           warning[1024]; /* the last one */
};

static inline void case_log(void *user, md_log_level level, const char *message)
{
    struct config_case *at = user;
    if (level != MD_LOG_WARN)
        return;
    at->warnings++;
    snprintf(at->warning, sizeof at->warning, "%s", message);
}

/* The struct must stay where it is. */
static inline void case_start(struct config_case *at, const char *preset_or_path)
{
    *at = (struct config_case){.log = {case_log, at, MD_LOG_WARN}};
    memory_init(&at->memory, NULL);
    md_status st = config_create(&at->config, &at->memory, &at->log, preset_or_path);
    ck_assert_msg(st == MD_OK, "%s", error_text());
}

static inline void case_end(struct config_case *at)
{
    config_free(at->config);
    ck_assert_uint_eq(atomic_load(&at->memory.live_blocks), 0);
}

static inline md_status case_merge(struct config_case *at, const char *text)
{
    return config_merge_text(at->config, "test.yaml", text, strlen(text));
}

static inline void expect_error(int st, int wanted, const char *part)
{
    ck_assert_msg(st == wanted, "status %d, not %d: %s", st, wanted, error_text());
    ck_assert_msg(strstr(error_text(), part), "\"%s\" is not in \"%s\"", part, error_text());
}

static inline void expect_text(struct config_case *at, const char *key, const char *wanted)
{
    struct buffer out;
    buffer_init(&out, &at->memory);
    ck_assert_int_eq(config_get_text(at->config, key, &out), MD_OK);
    ck_assert_str_eq(out.length ? out.data : "", wanted);
    buffer_free(&out);
}

#endif
