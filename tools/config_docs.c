/* config_docs.c - prints docs/config.md from the table of configuration keys. */
#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "config/key_table.h"

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

int main(void)
{
    printf(
        "# Configuration keys\n\n"
        "Written by `make docs` from the table in lib/config; do not edit. Names, types and defaults\n"
        "are Detectron2's; keys under `MDET.` are ours. Give them in a YAML file (`--config FILE`) or at\n"
        "the end of a command line (`SOLVER.BASE_LR 0.0005`).\n\nPresets:");
    for (size_t i = 0; i < config_preset_count(); i++)
        printf("%s `%s`", i ? "," : "", config_preset_name(i));
    printf("\n");
    print_keys("Keys in use", "Each does what it does in Detectron2.", KEY_USED);
    print_keys("Keys with one possible value", "Another value than the default is refused.",
               KEY_ONLY);
    print_keys(
        "Keys without effect here",
        "Accepted, so that a configuration of Detectron2 can be read; another value than the default\n"
        "gets one warning.",
        KEY_IGNORED);
    return fflush(stdout) == 0 ? 0 : 1;
}
