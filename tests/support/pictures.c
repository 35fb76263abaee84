/* pictures.c - small files of data sets, below the test's folder. */
#include "pictures.h"

#include <check.h>
#include <string.h>

#include "image/image.h"
#include "temp_dir.h"

void put_picture(const char *name)
{
    struct memory memory;
    md_image image;
    memory_init(&memory, NULL);
    ck_assert_int_eq(image_create(&image, &memory, 40, 30, MD_RGB8), MD_OK);
    memset(image.data, 90, 40 * 30 * 3);
    ck_assert_int_eq(image_save(&image, &memory, temp_path("%s", name)), MD_OK);
    image_release(&image);
}

void put_text(const char *name, const char *text)
{
    temp_file(name, text, strlen(text));
}
