/* voc_xml.c - from expat's events to one Pascal VOC annotation. */
#include "data/voc_xml.h"

#include <math.h>
#include <string.h>

#include "core/buffer.h"
#include "core/error.h"
#include "core/strings.h"
#include "data/builder.h"
#include "data/reading.h"

enum { MAX_DEPTH = 32, MAX_TEXT = 4096, MAX_BYTES = 64 << 20 };

void voc_file_init(struct voc_file *file, struct memory *memory)
{
    memset(file, 0, sizeof *file);
    file->memory = memory;
    arena_init(&file->arena, memory);
}

void voc_file_clear(struct voc_file *file)
{
    arena_free(&file->arena);
    file->name = NULL;
    file->width = file->height = 0;
    file->count = 0;
}

void voc_file_free(struct voc_file *file)
{
    memory_free(file->memory, file->objects);
    arena_free(&file->arena);
    voc_file_init(file, file->memory);
}

#if MD_WITH_EXPAT
#include <expat.h>

/* The elements that mean something; where each may stand is in `places`. */
enum element {
    OTHER,
    ROOT,
    FILENAME,
    SIZE,
    WIDTH,
    HEIGHT,
    OBJECT,
    NAME,
    DIFFICULT,
    BOX,
    XMIN,
    YMIN,
    XMAX,
    YMAX
};

static const struct {
    enum element parent;
    const char *name;
    enum element element;
} places[] = {
    {ROOT, "filename", FILENAME},
    {ROOT, "size", SIZE},
    {SIZE, "width", WIDTH},
    {SIZE, "height", HEIGHT},
    {ROOT, "object", OBJECT},
    {OBJECT, "name", NAME},
    {OBJECT, "difficult", DIFFICULT},
    {OBJECT, "bndbox", BOX},
    {BOX, "xmin", XMIN},
    {BOX, "ymin", YMIN},
    {BOX, "xmax", XMAX},
    {BOX, "ymax", YMAX},
};

struct parse {
    struct voc_file *file;
    const char *path;
    struct problem_list *problems;
    XML_Parser parser;
    md_status st; /* of the first failure, which stops the parser */
    enum element open[MAX_DEPTH];
    int depth;
    struct buffer text; /* of the innermost element */
    struct voc_object object;
    double values[4];
    bool has[4];
    bool bad; /* the object was noted as a problem */
};

static size_t line_of(const struct parse *parse)
{
    return XML_GetCurrentLineNumber(parse->parser);
}

static void stop(struct parse *parse, md_status st)
{
    if (st >= 0 || parse->st < 0)
        return;
    parse->st = st;
    XML_StopParser(parse->parser, XML_FALSE);
}

/* For what is wrong with one object: noted, or the end. */
static void object_fault(struct parse *parse, md_status st)
{
    parse->bad = true;
    stop(parse, problem_pass_over(parse->problems, parse->path, st));
}

/* ---- values --------------------------------------------------------------- */

static void take_size(struct parse *parse, const char *text, int *out)
{
    double value = 0;
    if (!parse_double(text, &value) || !(value >= 0) || !(value <= 1 << 24)) {
        stop(parse, ERROR(MD_EFORMAT, "%s:%zu: the image size \"%.40s\" is no number of pixels",
                          parse->path, line_of(parse), text));
        return;
    }
    *out = (int)value;
}

static void take_corner(struct parse *parse, const char *text, int corner)
{
    static const char *const names[] = {"xmin", "ymin", "xmax", "ymax"};
    double value = 0;
    if (!parse_double(text, &value) || !isfinite(value) || fabs(value) > 1e9)
        object_fault(parse, ERROR(MD_EFORMAT, "%s:%zu: %s is \"%.40s\", no number of pixels",
                                  parse->path, line_of(parse), names[corner], text));
    else if (parse->has[corner])
        object_fault(parse, ERROR(MD_EFORMAT, "%s:%zu: %s stands here a second time", parse->path,
                                  line_of(parse), names[corner]));
    parse->values[corner] = value;
    parse->has[corner] = true;
}

static void take_text(struct parse *parse, const char *text, const char **out)
{
    stop(parse, arena_copy_string(&parse->file->arena, out, text, strlen(text)));
}

static void take_difficult(struct parse *parse, const char *text)
{
    if (strcmp(text, "0") != 0 && strcmp(text, "1") != 0 && *text)
        object_fault(parse, ERROR(MD_EFORMAT, "%s:%zu: difficult is \"%.40s\"; it is 0 or 1",
                                  parse->path, line_of(parse), text));
    parse->object.difficult = *text == '1';
}

static md_status check_object(const struct parse *parse)
{
    const struct voc_object *object = &parse->object;
    const double *v = parse->values;
    if (!object->class_name || !*object->class_name)
        return ERROR(MD_EFORMAT, "%s:%zu: the object has no <name>", parse->path, object->line);
    for (int i = 0; i < 4; i++)
        if (!parse->has[i])
            return ERROR(MD_EFORMAT,
                         "%s:%zu: the object has no <bndbox> of xmin, ymin, xmax and ymax",
                         parse->path, object->line);
    if (object->box[2] <= object->box[0] || object->box[3] <= object->box[1])
        return ERROR(MD_EFORMAT,
                     "%s:%zu: the box %g,%g,%g,%g has no area or is turned round; correct or "
                     "remove it",
                     parse->path, object->line, v[0], v[1], v[2], v[3]);
    return MD_OK;
}

static void end_object(struct parse *parse)
{
    struct voc_file *file = parse->file;
    struct voc_object *object = &parse->object;
    if (parse->bad)
        return;
    /* Pixels are counted from 1 and the last one belongs to the box. */
    for (int i = 0; i < 4; i++)
        object->box[i] = (float)(i < 2 ? parse->values[i] - 1 : parse->values[i]);
    md_status st = check_object(parse);
    if (st < 0) {
        object_fault(parse, st);
        return;
    }
    st = grow_array(file->memory, &file->objects, file->count, &file->capacity, sizeof *object);
    if (st == MD_OK)
        file->objects[file->count++] = *object;
    stop(parse, st);
}

/* ---- events --------------------------------------------------------------- */

static enum element element_at(const struct parse *parse, const char *name)
{
    if (parse->depth == 0)
        return ROOT;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (places[i].parent == parse->open[parse->depth - 1] && strcmp(places[i].name, name) == 0)
            return places[i].element;
    return OTHER;
}

static void on_start(void *user, const XML_Char *name, const XML_Char **attributes)
{
    struct parse *parse = user;
    (void)attributes;
    if (parse->st < 0) /* stopped; what belongs together is still told */
        return;
    if (parse->depth == 0 && strcmp(name, "annotation") != 0) {
        stop(parse, ERROR(MD_EFORMAT,
                          "%s:%zu: the file begins with <%.40s>; a VOC file is an <annotation>",
                          parse->path, line_of(parse), name));
        return;
    }
    if (parse->depth == MAX_DEPTH) {
        stop(parse, ERROR(MD_EFORMAT, "%s:%zu: more than %d elements inside each other",
                          parse->path, line_of(parse), MAX_DEPTH));
        return;
    }
    enum element element = element_at(parse, name);
    parse->open[parse->depth++] = element;
    buffer_clear(&parse->text);
    if (element == OBJECT) {
        parse->object = (struct voc_object){.line = line_of(parse)};
        memset(parse->has, 0, sizeof parse->has);
        parse->bad = false;
    }
}

static void on_end(void *user, const XML_Char *name)
{
    struct parse *parse = user;
    char text[MAX_TEXT + 1];
    (void)name;
    if (parse->st < 0)
        return;
    enum element element = parse->open[--parse->depth];
    text_trim(parse->text.data ? parse->text.data : "", " \t\r\n", text, sizeof text);
    if (element == FILENAME)
        take_text(parse, text, &parse->file->name);
    else if (element == WIDTH || element == HEIGHT)
        take_size(parse, text, element == WIDTH ? &parse->file->width : &parse->file->height);
    else if (element == NAME)
        take_text(parse, text, &parse->object.class_name);
    else if (element == DIFFICULT)
        take_difficult(parse, text);
    else if (element >= XMIN && element <= YMAX)
        take_corner(parse, text, (int)element - XMIN);
    else if (element == OBJECT)
        end_object(parse);
    buffer_clear(&parse->text);
}

static void on_text(void *user, const XML_Char *text, int length)
{
    struct parse *parse = user;
    if (parse->st < 0 || parse->depth == 0 || parse->open[parse->depth - 1] == OTHER)
        return;
    if (parse->text.length + (size_t)length > MAX_TEXT) {
        stop(parse, ERROR(MD_EFORMAT, "%s:%zu: a text longer than %d bytes", parse->path,
                          line_of(parse), MAX_TEXT));
        return;
    }
    stop(parse, buffer_append(&parse->text, text, (size_t)length));
}

/* Entities, by which a few bytes ask for gigabytes, can only be declared in such a list. */
static void on_doctype(void *user, const XML_Char *name, const XML_Char *system,
                       const XML_Char *public, int declares)
{
    struct parse *parse = user;
    (void)name, (void)system, (void)public;
    if (declares)
        stop(parse, ERROR(MD_EFORMAT, "%s:%zu: a DOCTYPE with declarations; remove it", parse->path,
                          line_of(parse)));
}

md_status voc_file_parse(struct voc_file *file, const char *path, const void *bytes, size_t size,
                         struct problem_list *problems)
{
    struct parse parse = {.file = file, .path = path, .problems = problems};
    if (size > MAX_BYTES)
        return ERROR(MD_EFORMAT, "%s: %zu bytes; an annotation file has at most %d", path, size,
                     MAX_BYTES);
    parse.parser = XML_ParserCreate(NULL);
    if (!parse.parser)
        return ERROR(MD_ENOMEM, "%s: out of memory in the XML parser", path);
    buffer_init(&parse.text, file->memory);
    XML_SetUserData(parse.parser, &parse);
    XML_SetElementHandler(parse.parser, on_start, on_end);
    XML_SetCharacterDataHandler(parse.parser, on_text);
    XML_SetStartDoctypeDeclHandler(parse.parser, on_doctype);
    md_status st = MD_OK;
    if (XML_Parse(parse.parser, bytes, (int)size, 1) != XML_STATUS_OK) {
        enum XML_Error code = XML_GetErrorCode(parse.parser);
        if (parse.st < 0)
            st = parse.st;
        else if (code == XML_ERROR_NO_MEMORY)
            st = ERROR(MD_ENOMEM, "%s: out of memory in the XML parser", path);
        else
            st = ERROR(MD_EFORMAT, "%s:%zu: no XML: %s", path, line_of(&parse),
                       XML_ErrorString(code));
    }
    XML_ParserFree(parse.parser);
    buffer_free(&parse.text);
    return st;
}

#else

md_status voc_file_parse(struct voc_file *file, const char *path, const void *bytes, size_t size,
                         struct problem_list *problems)
{
    (void)file, (void)bytes, (void)size, (void)problems;
    return ERROR(MD_EUNSUPPORTED,
                 "%s: this mdet was built without expat, which reads Pascal VOC; install "
                 "libexpat1-dev, then build again",
                 path);
}

#endif
