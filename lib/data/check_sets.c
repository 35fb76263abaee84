/* check_sets.c - problems of names, and of several data sets: classes, and pictures that are in two. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/strings.h"
#include "data/check.h"
#include "data/near.h"

/* ---- classes ------------------------------------------------------------------------------ */

/* Without capitals, blanks, "_" and "-". */
static md_status plain_spelling(struct memory *memory, const char *name, char **out)
{
    md_status st = memory_copy_string(memory, out, name);
    if (st < 0)
        return st;
    char *to = *out;
    for (const char *from = name; *from; from++)
        if (!strchr(" \t_-", *from))
            *to++ = (char)tolower((unsigned char)*from);
    *to = '\0';
    return MD_OK;
}

static md_status check_spelling(struct problem_list *problems, const struct dataset *dataset)
{
    const struct problem_place place = {NULL, 0, NULL};
    md_status st = MD_OK;
    struct string_table seen;
    uint32_t *first = NULL; /* [classes] that has the spelling, by number of the spelling */
    char *plain = NULL;
    string_table_init(&seen, problems->memory);
    TRY(memory_alloc(problems->memory, &first, (size_t)dataset->class_count, sizeof *first));
    for (int i = 0; i < dataset->class_count; i++) {
        size_t spelling = 0;
        TRY(plain_spelling(problems->memory, dataset->class_names[i], &plain));
        TRY(string_table_add(&seen, plain, &spelling));
        memory_free(problems->memory, plain);
        plain = NULL;
        if (st == MD_OK)
            first[spelling] = (uint32_t)i;
        else
            TRY(problem_add(problems, MD_PROBLEM_CLASS_SPELLING, MD_LOG_WARN, &place,
                            "the classes \"%s\" and \"%s\" are spelt alike; is it one class?",
                            dataset->class_names[first[spelling]], dataset->class_names[i]));
    }
    st = MD_OK;
fail:
    memory_free(problems->memory, plain);
    memory_free(problems->memory, first);
    string_table_free(&seen);
    return st;
}

static md_status check_empty_classes(struct problem_list *problems, const struct dataset *dataset)
{
    md_status st = MD_OK;
    const struct problem_place place = {NULL, 0, NULL};
    size_t *counts = NULL;
    TRY(memory_zeroed(problems->memory, &counts, (size_t)dataset->class_count, sizeof *counts));
    for (size_t i = 0; i < dataset->annotation_count; i++)
        counts[dataset->annotations[i].class_id]++;
    for (int k = 0; k < dataset->class_count; k++)
        if (counts[k] == 0)
            TRY(problem_add(problems, MD_PROBLEM_CLASS_EMPTY, MD_LOG_WARN, &place,
                            "the class \"%s\" has no boxes", dataset->class_names[k]));
fail:
    memory_free(problems->memory, counts);
    return st;
}

static md_status take_names(struct string_table *names, const struct dataset *dataset)
{
    md_status st = MD_OK;
    for (int i = 0; i < dataset->class_count && st >= 0; i++)
        st = string_table_add(names, dataset->class_names[i], NULL);
    return st < 0 ? st : MD_OK;
}

/* A class that only a later set has can be neither learnt nor found. */
static md_status compare_classes(struct problem_list *problems, const struct dataset *train,
                                 const struct dataset *other)
{
    const struct problem_place place = {NULL, 0, NULL};
    md_status st = MD_OK;
    struct string_table known, here;
    string_table_init(&known, problems->memory);
    string_table_init(&here, problems->memory);
    TRY(take_names(&known, train));
    TRY(take_names(&here, other));
    for (int i = 0; i < other->class_count; i++)
        if (!string_table_find(&known, other->class_names[i], NULL))
            TRY(problem_add(problems, MD_PROBLEM_CLASS_UNKNOWN, MD_LOG_ERROR, &place,
                            "the class \"%s\" is none of the first set's", other->class_names[i]));
    for (int i = 0; i < train->class_count; i++)
        if (!string_table_find(&here, train->class_names[i], NULL))
            TRY(problem_add(problems, MD_PROBLEM_CLASS_EMPTY, MD_LOG_WARN, &place,
                            "the first set's class \"%s\" has no boxes here",
                            train->class_names[i]));
fail:
    string_table_free(&known);
    string_table_free(&here);
    return st;
}

/* ---- the same file ------------------------------------------------------------------------ */

struct content {
    uint64_t digest[2];
    uint32_t set, image;
    uint32_t first_set, first_image; /* the first one with this content */
};

static int by_image(const void *left, const void *right)
{
    const struct content *a = left;
    const struct content *b = right;
    if (a->set != b->set)
        return a->set < b->set ? -1 : 1;
    return (a->image > b->image) - (a->image < b->image);
}

static int by_digest(const void *left, const void *right)
{
    const struct content *a = left;
    const struct content *b = right;
    for (int i = 0; i < 2; i++)
        if (a->digest[i] != b->digest[i])
            return a->digest[i] < b->digest[i] ? -1 : 1;
    return by_image(left, right);
}

static md_status collect(struct memory *memory, const struct checked_set *sets, size_t count,
                         struct content **out, size_t *out_count)
{
    size_t total = 0;
    size_t used = 0;
    for (size_t s = 0; s < count; s++)
        total += sets[s].facts.count;
    md_status st = memory_alloc(memory, out, total, sizeof **out);
    if (st < 0)
        return st;
    for (size_t s = 0; s < count; s++)
        for (size_t i = 0; i < sets[s].facts.count; i++) {
            const struct image_fact *fact = &sets[s].facts.items[i];
            if (fact->state == IMAGE_GOOD)
                (*out)[used++] = (struct content){.digest = {fact->digest[0], fact->digest[1]},
                                                  .set = (uint32_t)s,
                                                  .image = (uint32_t)i};
        }
    *out_count = used;
    return MD_OK;
}

/* Finds the first of each content, then back into the order of the sets. */
static void find_firsts(struct content *contents, size_t count)
{
    if (count > 1)
        qsort(contents, count, sizeof *contents, by_digest);
    for (size_t i = 0, first = 0; i < count; i++) {
        if (contents[i].digest[0] != contents[first].digest[0] ||
            contents[i].digest[1] != contents[first].digest[1])
            first = i;
        contents[i].first_set = contents[first].set;
        contents[i].first_image = contents[first].image;
    }
    if (count > 1)
        qsort(contents, count, sizeof *contents, by_image);
}

static struct problem_place place_of(const struct dataset_image *image)
{
    return (struct problem_place){image->origin ? image->origin : image->name, image->origin_line,
                                  image->name};
}

static md_status tell_same(struct problem_list *problems, const struct checked_set *sets,
                           const struct content *again)
{
    const struct dataset_image *before =
        &sets[again->first_set].dataset->images[again->first_image];
    const struct dataset_image *image = &sets[again->set].dataset->images[again->image];
    struct problem_place place = place_of(image);
    problems->set = again->set;
    if (again->first_set != again->set)
        return problem_add(problems, MD_PROBLEM_LEAK, MD_LOG_ERROR, &place,
                           "the very same picture is \"%s\" of set %u; keep it in one of them",
                           before->name, again->first_set + 1);
    if (strcmp(before->name, image->name) == 0)
        return MD_OK; /* told by its name */
    return problem_add(problems, MD_PROBLEM_IMAGE_REPEATED, MD_LOG_WARN, &place,
                       "the very same picture as \"%s\"; remove one", before->name);
}

static md_status check_contents(struct problem_list *problems, const struct checked_set *sets,
                                size_t count)
{
    md_status st = MD_OK;
    struct content *contents = NULL;
    size_t used = 0;
    TRY(collect(problems->memory, sets, count, &contents, &used));
    find_firsts(contents, used);
    for (size_t i = 0; i < used; i++)
        if (contents[i].first_set != contents[i].set ||
            contents[i].first_image != contents[i].image)
            TRY(tell_same(problems, sets, &contents[i]));
fail:
    memory_free(problems->memory, contents);
    return st;
}

/* ---- nearly the same ---------------------------------------------------------------------- */

struct fingerprints {
    uint64_t *items;
    bool *present;
};

static md_status take_fingerprints(struct memory *memory, const struct facts *facts,
                                   struct fingerprints *out)
{
    md_status st = MD_OK;
    TRY(memory_alloc(memory, &out->items, facts->count, sizeof *out->items));
    TRY(memory_alloc(memory, &out->present, facts->count, sizeof *out->present));
    for (size_t i = 0; i < facts->count; i++) {
        out->items[i] = facts->items[i].fingerprint;
        out->present[i] = facts->items[i].state == IMAGE_GOOD;
    }
fail:
    return st;
}

static md_status tell_near(struct problem_list *problems, const struct checked_set *sets,
                           size_t earlier, size_t later, size_t image,
                           const struct near_match *near)
{
    const struct image_fact *a = &sets[earlier].facts.items[near->which];
    const struct image_fact *b = &sets[later].facts.items[image];
    struct problem_place place = place_of(&sets[later].dataset->images[image]);
    if (a->digest[0] == b->digest[0] && a->digest[1] == b->digest[1])
        return MD_OK; /* told as the same */
    problems->set = later;
    return problem_add(problems, MD_PROBLEM_LEAK, MD_LOG_WARN, &place,
                       "nearly the same picture (%d of 64 bits differ) is \"%s\" of set %zu; look "
                       "at both",
                       near->distance, sets[earlier].dataset->images[near->which].name,
                       earlier + 1);
}

static md_status compare_pictures(struct problem_list *problems, const struct checked_set *sets,
                                  size_t earlier, size_t count, int near_bits)
{
    md_status st = MD_OK;
    struct near_index index = {0};
    struct fingerprints own = {0};
    TRY(take_fingerprints(problems->memory, &sets[earlier].facts, &own));
    TRY(near_index_create(&index, problems->memory, own.items, own.present,
                          sets[earlier].facts.count));
    for (size_t later = earlier + 1; later < count; later++)
        for (size_t i = 0; i < sets[later].facts.count; i++) {
            const struct image_fact *fact = &sets[later].facts.items[i];
            struct near_match near = {0};
            if (fact->state == IMAGE_GOOD && near_find(&index, fact->fingerprint, near_bits, &near))
                TRY(tell_near(problems, sets, earlier, later, i, &near));
        }
fail:
    near_index_free(&index);
    memory_free(problems->memory, own.items);
    memory_free(problems->memory, own.present);
    return st;
}

/* ---- all ---------------------------------------------------------------------------------- */

md_status check_between(struct problem_list *problems, const struct checked_set *sets, size_t count,
                        const struct check_options *options)
{
    md_status st = MD_OK;
    for (size_t i = 0; i < count; i++) {
        problems->set = i;
        if (!sets[i].dataset)
            continue;
        TRY(check_spelling(problems, sets[i].dataset));
        TRY(check_empty_classes(problems, sets[i].dataset));
        if (i > 0 && sets[0].dataset)
            TRY(compare_classes(problems, sets[0].dataset, sets[i].dataset));
    }
    TRY(check_contents(problems, sets, count));
    for (size_t i = 0; i + 1 < count && options->near_bits >= 0; i++)
        TRY(compare_pictures(problems, sets, i, count, options->near_bits));
fail:
    return st;
}
