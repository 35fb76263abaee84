/* build.c - what this build is made of, with the versions in use. */
#include <stdio.h>
#include <yaml.h>
#include <zlib.h>

#if MD_WITH_JPEG
#include <jpeglib.h>
#endif
#if MD_WITH_EXPAT
#include <expat.h>
#endif
#if MD_WITH_ONEDNN
#include <dnnl_version.h>
#endif
#if MD_WITH_PNG
#include <png.h>
#endif

#include <string.h>

#include "api/internal.h"
#include "backend/registry.h"

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

#if defined(__clang__)
#define COMPILER                                                                                   \
    "clang " TEXT(__clang_major__) "." TEXT(__clang_minor__) "." TEXT(__clang_patchlevel__)
#else
#define COMPILER "gcc " TEXT(__GNUC__) "." TEXT(__GNUC_MINOR__) "." TEXT(__GNUC_PATCHLEVEL__)
#endif

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZER "address sanitizer"
#elif __has_feature(thread_sanitizer)
#define SANITIZER "thread sanitizer"
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define SANITIZER "address sanitizer"
#elif defined(__SANITIZE_THREAD__)
#define SANITIZER "thread sanitizer"
#endif
#if defined(SANITIZER)
#define MODE SANITIZER
#elif defined(__OPTIMIZE__)
#define MODE "release"
#else
#define MODE "debug"
#endif

#if MD_WITH_ONEDNN
#define ONEDNN TEXT(DNNL_VERSION_MAJOR) "." TEXT(DNNL_VERSION_MINOR) "." TEXT(DNNL_VERSION_PATCH)
#else
#define ONEDNN NULL
#endif
#if MD_WITH_OPENMP
#define OPENMP TEXT(_OPENMP)
#else
#define OPENMP NULL
#endif
#if !MD_WITH_JPEG
#define JPEG NULL
#elif defined(LIBJPEG_TURBO_VERSION)
#define JPEG "turbo " TEXT(LIBJPEG_TURBO_VERSION)
#else
#define JPEG TEXT(JPEG_LIB_VERSION)
#endif
#if MD_WITH_PNG
#define PNG PNG_LIBPNG_VER_STRING
#else
#define PNG NULL
#endif
#if MD_WITH_EXPAT
#define EXPAT TEXT(XML_MAJOR_VERSION) "." TEXT(XML_MINOR_VERSION) "." TEXT(XML_MICRO_VERSION)
#else
#define EXPAT NULL
#endif

static const char *cuda_version(void)
{
    for (size_t i = 0; i < backend_count(); i++)
        if (strcmp(backend_at(i)->name, "cuda") == 0)
            return backend_at(i)->toolkit;
    return NULL;
}

const char *md_build_part(size_t index, const char **version)
{
    const struct {
        const char *name, *version;
    } parts[] = {{"compiler", COMPILER},  {"mode", MODE},
                 {"oneDNN", ONEDNN},      {"OpenMP", OPENMP},
                 {"libjpeg", JPEG},       {"libpng", PNG},
                 {"zlib", zlibVersion()}, {"libyaml", yaml_get_version_string()},
                 {"expat", EXPAT},        {"CUDA", cuda_version()}};
    if (index >= sizeof parts / sizeof parts[0])
        return NULL;
    if (version)
        *version = parts[index].version;
    return parts[index].name;
}
