/* test_path.c - paths as text, paths that try to leave a folder, folders and their lists. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "core/file.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/temp_dir.h"

static void make_folder(const char *path)
{
    ck_assert_msg(directory_make(path) == MD_OK, "%s", error_text());
}

START_TEST(parts_of_a_path)
{
    static const struct {
        const char *path, *base, *suffix;
    } known[] = {{"a/b.jpg", "b.jpg", ".jpg"},
                 {"b", "b", ""},
                 {"a.d/b", "b", ""},
                 {"a/.hidden", ".hidden", ""},
                 {"x.tar.gz", "x.tar.gz", ".gz"},
                 {"a/", "", ""},
                 {"", "", ""},
                 {"/", "", ""},
                 {".a.JPG", ".a.JPG", ".JPG"}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        ck_assert_str_eq(path_base(known[i].path), known[i].base);
        ck_assert_str_eq(path_suffix(known[i].path), known[i].suffix);
    }
}
END_TEST

START_TEST(joins_with_one_slash)
{
    static const struct {
        const char *folder, *name, *joined;
    } known[] = {{"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"/", "b", "/b"}, {"", "b", "b"}};
    struct memory memory;
    memory_init(&memory, NULL);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        char *joined = NULL;
        ck_assert_int_eq(path_join(&memory, &joined, known[i].folder, known[i].name), MD_OK);
        ck_assert_str_eq(joined, known[i].joined);
        memory_free(&memory, joined);
    }
}
END_TEST

/* ---- staying inside -------------------------------------------------------- */

static const struct {
    const char *name;
    bool stays;
} names[] = {
    {"a", true},          {"a/b.jpg", true}, {"a//b", true},   {"./a", true}, {"a/./b", true},
    {"a/", true},         {"..a", true},     {"a..", true},    {"...", true}, {"a/..b/c", true},
    {".a", true},         {"", false},       {".", false},     {"./", false}, {"././/.", false},
    {"/", false},         {"/a", false},     {"//a", false},   {"..", false}, {"../a", false},
    {"a/..", false},      {"a/../b", false}, /* would stay, but nobody writes it for a good reason */
    {"a/../../b", false}, {"./..", false},   {"a//..", false},
};
enum { NAMES = sizeof names / sizeof names[0] };

START_TEST(judges_the_text)
{
    const char *const folders[] = {temp_dir(), temp_path("absent"), "", ".", "/"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        ck_assert_msg(path_stays_inside(folders[i], names[_i].name) == names[_i].stays,
                      "\"%s\" in \"%s\"", names[_i].name, folders[i]);
}
END_TEST

START_TEST(judges_links_by_where_they_lead)
{
    const char *root = temp_path("root");
    make_folder(temp_path("root/inner/deep"));
    make_folder(temp_path("root-outside")); /* begins with the same bytes */
    temp_file("root/inner/file", "x", 1);
    temp_file("root-outside/secret", "x", 1);
    const struct {
        const char *target, *link;
        const char *name;
        bool stays;
    } links[] = {
        {"inner", "root/in", "in/file", true},
        {"inner/file", "root/in_file", "in_file", true},
        {"../root/inner", "root/round", "round/file", true},
        {"../root-outside", "root/out", "out/secret", false},
        {temp_path("root-outside/secret"), "root/out_file", "out_file", false},
        {"../out", "root/inner/far", "inner/far/secret", false}, /* a link to a link */
        {"../root-outside/new", "root/dangling", "dangling", false},
        {"inner/new", "root/dangling_in", "dangling_in", false}, /* the cautious answer */
        {"loop", "root/loop", "loop", false},
        {"..", "root/up", "up/root-outside/secret", false},
    };
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
        ck_assert_int_eq(symlink(links[i].target, temp_path("%s", links[i].link)), 0);
        ck_assert_msg(path_stays_inside(root, links[i].name) == links[i].stays, "%s",
                      links[i].name);
    }
    /* What does not exist yet is judged by the part that does. */
    ck_assert(path_stays_inside(root, "inner/new/er"));
    ck_assert(path_stays_inside(root, "in/new"));
    ck_assert(!path_stays_inside(root, "out/new"));
    ck_assert(!path_stays_inside(root, "out/new/er"));
    ck_assert(!path_stays_inside(root, "dangling/new"));
    ck_assert(!path_stays_inside(root, "dangling//new"));
    ck_assert(!path_stays_inside(root, "inner/file/new")); /* below a file */
    /* The folder itself may be reached through a link. */
    ck_assert_int_eq(symlink("root", temp_path("alias")), 0);
    ck_assert(path_stays_inside(temp_path("alias"), "inner/file"));
    ck_assert(!path_stays_inside(temp_path("alias"), "out/secret"));
}
END_TEST

START_TEST(refuses_names_too_long_to_resolve)
{
    static char name[2 * PATH_MAX];
    memset(name, 'a', 300); /* longer than a component may be */
    ck_assert(!path_stays_inside(temp_dir(), name));
    for (size_t i = 1; i < sizeof name - 1; i += 2)
        memcpy(name + i - 1, "a/", 2);
    ck_assert(!path_stays_inside(temp_dir(), name));
}
END_TEST

/* ---- folders ---------------------------------------------------------------- */

START_TEST(makes_parents)
{
    make_folder(temp_path("a/b//c/"));
    make_folder(temp_path("a/b/c"));
    make_folder("/");
    ck_assert(file_is_directory(temp_path("a/b/c")));
    const char *file = temp_file("file", "x", 1);
    ck_assert_int_eq(directory_make(file), MD_EIO);
    ck_assert_ptr_nonnull(strstr(error_text(), file));
    ck_assert_int_eq(directory_make(temp_path("file/below")), MD_EIO);
    ck_assert_ptr_nonnull(strstr(error_text(), strerror(EEXIST)));
    ck_assert_int_eq(directory_make(""), MD_EINVAL);
    static char longest[2 * PATH_MAX];
    memset(longest, 'a', sizeof longest - 1);
    ck_assert_int_eq(directory_make(longest), MD_EINVAL);
}
END_TEST

START_TEST(tells_empty_folders)
{
    make_folder(temp_path("a/b"));
    ck_assert(directory_is_empty(temp_path("a/b")));
    ck_assert(directory_is_empty(temp_path("absent")));
    ck_assert(!directory_is_empty(temp_path("a")));
    ck_assert(!directory_is_empty(temp_file("file", "", 0)));
    temp_file("a/b/.hidden", "", 0);
    ck_assert(!directory_is_empty(temp_path("a/b")));
}
END_TEST

static const char *const image_suffixes[] = {".jpg", ".png", NULL};

static void fill_folder(void)
{
    make_folder(temp_path("list/folder.jpg"));
    static const char *const files[] = {"b.jpg", "B.JPG",     "a.png",       "10.jpg",
                                        "9.jpg", "c.jpeg",    "jpg",         ".jpg",
                                        "d.jp",  "e.jpg.txt", "\xC3\xA9.Png"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        temp_file(temp_path("list/%s", files[i]) + strlen(temp_dir()) + 1, "x", 1);
    ck_assert_int_eq(symlink("b.jpg", temp_path("list/link.jpg")), 0);
    ck_assert_int_eq(symlink("gone", temp_path("list/dangling.jpg")), 0);
    ck_assert_int_eq(mkfifo(temp_path("list/fifo.jpg"), 0600), 0);
}

START_TEST(lists_sorted_files_of_a_kind)
{
    static const char *const expected[] = {"10.jpg", "9.jpg",    "B.JPG",       "a.png",
                                           "b.jpg",  "link.jpg", "\xC3\xA9.Png"};
    enum { EXPECTED = sizeof expected / sizeof expected[0] };
    struct memory memory;
    struct path_list list;
    memory_init(&memory, NULL);
    fill_folder();
    ck_assert_int_eq(directory_list(&list, &memory, temp_path("list"), image_suffixes), MD_OK);
    ck_assert_uint_eq(list.count, EXPECTED);
    for (size_t i = 0; i < EXPECTED; i++)
        ck_assert_str_eq(list.items[i], temp_path("list/%s", expected[i]));
    path_list_free(&list);
    path_list_free(&list);
    ck_assert_int_eq(directory_list(&list, &memory, temp_path("list"), NULL), MD_OK);
    ck_assert_uint_eq(list.count, 12);
    path_list_free(&list);
    ck_assert_int_eq(directory_list(&list, &memory, temp_path("list/folder.jpg"), NULL), MD_OK);
    ck_assert_uint_eq(list.count, 0);
    path_list_free(&list);
    ck_assert_int_eq(directory_list(&list, &memory, temp_path("absent"), NULL), MD_EIO);
    ck_assert_ptr_nonnull(strstr(error_text(), temp_path("absent")));
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(leaks_nothing_when_memory_ends)
{
    md_status st = MD_ENOMEM;
    fill_folder();
    for (size_t i = 0; i < 100; i++) { /* enough for the list to grow */
        const char *path = temp_path("list/more%zu.jpg", i);
        temp_file(path + strlen(temp_dir()) + 1, "x", 1);
    }
    for (size_t k = 0; st != MD_OK; k++) {
        struct failing_memory failing;
        struct path_list list;
        failing_memory_init(&failing, k);
        st = directory_list(&list, &failing.memory, temp_path("list"), image_suffixes);
        path_list_free(&list);
        failing_memory_check(&failing, st);
    }
}
END_TEST

SUITE("core/path", TEST(parts_of_a_path), TEST(joins_with_one_slash),
      LOOP(judges_the_text, 0, NAMES), TEST(judges_links_by_where_they_lead),
      TEST(refuses_names_too_long_to_resolve), TEST(makes_parents), TEST(tells_empty_folders),
      TEST(lists_sorted_files_of_a_kind), TEST(leaks_nothing_when_memory_ends))
