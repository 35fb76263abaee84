/* pickle_opcodes.c - what each opcode of the pickle machine does. */
#include <string.h>

#include "weights/formats.h"
#include "weights/pickle_machine.h"

enum { PROTOCOL_MAX = 5 };

/* ---- stack and marks ---------------------------------------------------------------- */

static md_status mark(struct pickle *pickle)
{
    if (pickle->mark_count == PICKLE_MAX_MARKS)
        return PICKLE_ERROR(pickle, MD_EFORMAT, "nested deeper than %d; it is damaged or hostile",
                            PICKLE_MAX_MARKS);
    pickle->marks[pickle->mark_count++] = pickle->depth;
    return MD_OK;
}

static md_status pop(struct pickle *pickle)
{
    struct pickle_value *value = NULL;
    size_t floor = pickle->mark_count > 0 ? pickle->marks[pickle->mark_count - 1] : 0;
    if (pickle->mark_count > 0 && pickle->depth == floor) { /* then it takes the mark */
        pickle->mark_count--;
        return MD_OK;
    }
    return pickle_pop(pickle, &value);
}

static md_status pop_mark(struct pickle *pickle)
{
    struct pickle_value **items = NULL;
    size_t count = 0;
    return pickle_pop_mark(pickle, &items, &count);
}

static md_status duplicate(struct pickle *pickle)
{
    struct pickle_value *value = NULL;
    md_status st = pickle_top(pickle, &value);
    return st == MD_OK ? pickle_push(pickle, value) : st;
}

/* ---- lists, tuples, dicts ------------------------------------------------------------------ */

static md_status empty_list(struct pickle *pickle)
{
    return pickle_push_new(pickle, PICKLE_LIST);
}

static md_status empty_tuple(struct pickle *pickle)
{
    return pickle_push_new(pickle, PICKLE_TUPLE);
}

static md_status empty_dict(struct pickle *pickle)
{
    return pickle_push_new(pickle, PICKLE_DICT);
}

static md_status collect(struct pickle *pickle, enum pickle_kind kind)
{
    md_status st = MD_OK;
    struct pickle_value *value = NULL;
    struct pickle_value **items = NULL;
    size_t count = 0;
    TRY(pickle_pop_mark(pickle, &items, &count));
    if (kind == PICKLE_DICT && count % 2 != 0)
        PICKLE_FAIL(pickle, MD_EFORMAT, "a dict has a key without a value; the file is damaged");
    TRY(pickle_new(pickle, &value, kind));
    TRY(pickle_append(pickle, value, items, count));
    TRY(pickle_push(pickle, value));
fail:
    return st;
}

static md_status list_of_mark(struct pickle *pickle)
{
    return collect(pickle, PICKLE_LIST);
}

static md_status tuple_of_mark(struct pickle *pickle)
{
    return collect(pickle, PICKLE_TUPLE);
}

static md_status dict_of_mark(struct pickle *pickle)
{
    return collect(pickle, PICKLE_DICT);
}

static md_status tuple_of(struct pickle *pickle, size_t count)
{
    md_status st = MD_OK;
    struct pickle_value *items[3];
    struct pickle_value *value = NULL;
    for (size_t i = count; i-- > 0;)
        TRY(pickle_pop(pickle, &items[i]));
    TRY(pickle_new(pickle, &value, PICKLE_TUPLE));
    TRY(pickle_append(pickle, value, items, count));
    TRY(pickle_push(pickle, value));
fail:
    return st;
}

static md_status tuple_1(struct pickle *pickle)
{
    return tuple_of(pickle, 1);
}

static md_status tuple_2(struct pickle *pickle)
{
    return tuple_of(pickle, 2);
}

static md_status tuple_3(struct pickle *pickle)
{
    return tuple_of(pickle, 3);
}

/* `items` may lie on the stack: they stay where they are until the next push. */
static md_status extend(struct pickle *pickle, enum pickle_kind kind,
                        struct pickle_value *const *items, size_t count)
{
    md_status st = MD_OK;
    struct pickle_value *target = NULL;
    TRY(pickle_top(pickle, &target));
    if (target->kind != kind || (kind == PICKLE_DICT && count % 2 != 0))
        PICKLE_FAIL(pickle, MD_EFORMAT, "%zu values cannot be put into %s; the file is damaged",
                    count, pickle_kind_name(target->kind));
    TRY(pickle_append(pickle, target, items, count));
fail:
    return st;
}

static md_status append(struct pickle *pickle)
{
    struct pickle_value *item = NULL;
    md_status st = pickle_pop(pickle, &item);
    return st == MD_OK ? extend(pickle, PICKLE_LIST, &item, 1) : st;
}

static md_status extend_by_mark(struct pickle *pickle, enum pickle_kind kind)
{
    struct pickle_value **items = NULL;
    size_t count = 0;
    md_status st = pickle_pop_mark(pickle, &items, &count);
    return st == MD_OK ? extend(pickle, kind, items, count) : st;
}

static md_status append_all(struct pickle *pickle)
{
    return extend_by_mark(pickle, PICKLE_LIST);
}

static md_status set_item(struct pickle *pickle)
{
    md_status st = MD_OK;
    struct pickle_value *pair[2];
    TRY(pickle_pop(pickle, &pair[1]));
    TRY(pickle_pop(pickle, &pair[0]));
    TRY(extend(pickle, PICKLE_DICT, pair, 2));
fail:
    return st;
}

static md_status set_items(struct pickle *pickle)
{
    return extend_by_mark(pickle, PICKLE_DICT);
}

/* ---- memo ------------------------------------------------------------------------------------- */

static md_status put(struct pickle *pickle, uint64_t index)
{
    md_status st = MD_OK;
    struct pickle_value *value = NULL;
    TRY(pickle_top(pickle, &value));
    /* Writers number from 0 on, and each number costs them two bytes at least. */
    if (index > pickle->at)
        PICKLE_FAIL(pickle, MD_EFORMAT, "memo %llu is out of reach; the file is damaged",
                    (unsigned long long)index);
    if (index >= pickle->memo_capacity) {
        size_t old = pickle->memo_capacity;
        size_t larger = 2 * (size_t)index + 64;
        if ((larger - old) * sizeof *pickle->memo > pickle->budget)
            PICKLE_FAIL(pickle, MD_EFORMAT, "its memo needs too much memory; it is damaged");
        pickle->budget -= (larger - old) * sizeof *pickle->memo;
        TRY(memory_resize(pickle->memory, &pickle->memo, larger, sizeof *pickle->memo));
        memset(pickle->memo + old, 0, (larger - old) * sizeof(struct pickle_value *));
        pickle->memo_capacity = larger;
    }
    pickle->memo[index] = value;
fail:
    return st;
}

static md_status get(struct pickle *pickle, uint64_t index)
{
    if (index >= pickle->memo_capacity || !pickle->memo[index])
        return PICKLE_ERROR(pickle, MD_EFORMAT, "memo %llu was never set; the file is damaged",
                            (unsigned long long)index);
    return pickle_push(pickle, pickle->memo[index]);
}

static md_status read_index(struct pickle *pickle, size_t width, uint64_t *index)
{
    const unsigned char *p = NULL;
    md_status st = pickle_take(pickle, &p, width);
    if (st == MD_OK)
        *index = width == 1 ? *p : load_u32(p);
    return st;
}

static md_status read_index_line(struct pickle *pickle, uint64_t *index)
{
    md_status st = MD_OK;
    const unsigned char *p = NULL;
    size_t size = 0;
    *index = 0;
    TRY(pickle_take_line(pickle, &p, &size));
    for (size_t i = 0; i < size; i++) {
        if (p[i] < '0' || p[i] > '9' || *index > UINT32_MAX)
            PICKLE_FAIL(pickle, MD_EFORMAT, "a memo has no number; the file is damaged");
        *index = *index * 10 + (p[i] - (unsigned)'0');
    }
fail:
    return st;
}

static md_status put_1(struct pickle *pickle)
{
    uint64_t index = 0;
    md_status st = read_index(pickle, 1, &index);
    return st == MD_OK ? put(pickle, index) : st;
}

static md_status put_4(struct pickle *pickle)
{
    uint64_t index = 0;
    md_status st = read_index(pickle, 4, &index);
    return st == MD_OK ? put(pickle, index) : st;
}

static md_status put_line(struct pickle *pickle)
{
    uint64_t index = 0;
    md_status st = read_index_line(pickle, &index);
    return st == MD_OK ? put(pickle, index) : st;
}

static md_status get_1(struct pickle *pickle)
{
    uint64_t index = 0;
    md_status st = read_index(pickle, 1, &index);
    return st == MD_OK ? get(pickle, index) : st;
}

static md_status get_4(struct pickle *pickle)
{
    uint64_t index = 0;
    md_status st = read_index(pickle, 4, &index);
    return st == MD_OK ? get(pickle, index) : st;
}

static md_status get_line(struct pickle *pickle)
{
    uint64_t index = 0;
    md_status st = read_index_line(pickle, &index);
    return st == MD_OK ? get(pickle, index) : st;
}

static md_status memoize(struct pickle *pickle)
{
    return put(pickle, pickle->memo_count++);
}

/* ---- names and calls --------------------------------------------------------------------------- */

static md_status protocol(struct pickle *pickle)
{
    md_status st = MD_OK;
    const unsigned char *p = NULL;
    TRY(pickle_take(pickle, &p, 1));
    if (*p > PROTOCOL_MAX)
        PICKLE_FAIL(pickle, MD_EUNSUPPORTED, "protocol %u; save with protocol %d or lower", *p,
                    PROTOCOL_MAX);
fail:
    return st;
}

/* How many bytes follow, for those who read ahead. */
static md_status frame(struct pickle *pickle)
{
    const unsigned char *p = NULL;
    return pickle_take(pickle, &p, 8);
}

static md_status push_global(struct pickle *pickle, const unsigned char *module, size_t module_size,
                             const unsigned char *name, size_t name_size)
{
    md_status st = MD_OK;
    struct pickle_value *value = NULL;
    TRY(pickle_find_global(pickle, &value, module, module_size, name, name_size));
    TRY(pickle_push(pickle, value));
fail:
    return st;
}

/* INST would make an object of that name, which nothing on the list is. */
static md_status global_lines(struct pickle *pickle)
{
    md_status st = MD_OK;
    const unsigned char *module = NULL;
    const unsigned char *name = NULL;
    size_t module_size = 0;
    size_t name_size = 0;
    TRY(pickle_take_line(pickle, &module, &module_size));
    TRY(pickle_take_line(pickle, &name, &name_size));
    TRY(push_global(pickle, module, module_size, name, name_size));
    if (pickle->bytes[pickle->opcode_at] == 'i')
        PICKLE_FAIL(pickle, MD_EUNSUPPORTED, "holds an object of '%.*s.%.*s'; save tensors only",
                    (int)module_size, (const char *)module, (int)name_size, (const char *)name);
fail:
    return st;
}

static md_status global_of_stack(struct pickle *pickle)
{
    md_status st = MD_OK;
    struct pickle_value *name = NULL;
    struct pickle_value *module = NULL;
    TRY(pickle_pop(pickle, &name));
    TRY(pickle_pop(pickle, &module));
    if (module->kind != PICKLE_TEXT || name->kind != PICKLE_TEXT)
        PICKLE_FAIL(pickle, MD_EFORMAT, "a name is no text; the file is damaged");
    TRY(push_global(pickle, module->bytes.data, module->bytes.size, name->bytes.data,
                    name->bytes.size));
fail:
    return st;
}

/* REDUCE and NEWOBJ: for what is on the list, making an object is calling its type. */
static md_status call(struct pickle *pickle)
{
    md_status st = MD_OK;
    struct pickle_value *arguments = NULL;
    struct pickle_value *callable = NULL;
    struct pickle_value *value = NULL;
    TRY(pickle_pop(pickle, &arguments));
    TRY(pickle_pop(pickle, &callable));
    TRY(pickle_call(pickle, &value, callable, arguments));
    TRY(pickle_push(pickle, value));
fail:
    return st;
}

static md_status build(struct pickle *pickle)
{
    md_status st = MD_OK;
    struct pickle_value *state = NULL;
    struct pickle_value *value = NULL;
    TRY(pickle_pop(pickle, &state));
    TRY(pickle_top(pickle, &value));
    TRY(pickle_set_state(pickle, value, state));
fail:
    return st;
}

static md_status persistent_id(struct pickle *pickle)
{
    md_status st = MD_OK;
    struct pickle_value *id = NULL;
    struct pickle_value *value = NULL;
    TRY(pickle_pop(pickle, &id));
    TRY(torch_find_storage(pickle, &value, id));
    TRY(pickle_push(pickle, value));
fail:
    return st;
}

static md_status refuse(struct pickle *pickle)
{
    return PICKLE_ERROR(pickle, MD_EUNSUPPORTED,
                        "opcode 0x%02x makes objects that are no data; save tensors only",
                        pickle->bytes[pickle->opcode_at]);
}

/* ---- table ------------------------------------------------------------------------------------- */

pickle_opcode_fn *pickle_opcode(unsigned code)
{
    static pickle_opcode_fn *const OPCODES[256] = {
        ['('] = mark,
        ['0'] = pop,
        ['1'] = pop_mark,
        ['2'] = duplicate,
        [']'] = empty_list,
        ['l'] = list_of_mark,
        ['a'] = append,
        ['e'] = append_all,
        [')'] = empty_tuple,
        ['t'] = tuple_of_mark,
        [0x85] = tuple_1,
        [0x86] = tuple_2,
        [0x87] = tuple_3,
        ['}'] = empty_dict,
        ['d'] = dict_of_mark,
        ['s'] = set_item,
        ['u'] = set_items,
        [0x8f] = empty_list,
        [0x90] = append_all,
        [0x91] = list_of_mark,
        ['p'] = put_line,
        ['q'] = put_1,
        ['r'] = put_4,
        [0x94] = memoize,
        ['g'] = get_line,
        ['h'] = get_1,
        ['j'] = get_4,
        [0x80] = protocol,
        [0x95] = frame,
        ['c'] = global_lines,
        [0x93] = global_of_stack,
        ['R'] = call,
        [0x81] = call,
        ['b'] = build,
        ['Q'] = persistent_id,
        ['i'] = global_lines,
        ['o'] = refuse,
        ['P'] = refuse,
        [0x82] = refuse,
        [0x83] = refuse,
        [0x84] = refuse,
        [0x92] = refuse,
        [0x97] = refuse,
        [0x98] = refuse,
    };
    pickle_opcode_fn *run = OPCODES[code & 255];
    return run ? run : pickle_scalar_opcode(code);
}
