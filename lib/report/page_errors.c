/* page_errors.c - what kinds of mistakes there are and what each costs; pictures of the worst. */
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/markup.h"
#include "report/page.h"

/* ---- kinds -------------------------------------------------------------------------------- */

static const char *const meanings[ERROR_TYPES] = {
    [ERROR_CLASS] = "the box is right, its class is not",
    [ERROR_LOCALISATION] = "the class is right, the box is not close enough",
    [ERROR_BOTH] = "class and box are wrong",
    [ERROR_DUPLICATE] = "the object had been found by a better detection",
    [ERROR_BACKGROUND] = "there is no object",
    [ERROR_MISSED] = "an object that nothing came near",
};

/* The dearest first; of equals the more frequent. */
static void order_types(int order[ERROR_TYPES], const struct error_analysis *errors)
{
    for (int i = 0; i < ERROR_TYPES; i++) {
        int at = i;
        for (; at > 0; at--) {
            int before = order[at - 1];
            if (errors->cost[before] > errors->cost[i] ||
                (errors->cost[before] == errors->cost[i] &&
                 errors->counts[before] >= errors->counts[i]))
                break;
            order[at] = before;
        }
        order[at] = i;
    }
}

static md_status put_type(struct page *page, int type, double full)
{
    md_status st = MD_OK;
    const struct error_analysis *errors = page->content->errors;
    TRY(page_put(page, "<tr>"));
    TRY(page_name_cell(page, error_type_name((enum error_type)type)));
    TRY(page_bar_cell(page, errors->cost[type], full));
    TRY(page_count_cell(page, errors->counts[type]));
    TRY(page_put(page, "<td class=\"words\">"));
    TRY(page_text(page, meanings[type]));
    TRY(page_put(page, "</td></tr>\n"));
fail:
    return st;
}

static md_status put_worst_words(struct page *page, const int order[ERROR_TYPES])
{
    md_status st = MD_OK;
    const struct error_analysis *errors = page->content->errors;
    if (errors->ap < 0.0)
        return page_put(page, "<p>There are no annotated objects to judge by.</p>\n");
    if (errors->cost[order[0]] <= 0.0)
        return page_put(page, "<p>No kind of mistake costs any AP50.</p>\n");
    TRY(page_put(page, "<p>What costs most: "));
    for (int i = 0; i < 3 && errors->cost[order[i]] > 0.0; i++) {
        TRY(page_put(page, i ? ", then <strong>" : "<strong>"));
        TRY(page_text(page, error_type_name((enum error_type)order[i])));
        TRY(page_put(page, "</strong> ("));
        TRY(page_percent(page, errors->cost[order[i]]));
        TRY(page_put(page, ")"));
    }
    TRY(page_put(page, ". Were every false positive gone, AP50 would rise by "));
    TRY(page_percent(page, errors->false_positive_cost));
    TRY(page_put(page, "; were nothing overlooked, by "));
    TRY(page_percent(page, errors->false_negative_cost));
    TRY(page_put(page, ".</p>\n"));
fail:
    return st;
}

md_status page_put_errors(struct page *page)
{
    md_status st = MD_OK;
    const struct error_analysis *errors = page->content->errors;
    int order[ERROR_TYPES];
    order_types(order, errors);
    TRY(page_open_section(page, "errors", "What went wrong, and what does it cost?"));
    TRY(put_worst_words(page, order));
    TRY(page_open_scroll(page, "Kinds of mistakes"));
    TRY(page_put(page,
                 "<table>\n<caption>What AP50 would gain if one kind of mistake were put right "
                 "and nothing else; all scores count</caption>\n<thead><tr>"
                 "<th scope=\"col\" class=\"left\">Mistake</th><th scope=\"col\">Costs AP50"
                 "</th><th scope=\"col\">Times</th><th scope=\"col\" class=\"words\">What it "
                 "is</th></tr></thead>\n<tbody>\n"));
    for (int i = 0; i < ERROR_TYPES; i++)
        TRY(put_type(page, order[i], errors->cost[order[0]]));
    TRY(page_put(page, "</tbody></table>\n</div>\n</section>\n"));
fail:
    return st;
}

/* ---- pictures ----------------------------------------------------------------------------- */

/* A picture that has gone since it was written is left out. */
static md_status put_picture(struct page *page, const struct gallery_item *item)
{
    enum { LARGEST = 4 << 20 };
    md_status st = MD_OK;
    struct file_bytes bytes = {.data = NULL};
    char *path = NULL;
    const char *suffix = path_suffix(item->path);
    TRY(path_join(page->memory, &path, page->folder, item->path));
    st = file_read(&bytes, page->memory, path, LARGEST);
    if (st == MD_ENOMEM)
        goto fail;
    if (st < 0) {
        st = MD_OK;
        goto fail;
    }
    TRY(page_put(page, "<li><figure><img loading=\"lazy\" alt=\""));
    TRY(page_text(page, item->caption));
    TRY(page_put(page, "\" src=\""));
    TRY(markup_put_data(&page->out, strcmp(suffix, ".png") == 0 ? "image/png" : "image/jpeg",
                        bytes.data, bytes.size));
    TRY(page_put(page, "\"><figcaption><bdi>"));
    TRY(page_text(page, item->caption));
    TRY(page_put(page, "</bdi></figcaption></figure></li>\n"));
fail:
    file_bytes_free(&bytes);
    memory_free(page->memory, path);
    return st;
}

static md_status put_row(struct page *page, const char *title, bool any,
                         const struct gallery_item *items, size_t count)
{
    enum { MOST = 24 }; /* the page stays small enough to be mailed */
    md_status st = MD_OK;
    TRY(page_put(page, "<h3>"));
    TRY(page_put(page, title));
    TRY(page_put(page, "</h3>\n"));
    if (count == 0)
        return page_put(page, any ? "<p>There are some, but their images could not be read.</p>\n"
                                  : "<p>There are none.</p>\n");
    TRY(page_put(page, "<ul class=\"gallery\">\n"));
    for (size_t i = 0; i < count && i < MOST; i++)
        TRY(put_picture(page, &items[i]));
    TRY(page_put(page, "</ul>\n"));
    if (count > MOST) {
        TRY(page_put(page, "<p class=\"soft\">"));
        TRY(page_count(page, count - MOST));
        TRY(page_put(page, " more lie in the folder <code>errors</code> beside this page.</p>\n"));
    }
fail:
    return st;
}

static bool any_false_positive(const struct error_analysis *errors)
{
    uint64_t count = 0;
    for (int type = 0; type < ERROR_MISSED; type++)
        count += errors->counts[type];
    return count > 0;
}

static bool any_false_negative(const struct error_analysis *errors, size_t truths)
{
    bool any = false;
    for (size_t i = 0; i < truths; i++)
        any = any || errors->truths[i].type == ERROR_MISSED ||
              errors->truths[i].type == ERROR_COVERED;
    return any;
}

md_status page_put_gallery(struct page *page)
{
    md_status st = MD_OK;
    const struct gallery *gallery = page->content->gallery;
    const struct error_analysis *errors = page->content->errors;
    TRY(page_open_section(page, "worst", "Which photographs are the worst?"));
    TRY(put_row(page, "False positives, the surest first", errors && any_false_positive(errors),
                gallery->fp, gallery->fp_count));
    TRY(put_row(page, "Objects that were not found, the largest first",
                errors && any_false_negative(errors, page->content->dataset->annotation_count),
                gallery->fn, gallery->fn_count));
    TRY(page_put(page, "</section>\n"));
fail:
    return st;
}
