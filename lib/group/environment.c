/* environment.c - which process of how many this is: what the user, mpirun or torchrun says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "group/group.h"

enum { FIRST_PORT = 20000, PORTS = 12000 /* below those of outgoing connections */ };

/* The names under which a launcher tells the same. */
struct launcher {
    const char *size, *rank, *job;
};

static const struct launcher launchers[] = {
    {"MDET_WORLD_SIZE", "MDET_RANK", "MDET_JOB"},
    {"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "PMIX_NAMESPACE"}, /* Open MPI */
    {"PMI_SIZE", "PMI_RANK", "PMI_JOBID"},                              /* MPICH, Intel MPI */
    {"WORLD_SIZE", "RANK", "TORCHELASTIC_RUN_ID"}};                     /* torchrun */

/* Without the name *out stays. */
static md_status read_number(int *out, const char *name, int least, int most)
{
    const char *text = getenv(name);
    char *end = NULL;
    if (!text)
        return MD_OK;
    const long number = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || number < least || number > most)
        return ERROR(MD_EINVAL, "%s is \"%s\"; a number from %d to %d is needed", name, text, least,
                     most);
    *out = (int)number;
    return MD_OK;
}

/* Two jobs on one machine should not meet; when they do, their names tell them apart. */
static int port_of(const char *job)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *job; job++)
        hash = (hash ^ (uint8_t)*job) * 16777619u;
    return FIRST_PORT + (int)(hash % PORTS);
}

static md_status read_master(struct group_options *out, const struct launcher *launcher)
{
    const char *master = getenv("MDET_MASTER");
    const char *host = getenv("MASTER_ADDR"), *port = getenv("MASTER_PORT");
    int length = 0;
    if (master)
        length = snprintf(out->master, sizeof out->master, "%s", master);
    else if (launcher == &launchers[3] && host && port)
        length = snprintf(out->master, sizeof out->master, "%s:%s", host, port);
    else
        length = snprintf(out->master, sizeof out->master, "127.0.0.1:%d", port_of(out->job));
    if (length < 0 || (size_t)length >= sizeof out->master)
        return ERROR(MD_EINVAL, "MDET_MASTER is longer than %d characters", GROUP_HOST_BYTES - 1);
    return MD_OK;
}

/* Processes on other machines cannot guess where the first one listens. */
static md_status check_machines(const struct launcher *launcher, int size)
{
    int here = size;
    if (getenv("MDET_MASTER") || launcher != &launchers[1])
        return MD_OK;
    md_status st = read_number(&here, "OMPI_COMM_WORLD_LOCAL_SIZE", 1, GROUP_MAX_SIZE);
    if (st < 0 || here == size)
        return st;
    return ERROR(MD_EINVAL,
                 "%d processes, %d of them on this machine: set MDET_MASTER to host:port, the "
                 "machine of the first one and a free port there (mpirun -x MDET_MASTER=...)",
                 size, here);
}

md_status group_from_environment(struct group_options *out)
{
    md_status st = MD_OK;
    struct group_options options = {.size = 1, .rank = -1, .timeout = GROUP_TIMEOUT};
    const struct launcher *launcher = NULL;
    int timeout = GROUP_TIMEOUT;
    for (size_t i = 0; i < sizeof launchers / sizeof launchers[0] && !launcher; i++)
        if (getenv(launchers[i].size))
            launcher = &launchers[i];
    if (!launcher) {
        options.rank = 0;
        *out = options;
        return MD_OK;
    }
    TRY(read_number(&options.size, launcher->size, 1, GROUP_MAX_SIZE));
    TRY(read_number(&options.rank, launcher->rank, 0, options.size - 1));
    if (options.rank < 0)
        FAIL(MD_EINVAL, "%s is set, %s is not", launcher->size, launcher->rank);
    TRY(read_number(&timeout, "MDET_GROUP_TIMEOUT", 1, 1000000));
    options.timeout = timeout;
    const char *job = getenv(launcher->job);
    snprintf(options.job, sizeof options.job, "%s", job ? job : "mdet");
    TRY(check_machines(launcher, options.size));
    TRY(read_master(&options, launcher));
    *out = options;
fail:
    return st;
}
