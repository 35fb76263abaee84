/* config_docs.c - prints docs/config.md from the table of configuration keys. */
#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "config/key_table.h"
#include "core/error.h"

/* A bar would end the table's cell. */
static void print_cell(const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            putchar('\\');
        putchar(*text);
    }
}

static void print_key(const struct config_key *key)
{
    printf("| `%s` | %s | `", key->name, config_key_type_name(key->type));
    print_cell(*key->initial ? key->initial : "\"\"");
    printf("` | ");
    print_cell(key->help);
    printf(" |\n");
}

static void print_keys(const char *title, const char *text, enum key_status status)
{
    printf("\n## %s\n\n%s\n\n| key | type | default | meaning |\n|---|---|---|---|\n", title, text);
    for (size_t i = 0; i < config_key_count(); i++) {
        if (config_key_at(i)->status == status)
            print_key(config_key_at(i));
    }
}

/* What the preset has otherwise than the defaults, as KEY VALUE pairs. */
static md_status print_preset(struct memory *memory, const struct config *initial, const char *name)
{
    struct config *preset = NULL;
    struct buffer was, is;
    md_status st = MD_OK;
    buffer_init(&was, memory);
    buffer_init(&is, memory);
    TRY(config_create(&preset, memory, NULL, name));
    printf("\n### %s\n\n", name);
    bool same = true;
    for (size_t i = 0; i < config_key_count(); i++) {
        const char *key = config_key_at(i)->name;
        buffer_clear(&was);
        buffer_clear(&is);
        TRY(config_get_text(initial, key, &was));
        TRY(config_get_text(preset, key, &is));
        if (was.length == is.length &&
            (is.length == 0 || memcmp(was.data, is.data, is.length) == 0))
            continue;
        printf("    %s \"%s\"\n", key, is.length ? is.data : "");
        same = false;
    }
    if (same)
        printf("The defaults.\n");
fail:
    config_free(preset);
    buffer_free(&was);
    buffer_free(&is);
    return st;
}

static md_status print_presets(void)
{
    struct memory memory;
    struct config *initial = NULL;
    memory_init(&memory, NULL);
    md_status st = config_create(&initial, &memory, NULL, config_preset_name(0));
    printf("\n## Presets\n\nWhat each has otherwise than the defaults.\n");
    for (size_t i = 0; i < config_preset_count() && st == MD_OK; i++)
        st = print_preset(&memory, initial, config_preset_name(i));
    config_free(initial);
    return st;
}

static const char head[] =
    "# Configuration\n\n"
    "Written by `make docs` from the table in lib/config; do not edit.\n\n"
    "A configuration is a preset or a YAML file, and then any number of `KEY VALUE` pairs at the end\n"
    "of the command line:\n\n"
    "    --config faster_rcnn_R_18_FPN ... SOLVER.MAX_ITER 300 INPUT.MIN_SIZE_TRAIN \"(320, 352)\"\n"
    "    --config mine.yaml ... SOLVER.BASE_LR 0.0005\n\n"
    "Names and types are Detectron2's, the defaults those of its `faster_rcnn_R_50_FPN_3x`; keys\n"
    "under `MDET.` are ours. A file may name another one or a preset to start from, `_BASE_: base.yaml`\n"
    "(relative to itself) or `_BASE_: faster_rcnn_R_18_FPN`; without it the defaults are the start.\n"
    "What Detectron2's `cfg.dump()` prints is such a file. Values are Python or YAML: `0.001`, `True`,\n"
    "`None`, `(320, 352)`, `[p2, p3]`; a list of one element is `(30,)`. An unknown key and a value\n"
    "of another type are errors.\n";

int main(void)
{
    printf("%s", head);
    print_keys("Keys in use", "Each does what it does in Detectron2.", KEY_USED);
    print_keys("Keys with one possible value", "Another value than the default is refused.",
               KEY_ONLY);
    print_keys(
        "Keys without effect here",
        "Accepted, so that a configuration of Detectron2 can be read; another value than the default\n"
        "gets one warning.",
        KEY_IGNORED);
    if (print_presets() < 0) {
        fprintf(stderr, "config_docs: %s\n", error_text());
        return 1;
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
