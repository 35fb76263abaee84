/* library.c - a shared library found while the program runs, and a table of its functions. */
#include "backend/cuda/vendor/library.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"

static void *open_in(const char *folder, const char *name)
{
    char path[1024];
    int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (length < 0 || (size_t)length >= sizeof path)
        return NULL;
    return dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

static void *open_below(const char *home, const char *name)
{
    static const char *const FOLDERS[] = {"lib64", "lib"};
    char folder[1024];
    void *library = NULL;
    for (size_t i = 0; i < sizeof FOLDERS / sizeof FOLDERS[0] && !library; i++) {
        int length = snprintf(folder, sizeof folder, "%s/%s", home, FOLDERS[i]);
        if (length > 0 && (size_t)length < sizeof folder)
            library = open_in(folder, name);
    }
    return library;
}

md_status library_open(void **out, const char *const *names)
{
    const char *home = getenv("CUDA_HOME");
    for (size_t i = 0; names[i]; i++) {
        void *library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
        if (!library && home && *home)
            library = open_below(home, names[i]);
        if (!library)
            library = open_below("/usr/local/cuda", names[i]);
        if (library) {
            *out = library;
            return MD_OK;
        }
    }
    return ERROR(MD_EDEVICE,
                 "no %s on the loader's path, in $CUDA_HOME/lib64 or in /usr/local/cuda/lib64; "
                 "install it, or add its folder to LD_LIBRARY_PATH",
                 names[0]);
}

void library_close(void *library)
{
    if (library)
        dlclose(library);
}

md_status library_resolve(void *library, const char *name, void *table,
                          const struct library_call *calls, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        void *call = dlsym(library, calls[i].name);
        if (!call)
            return ERROR(MD_EDEVICE, "%s has no %s; a newer version of it is wanted", name,
                         calls[i].name);
        memcpy((char *)table + calls[i].offset, &call, sizeof call);
    }
    return MD_OK;
}
