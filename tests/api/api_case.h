/* api_case.h - a context whose allocations are counted and may fail, and small models on it. */
#ifndef TESTS_API_CASE_H
#define TESTS_API_CASE_H

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "md.h"
#include "suite.h"
#include "support/temp_dir.h"

/* The allocator's book; must stay where it is while a context uses it. */
struct book {
    size_t        fail_at; /* number of the allocation that fails, from 0; SIZE_MAX: none */
    atomic_size_t calls, live;
    atomic_size_t bytes, most; /* in use now, and the largest that was since it was set */
    atomic_bool   failed;
};

static inline void *book_alloc(void *user, size_t bytes, size_t alignment)
{
    struct book *book = user;
    void *block = NULL;
    if (atomic_fetch_add(&book->calls, 1) == book->fail_at) {
        atomic_store(&book->failed, true);
        return NULL;
    }
    if (posix_memalign(&block, alignment, bytes) != 0)
        return NULL;
    memset(block, 0xa5, bytes); /* nobody may count on zeros */
    atomic_fetch_add(&book->live, 1);
    size_t now = atomic_fetch_add(&book->bytes, bytes) + bytes;
    size_t most = atomic_load(&book->most);
    while (now > most && !atomic_compare_exchange_weak(&book->most, &most, now))
        continue;
    return block;
}

static inline void book_free(void *user, void *block, size_t bytes)
{
    struct book *book = user;
    if (!block)
        return;
    memset(block, 0x5a, bytes);
    atomic_fetch_sub(&book->live, 1);
    atomic_fetch_sub(&book->bytes, bytes);
    free(block);
}

#define OK(call)                                                                             \
    do {                                                                                     \
        md_status status_ = (call);                                                          \
        if (status_ != MD_OK)                                                                \
            ck_abort_msg("%s: %s: %s", #call, md_status_name(status_), md_last_error());     \
    } while (0)

/* The call fails with the status, and its text holds the part. */
#define FAILS(status, part, call)                                                            \
    do {                                                                                     \
        md_status status_ = (call);                                                          \
        if (status_ != (status))                                                             \
            ck_abort_msg("%s: %s", #call, md_status_name(status_));                          \
        if (!strstr(md_last_error(), part))                                                  \
            ck_abort_msg("%s: \"%s\" is not in: %s", #call, part, md_last_error());          \
    } while (0)

static inline md_status book_context(md_context **out, struct book *book, size_t fail_at)
{
    md_context_options options = md_context_options_default();
    book->fail_at = fail_at;
    atomic_init(&book->calls, 0);
    atomic_init(&book->live, 0);
    atomic_init(&book->bytes, 0);
    atomic_init(&book->most, 0);
    atomic_init(&book->failed, false);
    options.device = "cpu";
    options.threads = 1;
    options.allocator = (md_allocator){book_alloc, book_free, book};
    return md_context_create(out, &options);
}

/* Two classes, networks of a few thousand weights, images seen at 64 pixels. */
static inline md_status tiny_config(md_config **out, md_context *context)
{
    static const char *const settings[][2] = {
        {"MODEL.ROI_HEADS.NUM_CLASSES", "2"}, {"MDET.CLASSES", "['with', 'without']"},
        {"INPUT.MIN_SIZE_TEST", "64"},        {"INPUT.MAX_SIZE_TEST", "128"},
        {"INPUT.MIN_SIZE_TRAIN", "(64,)"},    {"INPUT.MAX_SIZE_TRAIN", "128"},
        {"DATALOADER.NUM_WORKERS", "0"},      {"SEED", "7"},
        {"MODEL.RPN.PRE_NMS_TOPK_TEST", "50"}, {"MODEL.RPN.POST_NMS_TOPK_TEST", "20"},
        {"SOLVER.MAX_ITER", "2"},             {"SOLVER.STEPS", "()"},
        {"TEST.EVAL_PERIOD", "0"},            {"MODEL.ROI_HEADS.SCORE_THRESH_TEST", "0.0"}};
    md_config *config = NULL;
    md_status st = md_config_create(&config, context, "tiny");
    for (size_t i = 0; i < sizeof settings / sizeof settings[0] && st == MD_OK; i++)
        st = md_config_set(config, settings[i][0], settings[i][1]);
    if (st == MD_OK)
        *out = config;
    else
        md_config_free(config);
    return st;
}

static inline md_status tiny_model(md_model **out, md_context *context)
{
    md_config *config = NULL;
    md_status st = tiny_config(&config, context);
    if (st == MD_OK)
        st = md_model_create(out, context, config);
    md_config_free(config);
    return st;
}

/* Pixels by a formula, lent. */
static inline md_image pattern_image(uint8_t *pixels, int width, int height, unsigned seed)
{
    for (int i = 0; i < width * height * 3; i++)
        pixels[i] = (uint8_t)((unsigned)i * 2654435761u >> 13 ^ seed * (unsigned)(i / 7));
    return (md_image){.data = pixels, .width = width, .height = height,
                      .stride = (ptrdiff_t)width * 3, .format = MD_RGB8};
}

static inline bool same_detections(const md_detections *a, const md_detections *b)
{
    if (md_detections_count(a) != md_detections_count(b))
        return false;
    for (size_t i = 0; i < md_detections_count(a); i++)
        if (memcmp(md_detections_get(a, i), md_detections_get(b, i), sizeof(md_detection)) != 0)
            return false;
    return true;
}

#endif
