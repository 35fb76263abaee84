/* group.c - md_group: processes that train together. */
#include "group/group.h"

#include <stdio.h>
#include <string.h>

#include "api/internal.h"
#include "core/error.h"
#include "md/group.h"

void md_group_options_init(md_group_options *options, size_t size)
{
    const md_group_options defaults = {0};
    options_init(options, size, &defaults, sizeof defaults);
}

static md_status take_options(struct group_options *out, const md_group_options *options)
{
    if (!options->allocator.alloc != !options->allocator.free)
        return ERROR(MD_EINVAL,
                     "md_group_create: allocator has only one of alloc and free; give both");
    if (options->processes < 0 || options->timeout < 0)
        return ERROR(MD_EINVAL, "md_group_create: processes is %d, timeout %d; neither is below 0",
                     options->processes, options->timeout);
    if (options->processes == 0) {
        md_status st = group_from_environment(out);
        if (options->timeout > 0)
            out->timeout = options->timeout;
        return st;
    }
    *out =
        (struct group_options){.rank = options->rank,
                               .size = options->processes,
                               .timeout = options->timeout > 0 ? options->timeout : GROUP_TIMEOUT};
    if (options->processes > 1 && !options->master)
        return ERROR(MD_EINVAL, "md_group_create: several processes need master, a host:port");
    const char *master = options->master ? options->master : "";
    if (strlen(master) >= sizeof out->master)
        return ERROR(MD_EINVAL, "md_group_create: master has more than %zu characters",
                     sizeof out->master - 1);
    snprintf(out->master, sizeof out->master, "%s", master);
    return MD_OK;
}

md_status md_group_create(md_group **out, const md_group_options *options)
{
    md_status st = MD_OK;
    md_group_options read = md_group_options_default();
    struct group_options inner;
    struct memory memory;
    md_group *group = NULL;
    TRY(GIVEN(out));
    TRY(options_read(&read, sizeof read, options, "md_group_options"));
    TRY(take_options(&inner, &read));
    memory_init(&memory, &read.allocator);
    TRY(memory_zeroed(&memory, &group, 1, sizeof *group));
    memory_init(&group->memory, &read.allocator);
    atomic_init(&group->references, 1);
    TRY(group_open(&group->group, &group->memory, &inner));
    *out = group;
    return MD_OK;
fail:
    md_group_free(group);
    return st;
}

int md_group_rank(const md_group *group)
{
    return group ? group_rank(group->group) : 0;
}

int md_group_size(const md_group *group)
{
    return group ? group_size(group->group) : 1;
}

int md_group_local_rank(const md_group *group)
{
    return group ? group_local_rank(group->group) : 0;
}

int md_group_threads(const md_group *group)
{
    return group ? group_threads(group->group) : 0;
}

md_group *group_retain(md_group *group)
{
    atomic_fetch_add(&group->references, 1);
    return group;
}

void group_release(md_group *group)
{
    if (!group || atomic_fetch_sub(&group->references, 1) > 1)
        return;
    group_close(group->group);
    struct memory memory; /* the struct lies in what it describes */
    memory_init(&memory, &group->memory.allocator);
    memory_free(&memory, group);
}

void md_group_free(md_group *group)
{
    group_release(group);
}
