/* machine.c - what the machine has: processor, memory, NVIDIA GPUs, by looking at /proc. */
#include "machine.h"

#include <dirent.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The text behind the colon of a line such as "model name : X". */
static bool take_field(const char *line, const char *name, char *out, size_t size)
{
    const char *colon = strchr(line, ':');
    if (strncmp(line, name, strlen(name)) != 0 || !colon)
        return false;
    snprintf(out, size, "%s", colon + 1 + strspn(colon + 1, " \t"));
    out[strcspn(out, "\n")] = '\0';
    return true;
}

static bool has_word(const char *text, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = text; (at = strstr(at, word)) != NULL; at += length)
        if ((at == text || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

static void put_features(const char *flags, char *out, size_t size)
{
    static const struct {
        const char *flag, *name;
    } features[] = {{"avx2", "AVX2"},         {"fma", "FMA"},
                    {"avx512f", "AVX-512"},   {"avx512_bf16", "AVX-512 bf16"},
                    {"amx_bf16", "AMX bf16"}, {"asimd", "NEON"}};
    size_t used = 0;
    for (size_t i = 0; i < sizeof features / sizeof features[0]; i++)
        if (has_word(flags, features[i].flag) && used < size)
            used += (size_t)snprintf(out + used, size - used, "%s%s", used ? ", " : "",
                                     features[i].name);
}

static void look_at_processor(struct machine *machine)
{
    char line[8192], flags[8192] = "";
    cpu_set_t set;
    snprintf(machine->model, sizeof machine->model, "unknown");
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file && !*flags && fgets(line, sizeof line, file)) {
        take_field(line, "model name", machine->model, sizeof machine->model);
        if (!take_field(line, "flags", flags, sizeof flags))
            take_field(line, "Features", flags, sizeof flags);
    }
    if (file)
        fclose(file);
    put_features(flags, machine->features, sizeof machine->features);
    machine->cores = machine->usable = (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        machine->usable = CPU_COUNT(&set);
}

static void look_at_memory(struct machine *machine)
{
    char line[256], text[64];
    double kib = 0;
    FILE *file = fopen("/proc/meminfo", "r");
    while (file && fgets(line, sizeof line, file)) {
        if (take_field(line, "MemTotal", text, sizeof text) && sscanf(text, "%lf", &kib) == 1)
            machine->memory_total = kib / 1048576;
        if (take_field(line, "MemAvailable", text, sizeof text) && sscanf(text, "%lf", &kib) == 1)
            machine->memory_free = kib / 1048576;
    }
    if (file)
        fclose(file);
}

static void look_at_driver(struct machine *machine)
{
    char line[256];
    FILE *file = fopen("/proc/driver/nvidia/version", "r");
    /* "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun ..." */
    const char *number = file && fgets(line, sizeof line, file) ? strstr(line, "  ") : NULL;
    if (number && sscanf(number, "%63s", machine->driver) != 1)
        machine->driver[0] = '\0';
    if (file)
        fclose(file);
}

static void look_at_gpus(struct machine *machine)
{
    static const char folder[] = "/proc/driver/nvidia/gpus";
    DIR *gpus = opendir(folder);
    if (!gpus)
        return;
    for (struct dirent *entry;
         (entry = readdir(gpus)) != NULL && machine->gpu_count < MACHINE_GPUS;) {
        char path[512], line[256], *name = machine->gpus[machine->gpu_count];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof machine->gpus[0], "NVIDIA, unknown model");
        snprintf(path, sizeof path, "%s/%s/information", folder, entry->d_name);
        FILE *file = fopen(path, "r");
        while (file && fgets(line, sizeof line, file))
            take_field(line, "Model", name, sizeof machine->gpus[0]);
        if (file)
            fclose(file);
        machine->gpu_count++;
    }
    closedir(gpus);
}

void machine_look(struct machine *machine)
{
    *machine = (struct machine){.cores = 0};
    look_at_processor(machine);
    look_at_memory(machine);
    look_at_driver(machine);
    look_at_gpus(machine);
}
