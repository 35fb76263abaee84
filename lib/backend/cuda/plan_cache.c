/* plan_cache.c - which engine won for a problem, kept between runs of the program. */
#include "backend/cuda/plan_cache.h"

#include <stdlib.h>
#include <string.h>

#include "core/buffer.h"
#include "core/error.h"
#include "core/file.h"
#include "core/sha256.h"

/* cuDNN's plans are a few kilobytes; those that carry compiled code are larger. */
enum { FILE_LIMIT = 16 << 20 };

static void hash_text(char hex[65], const char *text)
{
    struct sha256 hash;
    sha256_init(&hash);
    sha256_update(&hash, text, strlen(text));
    sha256_finish(&hash, hex);
}

/* ---- the folder --------------------------------------------------------------------------- */

/* *out stays NULL when the environment names no place. */
static md_status find_folder(char **out, struct memory *memory, const char *facts)
{
    const char *wanted = getenv("MDET_PLAN_CACHE");
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char hex[65];
    hash_text(hex, facts);
    if (wanted && strcmp(wanted, "0") == 0)
        return MD_OK;
    if (cache && cache[0] == '/')
        return memory_printf(memory, out, "%s/mdet/plans-%.16s", cache, hex);
    if (home && home[0] == '/')
        return memory_printf(memory, out, "%s/.cache/mdet/plans-%.16s", home, hex);
    return MD_OK;
}

md_status plan_cache_open(struct plan_cache *out, struct memory *memory, const char *facts)
{
    md_status st = MD_OK;
    struct plan_cache cache = {.memory = memory};
    TRY(memory_copy_string(memory, &cache.facts, facts));
    TRY(find_folder(&cache.folder, memory, facts));
    *out = cache;
    return MD_OK;
fail:
    plan_cache_close(&cache);
    return st;
}

void plan_cache_close(struct plan_cache *cache)
{
    memory_free(cache->memory, cache->folder);
    memory_free(cache->memory, cache->facts);
    *cache = (struct plan_cache){0};
}

static void switch_off(struct plan_cache *cache)
{
    memory_free(cache->memory, cache->folder);
    cache->folder = NULL;
}

/* ---- one file: device and versions, problem, checksum of the rest, the rest: the plan ------- */

static md_status file_path(const struct plan_cache *cache, char **out, const char *problem)
{
    char hex[65];
    hash_text(hex, problem);
    return memory_printf(cache->memory, out, "%s/%.32s.plan", cache->folder, hex);
}

/* Of these facts and this problem all but the plan is known beforehand. */
static md_status write_text(const struct plan_cache *cache, struct buffer *out, const char *problem,
                            const char *plan)
{
    char hex[65];
    hash_text(hex, plan);
    return buffer_printf(out, "mdet plan 1\n%s\n%s\n%s\n%s", cache->facts, problem, hex, plan);
}

/* The plan in a file's bytes, NULL when they are anything but what would be written for it. */
static md_status read_text(const struct plan_cache *cache, char **plan, const char *problem,
                           const struct file_bytes *bytes)
{
    md_status st = MD_OK;
    struct buffer whole, expected;
    buffer_init(&whole, cache->memory);
    buffer_init(&expected, cache->memory);
    TRY(buffer_append(&whole, bytes->data, bytes->size));
    TRY(write_text(cache, &expected, problem, ""));
    if (whole.length >= expected.length && strlen(whole.data) == whole.length) {
        const char *found = whole.data + expected.length;
        buffer_clear(&expected);
        TRY(write_text(cache, &expected, problem, found));
        if (strcmp(expected.data, whole.data) == 0)
            TRY(memory_copy_string(cache->memory, plan, found));
    }
fail:
    buffer_free(&whole);
    buffer_free(&expected);
    return st;
}

md_status plan_cache_find(struct plan_cache *cache, char **text, const struct conv_problem *problem)
{
    md_status st = MD_OK;
    char words[CONV_PROBLEM_TEXT], *path = NULL;
    struct file_bytes bytes = {0};
    *text = NULL;
    if (!cache->folder)
        return MD_OK;
    conv_problem_text(problem, words);
    TRY(file_path(cache, &path, words));
    if (!file_exists(path))
        goto fail;
    st = file_read(&bytes, cache->memory, path, FILE_LIMIT);
    if (st == MD_OK)
        st = read_text(cache, text, words, &bytes);
    else if (st != MD_ENOMEM)
        st = MD_OK; /* as good as absent */
fail:
    file_bytes_free(&bytes);
    memory_free(cache->memory, path);
    return st;
}

md_status plan_cache_store(struct plan_cache *cache, const struct conv_problem *problem,
                           const char *text)
{
    md_status st = MD_OK;
    char words[CONV_PROBLEM_TEXT], *path = NULL;
    struct buffer content;
    if (!cache->folder)
        return MD_OK;
    buffer_init(&content, cache->memory);
    conv_problem_text(problem, words);
    TRY(file_path(cache, &path, words));
    TRY(write_text(cache, &content, words, text));
    if (!cache->made)
        TRY(directory_make(cache->folder));
    cache->made = true;
    TRY(file_write(cache->memory, path, content.data, content.length));
fail:
    if (st < 0 && st != MD_ENOMEM) {
        switch_off(cache);
        st = MD_OK;
    }
    buffer_free(&content);
    memory_free(cache->memory, path);
    return st;
}
