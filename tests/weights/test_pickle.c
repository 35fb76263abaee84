/* test_pickle.c - the pickle machine: what it makes of opcodes, what it refuses, what it may take. */
#include "weights/pickle.h"

#include <string.h>

#include "core/error.h"
#include "suite.h"
#include "support/failing_memory.h"

static struct memory memory;
static struct pickle machine;

static md_status run_bytes(const void *bytes, size_t size, const struct pickle_value **value)
{
    memory_init(&memory, NULL);
    pickle_open(&machine, &memory, "test", bytes, size);
    *value = NULL;
    return pickle_read(&machine, value);
}

static void finish(void)
{
    pickle_close(&machine);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}

#define RUN(text, value) run_bytes(text, sizeof(text) - 1, value)

/* ---- values ---------------------------------------------------------------------------- */

static const struct integer {
    const char *text;
    size_t size;
    int64_t value;
} INTEGERS[] = {
#define INTEGER(text, value)                                                                       \
    {                                                                                              \
        text, sizeof(text) - 1, value                                                              \
    }
    INTEGER("K\xff.", 255),
    INTEGER("M\x01\xff.", 0xff01),
    INTEGER("J\xfe\xff\xff\xff.", -2),
    INTEGER("\x8a\x00.", 0),
    INTEGER("\x8a\x01\xff.", -1),
    INTEGER("\x8a\x05\x00\x00\x00\x00\x01.", (int64_t)1 << 32),
    INTEGER("\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80.", INT64_MIN),
    INTEGER("\x8b\x02\x00\x00\x00\x00\x80.", -32768),
    INTEGER("I-17\n.", -17),
    INTEGER("L9000000000L\n.", 9000000000),
    INTEGER("L5\n.", 5),
    INTEGER("K\x01K\x02"
            "0.",
            1),
    INTEGER("K\x07(K\x01K\x02"
            "1.",
            7),
    INTEGER("K\x07(0.", 7),
    INTEGER("\x80\x05\x95\x03\x00\x00\x00\x00\x00\x00\x00K\x09.", 9),
    INTEGER("K\x03q\x00\x30h\x00.", 3),
    INTEGER("K\x03r\x01\x00\x00\x00\x30j\x01\x00\x00\x00.", 3),
    INTEGER("K\x03p2\n0g2\n.", 3),
    INTEGER("K\x04\x94K\x05\x94\x30\x30h\x01.", 5),
#undef INTEGER
};
enum { INTEGER_COUNT = sizeof INTEGERS / sizeof INTEGERS[0] };

START_TEST(integers)
{
    const struct pickle_value *value = NULL;
    md_status st = run_bytes(INTEGERS[_i].text, INTEGERS[_i].size, &value);
    ck_assert_msg(st == MD_OK, "%s", error_text());
    ck_assert_int_eq(value->kind, PICKLE_INTEGER);
    ck_assert(value->integer == INTEGERS[_i].value);
    finish();
}
END_TEST

START_TEST(other_scalars)
{
    const struct pickle_value *value = NULL;
    ck_assert_int_eq(RUN("(NI00\nI01\n\x88\x89G\x3f\xf8\x00\x00\x00\x00\x00\x00"
                         "F-2.5e-1\nt.",
                         &value),
                     MD_OK);
    ck_assert_uint_eq(value->list.count, 7);
    struct pickle_value **items = value->list.items;
    ck_assert_int_eq(items[0]->kind, PICKLE_NONE);
    for (int i = 1; i < 5; i++) {
        ck_assert_int_eq(items[i]->kind, PICKLE_BOOL);
        ck_assert_int_eq(items[i]->truth, i == 2 || i == 3);
    }
    ck_assert_double_eq(items[5]->real, 1.5);
    ck_assert_double_eq(items[6]->real, -0.25);
    finish();
    ck_assert_int_eq(RUN("\x8a\x09"
                         "123456789.",
                         &value),
                     MD_OK);
    ck_assert_int_eq(value->kind, PICKLE_HUGE);
    ck_assert_uint_eq(value->bytes.size, 9);
    finish();
}
END_TEST

static const struct text {
    const char *pickle;
    size_t size;
    enum pickle_kind kind;
    const char *raw;  /* as the machine keeps it */
    const char *utf8; /* as a name; NULL: it cannot be one */
} TEXTS[] = {
#define TEXT(pickle, ...)                                                                          \
    {                                                                                              \
        pickle, sizeof(pickle) - 1, __VA_ARGS__                                                    \
    }
    TEXT("U\x03"
         "abc.",
         PICKLE_STRING, "abc", "abc"),
    TEXT("T\x02\x00\x00\x00"
         "a\xe9.",
         PICKLE_STRING, "a\xe9", "a\xc3\xa9"),
    TEXT("X\x02\x00\x00\x00\xc3\xa9.", PICKLE_TEXT, "\xc3\xa9", "\xc3\xa9"),
    TEXT("X\x01\x00\x00\x00\xe9.", PICKLE_TEXT, "\xe9", NULL),
    TEXT("\x8c\x01"
         "a.",
         PICKLE_TEXT, "a", "a"),
    TEXT("\x8d\x01\x00\x00\x00\x00\x00\x00\x00"
         "a.",
         PICKLE_TEXT, "a", "a"),
    TEXT("C\x01"
         "a.",
         PICKLE_BYTES, "a", NULL),
    TEXT("B\x01\x00\x00\x00"
         "a.",
         PICKLE_BYTES, "a", NULL),
    TEXT("\x8e\x01\x00\x00\x00\x00\x00\x00\x00"
         "a.",
         PICKLE_BYTES, "a", NULL),
    TEXT("\x96\x01\x00\x00\x00\x00\x00\x00\x00"
         "a.",
         PICKLE_BYTES, "a", NULL),
    TEXT("S'a\\x41\\n\\'\\\\\\101\\7\"'\n.", PICKLE_STRING, "aA\n'\\A\a\"", "aA\n'\\A\a\""),
    TEXT("S\"it's\"\n.", PICKLE_STRING, "it's", "it's"),
    TEXT("Va\\u00e9\xe9\\U0001f600\\u0416\\n\n.", PICKLE_TEXT,
         "a\xc3\xa9\xc3\xa9\xf0\x9f\x98\x80\xd0\x96\\n",
         "a\xc3\xa9\xc3\xa9\xf0\x9f\x98\x80\xd0\x96\\n"),
    TEXT("c_codecs\nencode\nX\x04\x00\x00\x00"
         "a\xc3\xa9z\x8c\x06latin1\x86R.",
         PICKLE_BYTES, "a\xe9z", NULL),
    TEXT("c_codecs\nencode\nX\x01\x00\x00\x00"
         "a\x8c\x07latin-1\x86R.",
         PICKLE_BYTES, "a", NULL),
    TEXT("c__builtin__\nbytes\n)R.", PICKLE_BYTES, "", NULL),
#undef TEXT
};
enum { TEXT_COUNT = sizeof TEXTS / sizeof TEXTS[0] };

START_TEST(texts_and_bytes)
{
    const struct text *one = &TEXTS[_i];
    const struct pickle_value *value = NULL;
    const char *name = NULL;
    md_status st = run_bytes(one->pickle, one->size, &value);
    ck_assert_msg(st == MD_OK, "%s", error_text());
    ck_assert_int_eq(value->kind, one->kind);
    ck_assert_uint_eq(value->bytes.size, strlen(one->raw));
    ck_assert_mem_eq(value->bytes.data, one->raw, value->bytes.size);
    st = pickle_text(&machine, &name, value);
    ck_assert_int_eq(st, one->utf8 ? MD_OK : MD_EFORMAT);
    ck_assert_str_eq(name ? name : "", one->utf8 ? one->utf8 : "");
    finish();
}
END_TEST

/* (pickle, kind, number of items) of the same content by all the ways there are. */
static const struct container {
    const char *text;
    size_t size;
    enum pickle_kind kind;
    size_t count;
} CONTAINERS[] = {
#define CONTAINER(text, kind, count)                                                               \
    {                                                                                              \
        text, sizeof(text) - 1, kind, count                                                        \
    }
    CONTAINER("].", PICKLE_LIST, 0),
    CONTAINER("]K\x01"
              "a.",
              PICKLE_LIST, 1),
    CONTAINER("](K\x01K\x02"
              "e.",
              PICKLE_LIST, 2),
    CONTAINER("(K\x01K\x02l.", PICKLE_LIST, 2),
    CONTAINER("(K\x01K\x02t.", PICKLE_TUPLE, 2),
    CONTAINER(").", PICKLE_TUPLE, 0),
    CONTAINER("K\x01\x85.", PICKLE_TUPLE, 1),
    CONTAINER("K\x01K\x02\x86.", PICKLE_TUPLE, 2),
    CONTAINER("K\x01K\x02K\x03\x87.", PICKLE_TUPLE, 3),
    CONTAINER("}.", PICKLE_DICT, 0),
    CONTAINER("}K\x01K\x02s.", PICKLE_DICT, 2),
    CONTAINER("}(K\x01K\x02K\x03K\x04u.", PICKLE_DICT, 4),
    CONTAINER("(K\x01K\x02"
              "d.",
              PICKLE_DICT, 2),
    CONTAINER("\x8f(K\x01\x90.", PICKLE_LIST, 1),
    CONTAINER("(K\x01\x91.", PICKLE_LIST, 1),
    CONTAINER("ccollections\nOrderedDict\n)R.", PICKLE_DICT, 0),
    CONTAINER("\x8c\x0b"
              "collections\x8c\x0bOrderedDict\x93)R.",
              PICKLE_DICT, 0),
    CONTAINER("ccollections\nOrderedDict\n](](K\x01K\x02"
              "e](K\x03K\x04"
              "ee\x85R.",
              PICKLE_DICT, 4),
    CONTAINER("ccollections\nOrderedDict\n)R}X\x09\x00\x00\x00_metadata}sb.", PICKLE_DICT, 0),
    CONTAINER("ccollections\ndefaultdict\nc__builtin__\ndict\n\x85R.", PICKLE_DICT, 0),
    CONTAINER("ccollections\nCounter\n}K\x01K\x02s\x85R.", PICKLE_DICT, 2),
    CONTAINER("cargparse\nNamespace\n)\x81}b.", PICKLE_DICT, 0),
    CONTAINER("c__builtin__\nset\n]K\x01"
              "a\x85R.",
              PICKLE_LIST, 1),
    CONTAINER("ctorch\nSize\nK\x01K\x02\x86\x85R.", PICKLE_TUPLE, 2),
    CONTAINER("]q\x00h\x00"
              "a.",
              PICKLE_LIST, 1), /* holds itself */
#undef CONTAINER
};
enum { CONTAINER_COUNT = sizeof CONTAINERS / sizeof CONTAINERS[0] };

START_TEST(containers)
{
    const struct container *one = &CONTAINERS[_i];
    const struct pickle_value *value = NULL;
    md_status st = run_bytes(one->text, one->size, &value);
    ck_assert_msg(st == MD_OK, "%s", error_text());
    ck_assert_int_eq(value->kind, one->kind);
    ck_assert_uint_eq(value->list.count, one->count);
    finish();
}
END_TEST

START_TEST(the_last_value_of_a_key_counts)
{
    const struct pickle_value *value = NULL;
    ck_assert_int_eq(RUN("}(U\x01"
                         "aK\x01U\x01"
                         "bK\x02X\x01\x00\x00\x00"
                         "aK\x03u.",
                         &value),
                     MD_OK);
    ck_assert_int_eq(pickle_get(value, "a")->integer, 3);
    ck_assert_int_eq(pickle_get(value, "b")->integer, 2);
    ck_assert_ptr_null(pickle_get(value, "c"));
    ck_assert_ptr_null(pickle_get(NULL, "a"));
    ck_assert_ptr_null(pickle_get(pickle_get(value, "a"), "a"));
    finish();
}
END_TEST

START_TEST(pickles_follow_each_other)
{
    const struct pickle_value *value = NULL;
    ck_assert_int_eq(RUN("K\x01q\x00.K\x02.h\x00.", &value), MD_OK);
    ck_assert_int_eq(pickle_read(&machine, &value), MD_OK);
    ck_assert_int_eq(value->integer, 2);
    ck_assert_int_eq(pickle_read(&machine, &value), MD_EFORMAT); /* the memo was the first one's */
    ck_assert_ptr_nonnull(strstr(error_text(), "memo 0"));
    finish();
}
END_TEST

/* ---- refusals ---------------------------------------------------------------------------- */

#define STORAGE                                                                                    \
    "(U\x07storagectorch\nFloatStorage\nU\x01"                                                     \
    "0U\x03"                                                                                       \
    "cpuK\x04tQ"
#define TENSOR "ctorch._utils\n_rebuild_tensor_v2\n"

static const struct refusal {
    const char *text;
    size_t size;
    md_status status;
    const char *message;
} REFUSALS[] = {
#define REFUSAL(text, status, message)                                                             \
    {                                                                                              \
        text, sizeof(text) - 1, status, message                                                    \
    }
    REFUSAL("", MD_EFORMAT, "byte 0"),
    REFUSAL("K\x01", MD_EFORMAT, "byte 2: 1 bytes should follow"),
    REFUSAL(".", MD_EFORMAT, "a value is missing"),
    REFUSAL("\x01.", MD_EFORMAT, "0x01 is no opcode"),
    REFUSAL("\x80\x06.", MD_EUNSUPPORTED, "protocol 6"),
    REFUSAL("cos\nsystem\n.", MD_EUNSUPPORTED, "byte 0: names 'os.system'"),
    REFUSAL("\x8c\x02os\x8c\x06system\x93.", MD_EUNSUPPORTED, "names 'os.system'"),
    REFUSAL("(ios\nsystem\n.", MD_EUNSUPPORTED, "names 'os.system'"),
    REFUSAL("(icollections\nOrderedDict\n.", MD_EUNSUPPORTED,
            "object of 'collections.OrderedDict'"),
    REFUSAL("c__builtin__\neval\n.", MD_EUNSUPPORTED, "'__builtin__.eval'"),
    REFUSAL("cbuiltins\ngetattr\n.", MD_EUNSUPPORTED, "'builtins.getattr'"),
    REFUSAL("ctorch\nload\n.", MD_EUNSUPPORTED, "'torch.load'"),
    REFUSAL("ctorch.storage\n_load_from_bytes\n.", MD_EUNSUPPORTED, "_load_from_bytes"),
    REFUSAL("c\x1b[2J\nx\n.", MD_EUNSUPPORTED, "'?[2J.x'"),
    REFUSAL("c\n\n.", MD_EUNSUPPORTED, "names '.'"),
    REFUSAL("cos\nsystem", MD_EFORMAT, "a line has no end"),
    REFUSAL("K\x01K\x02\x93.", MD_EFORMAT, "a name is no text"),
    REFUSAL("c__builtin__\nint\n)R.", MD_EUNSUPPORTED, "calls"),
    REFUSAL("K\x01)R.", MD_EUNSUPPORTED, "calls a number"),
    REFUSAL("ccollections\nOrderedDict\nK\x01R.", MD_EFORMAT, "without arguments"),
    REFUSAL("ccollections\nOrderedDict\nK\x01\x85R.", MD_EFORMAT, "OrderedDict of a number"),
    REFUSAL("ccollections\nOrderedDict\n]K\x01"
            "a\x85R.",
            MD_EFORMAT, "needs pairs"),
    REFUSAL("c__builtin__\nset\nK\x01\x85R.", MD_EFORMAT, "something else than a list"),
    REFUSAL("c_codecs\nencode\nX\x02\x00\x00\x00\xd0\x96\x8c\x06latin1\x86R.", MD_EFORMAT,
            "latin-1"),
    REFUSAL("c_codecs\nencode\nX\x01\x00\x00\x00"
            "a\x8c\x03rot\x86R.",
            MD_EFORMAT, "latin-1"),
    REFUSAL("]}b.", MD_EUNSUPPORTED, "sets the state of a list"),
    REFUSAL("}K\x01"
            "b.",
            MD_EUNSUPPORTED, "sets the state of a dict"),
    REFUSAL("N\x82\x01.", MD_EUNSUPPORTED, "opcode 0x82"),
    REFUSAL("(cos\nsystem\no.", MD_EUNSUPPORTED, "os.system"),
    REFUSAL("(No.", MD_EUNSUPPORTED, "opcode 0x6f"),
    REFUSAL("Pid\n.", MD_EUNSUPPORTED, "opcode 0x50"),
    REFUSAL("\x97.", MD_EUNSUPPORTED, "opcode 0x97"),
    REFUSAL("t.", MD_EFORMAT, "a mark is missing"),
    REFUSAL("K\x01(\x85.", MD_EFORMAT, "a value is missing"),
    REFUSAL("K\x01(2.", MD_EFORMAT, "a value is missing"),
    REFUSAL("(K\x01"
            "d.",
            MD_EFORMAT, "a key without a value"),
    REFUSAL("}(K\x01u.", MD_EFORMAT, "cannot be put into a dict"),
    REFUSAL("]K\x01K\x02s.", MD_EFORMAT, "cannot be put into a list"),
    REFUSAL("K\x01K\x02"
            "a.",
            MD_EFORMAT, "cannot be put into a number"),
    REFUSAL("h\x00.", MD_EFORMAT, "memo 0 was never set"),
    REFUSAL("Nr\xff\xff\xff\x7f.", MD_EFORMAT, "out of reach"),
    REFUSAL("Np99999999999999999999\n.", MD_EFORMAT, "no number"),
    REFUSAL("Npx\n.", MD_EFORMAT, "no number"),
    REFUSAL("Ix\n.", MD_EFORMAT, "'x' is no number"),
    REFUSAL("Fx\n.", MD_EFORMAT, "'x' is no number"),
    REFUSAL("I99999999999999999999\n.", MD_EFORMAT, "is no number"),
    REFUSAL("Sabc\n.", MD_EFORMAT, "no quotes"),
    REFUSAL("S'abc\n.", MD_EFORMAT, "no quotes"),
    REFUSAL("S'\\x4'\n.", MD_EFORMAT, "bad escape"),
    REFUSAL("S'\\'\n.", MD_EFORMAT, "bad escape"),
    REFUSAL("S'\\q'\n.", MD_EFORMAT, "bad escape"),
    REFUSAL("V\\u12\n.", MD_EFORMAT, "bad escape"),
    REFUSAL("V\\Uffffffff\n.", MD_EFORMAT, "bad escape"),
    REFUSAL("X\xff\xff\xff\xff"
            "a.",
            MD_EFORMAT, "4294967295 bytes should follow"),
    REFUSAL("\x8e\xff\xff\xff\xff\xff\xff\xff\xff.", MD_EFORMAT, "should follow"),
    REFUSAL("K\x01Q.", MD_EFORMAT, "something else than a storage"),
    REFUSAL("(U\x06moduleNNNNtQ.", MD_EFORMAT, "something else than a storage"),
    REFUSAL("(U\x07storagectorch\nfloat32\nU\x01"
            "0U\x03"
            "cpuK\x04tQ.",
            MD_EFORMAT, "storage"),
    REFUSAL(TENSOR "(" STORAGE "K\x00K\x02\x85tR.", MD_EFORMAT, "_rebuild_tensor_v2"),
    REFUSAL(TENSOR "(" STORAGE "J\xff\xff\xff\xffK\x02\x85K\x01\x85\x89NtR.", MD_EFORMAT,
            "arguments"),
    REFUSAL(TENSOR "(" STORAGE "K\x00K\x02\x85)\x89NtR.", MD_EFORMAT, "1 dimensions and 0 strides"),
    REFUSAL(TENSOR "(" STORAGE "K\x00J\xff\xff\xff\xff\x85K\x01\x85\x89NtR.", MD_EFORMAT,
            "from 0 on"),
    REFUSAL(TENSOR "(" STORAGE "K\x00K\x01K\x01\x85\x89NtR.", MD_EFORMAT,
            "where a shape should be"),
    REFUSAL(TENSOR "(" STORAGE
                   "K\x00(K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01tq\x01h\x01\x89NtR.",
            MD_EUNSUPPORTED, "9 dimensions"),
    REFUSAL("ctorch._utils\n_rebuild_parameter\nN\x85R.", MD_EFORMAT, "without a tensor"),
    REFUSAL("cnumpy\ndtype\n)R.", MD_EFORMAT, "without a name"),
    REFUSAL("cnumpy.core.multiarray\nscalar\nN\x85R.", MD_EFORMAT, "no dtype"),
    REFUSAL("cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nU\x02"
            "f4\x85RU\x03"
            "abc\x86R.",
            MD_EFORMAT, "4 bytes"),
    REFUSAL("cnumpy.core.numeric\n_frombuffer\n(C\x00"
            "cnumpy\ndtype\nU\x02"
            "f4\x85R"
            "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fK\x02\x86U\x01"
            "CtR.",
            MD_EFORMAT, "too large a shape"),
#undef REFUSAL
};
enum { REFUSAL_COUNT = sizeof REFUSALS / sizeof REFUSALS[0] };

START_TEST(refusals)
{
    const struct refusal *one = &REFUSALS[_i];
    const struct pickle_value *value = NULL;
    md_status st = run_bytes(one->text, one->size, &value);
    ck_assert_msg(st == one->status && strstr(error_text(), one->message), "%d: %s", (int)st,
                  error_text());
    ck_assert_ptr_nonnull(strstr(error_text(), "test: pickle, byte "));
    finish();
}
END_TEST

/* ---- bombs --------------------------------------------------------------------------------- */

static void check_bomb(const void *bytes, size_t size, const char *message, size_t most)
{
    const struct pickle_value *value = NULL;
    md_status st = run_bytes(bytes, size, &value);
    ck_assert_int_eq(st, MD_EFORMAT);
    ck_assert_msg(strstr(error_text(), message) != NULL, "%s", error_text());
    ck_assert_uint_le(atomic_load(&memory.live_bytes), most);
    finish();
}

START_TEST(bombs_end_early)
{
    static unsigned char bytes[1 << 20];
    const size_t most = (size_t)160
                        << 20; /* the budget of 64 MiB, twice the file, and the arena's rounding */
    memset(bytes, '(', sizeof bytes);
    check_bomb(bytes, sizeof bytes, "nested deeper than 256", 1 << 20);
    memset(bytes, 'N', sizeof bytes);
    check_bomb(bytes, sizeof bytes, "more than 65536 values", 16 << 20);
    /* A text of 256 KiB, encoded again and again. */
    static const char ENCODE[] = "c_codecs\nencode\n";
    static const char AGAIN[] = "h\x00h\x01h\x02\x86R0";
    size_t at = sizeof ENCODE - 1;
    memcpy(bytes, ENCODE, at);
    memcpy(bytes + at,
           "q\x00"
           "0X\x00\x00\x04\x00",
           8);
    memset(bytes + at + 8, 0, 1 << 18);
    at += 8;
    for (size_t i = 0; i < (size_t)1 << 18; i += 2)
        memcpy(bytes + at + i, "\xc3\xa9", 2);
    at += (size_t)1 << 18;
    memcpy(bytes + at,
           "q\x01"
           "0U\x06latin1q\x02"
           "0",
           14);
    at += 14;
    for (; at + sizeof AGAIN < sizeof bytes; at += sizeof AGAIN - 1)
        memcpy(bytes + at, AGAIN, sizeof AGAIN - 1);
    check_bomb(bytes, at, "more memory than", most);
    /* Each list is twice the one before. */
    static const char DOUBLE[] = "ccollections\nOrderedDict\nh\x00\x85R";
    bytes[0] = '}';
    memcpy(bytes + 1, "(", 1);
    at = 2;
    for (int i = 0; i < 2000; i++, at += 2)
        memcpy(bytes + at, "NN", 2);
    memcpy(bytes + at, "uq\x00", 3);
    at += 3;
    for (; at + sizeof DOUBLE < sizeof bytes; at += sizeof DOUBLE - 1)
        memcpy(bytes + at, DOUBLE, sizeof DOUBLE - 1);
    check_bomb(bytes, at, "more memory than", most);
}
END_TEST

START_TEST(no_failing_allocation_leaks)
{
    static const char BYTES[] = "}(U\x01"
                                "a](K\x01q\x01S'x'\neU\x01"
                                "b" TENSOR "(" STORAGE "K\x00K\x02\x85K\x01\x85\x89NtRu.";
    md_status st = MD_ENOMEM;
    for (size_t k = 0; st != MD_OK; k++) {
        struct failing_memory failing;
        struct pickle pickle;
        const struct pickle_value *value = NULL;
        const char *name = NULL;
        failing_memory_init(&failing, k);
        pickle_open(&pickle, &failing.memory, "test", (const unsigned char *)BYTES,
                    sizeof BYTES - 1);
        st = pickle_read(&pickle, &value);
        if (st == MD_OK)
            st = pickle_text(&pickle, &name, value->list.items[0]);
        pickle_close(&pickle);
        failing_memory_check(&failing, st);
    }
}
END_TEST

SUITE("weights/pickle", LOOP(integers, 0, INTEGER_COUNT), TEST(other_scalars),
      LOOP(texts_and_bytes, 0, TEXT_COUNT), LOOP(containers, 0, CONTAINER_COUNT),
      TEST(the_last_value_of_a_key_counts), TEST(pickles_follow_each_other),
      LOOP(refusals, 0, REFUSAL_COUNT), TEST(bombs_end_early), TEST(no_failing_allocation_leaks))
