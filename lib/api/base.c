/* base.c - version, status names, the last error, log lines on standard error, devices. */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#if MD_WITH_ONEDNN
#include <dnnl_version.h>
#endif

#include "api/internal.h"
#include "backend/registry.h"
#include "core/error.h"

/* ---- version ------------------------------------------------------------------------------ */

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

int md_version_number(void)
{
    return MD_VERSION_NUMBER;
}

const char *md_version_string(void)
{
    return TEXT(MD_VERSION_MAJOR) "." TEXT(MD_VERSION_MINOR) "." TEXT(MD_VERSION_PATCH);
}

#if MD_WITH_ONEDNN
#define DENSE                                                                                      \
    "oneDNN " TEXT(DNNL_VERSION_MAJOR) "." TEXT(DNNL_VERSION_MINOR) "." TEXT(DNNL_VERSION_PATCH)
#else
#define DENSE "no oneDNN"
#endif
#if MD_WITH_OPENMP
#define THREADS "OpenMP"
#else
#define THREADS "no OpenMP"
#endif
#if MD_WITH_JPEG
#define JPEG "libjpeg"
#else
#define JPEG "JPEG by stb_image"
#endif
#if MD_WITH_PNG
#define PNG "libpng"
#else
#define PNG "PNG by stb_image"
#endif
#if MD_WITH_EXPAT
#define XML ", expat"
#else
#define XML ""
#endif

const char *md_build_info(void)
{
    return "cpu (" DENSE ", " THREADS "), " JPEG ", " PNG XML;
}

/* ---- status and errors -------------------------------------------------------------------- */

const char *md_status_name(md_status status)
{
    switch ((int)status) {
#define X(name, value, text)                                                                       \
    case name:                                                                                     \
        return #name;
        MD_STATUS_LIST(X)
#undef X
    default:
        return "unknown status";
    }
}

const char *md_status_text(md_status status)
{
    switch ((int)status) {
#define X(name, value, text)                                                                       \
    case name:                                                                                     \
        return text;
        MD_STATUS_LIST(X)
#undef X
    default:
        return "unknown status";
    }
}

const char *md_last_error(void)
{
    return error_text();
}

/* One write call a line, so that lines of several threads do not mix. */
void md_log_to_stderr(void *user, md_log_level level, const char *message)
{
    static const char *const NAMES[] = {"error", "warning", "info", "debug"};
    (void)user;
    if (!message)
        return;
    char line[1100];
    const char *name = (size_t)level < sizeof NAMES / sizeof NAMES[0] ? NAMES[level] : "log";
    int length = snprintf(line, sizeof line - 1, "%s: %s", name, message);
    if (length < 0)
        return;
    size_t bytes = (size_t)length < sizeof line - 1 ? (size_t)length : sizeof line - 2;
    line[bytes++] = '\n';
    /* Nobody could be told that the log cannot be written. */
    ssize_t written = write(STDERR_FILENO, line, bytes);
    (void)written;
}

/* ---- devices ------------------------------------------------------------------------------ */

static size_t devices_of(const struct backend *backend)
{
    return backend->device_count ? (size_t)backend->device_count() : 1;
}

size_t md_device_count(void)
{
    size_t count = 0;
    for (size_t i = 0; i < backend_count(); i++)
        count += devices_of(backend_at(i));
    return count;
}

/* What a program can still have: on Linux more than is free, as caches give way. */
static uint64_t available_memory(uint64_t otherwise)
{
    char line[128];
    unsigned long long kilobytes = 0;
    FILE *file = fopen("/proc/meminfo", "re");
    while (file && kilobytes == 0 && fgets(line, sizeof line, file))
        if (sscanf(line, "MemAvailable: %llu kB", &kilobytes) != 1)
            kilobytes = 0;
    if (file)
        fclose(file);
    return kilobytes > 0 ? (uint64_t)kilobytes * 1024 : otherwise;
}

static void query_host(md_device_info *info)
{
    struct utsname machine;
    if (uname(&machine) == 0)
        snprintf(info->description, sizeof info->description, "%.64s, %ld cores", machine.machine,
                 sysconf(_SC_NPROCESSORS_ONLN));
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    info->memory_total = (uint64_t)sysconf(_SC_PHYS_PAGES) * page;
    info->memory_free = available_memory((uint64_t)sysconf(_SC_AVPHYS_PAGES) * page);
}

md_status md_device_query(size_t index, md_device_info *out)
{
    md_status st = MD_OK;
    md_device_info info = {0};
    const struct backend *backend = NULL;
    size_t of_backend = index;
    TRY(GIVEN(out));
    for (size_t i = 0; (backend = backend_at(i)) && of_backend >= devices_of(backend); i++)
        of_backend -= devices_of(backend);
    if (!backend)
        FAIL(MD_EINVAL, "md_device_query: index is %zu, there are %zu devices", index,
             md_device_count());
    if (backend->device_query) {
        snprintf(info.name, sizeof info.name, "%.8s:%d", backend->name, (int)of_backend);
        TRY(backend->device_query(&info, (int)of_backend));
    } else {
        snprintf(info.name, sizeof info.name, "%s", backend->name);
        query_host(&info);
    }
    *out = info;
fail:
    return st;
}
