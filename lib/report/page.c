/* page.c - report.html: its head, its sections in the order of the questions they answer. */
#include "core/error.h"
#include "core/file.h"
#include "report/page.h"

static md_status put_head(struct page *page)
{
    md_status st = MD_OK;
    const struct report_content *content = page->content;
    size_t truths = 0;
    for (size_t i = 0; i < content->dataset->annotation_count; i++)
        truths += !content->dataset->annotations[i].crowd;
    TRY(page_put(page,
                 "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                 "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                 "<meta name=\"color-scheme\" content=\"light dark\">\n"
                 /* Were a text to get out of its place, it still could load or run nothing. */
                 "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                 "style-src 'unsafe-inline'; img-src data:\">\n<title>"));
    TRY(page_text(page, content->title));
    TRY(page_put(page, "</title>\n<style>\n"));
    for (size_t i = 0; page_style[i]; i++)
        TRY(page_put(page, page_style[i]));
    TRY(page_put(page, "</style>\n</head>\n<body>\n<header>\n<h1>"));
    TRY(page_text(page, content->title));
    TRY(page_put(page, "</h1>\n<p class=\"lead\">"));
    TRY(page_count(page, content->dataset->image_count));
    TRY(page_put(page, " images, "));
    TRY(page_count(page, (uint64_t)content->dataset->class_count));
    TRY(page_put(page, content->dataset->class_count == 1 ? " class, " : " classes, "));
    TRY(page_count(page, truths));
    TRY(page_put(page, " annotated objects, "));
    TRY(page_count(page, content->count));
    TRY(page_put(page, " detections</p>\n"));
fail:
    return st;
}

static md_status put_navigation(struct page *page)
{
    md_status st = MD_OK;
    const struct report_content *content = page->content;
    TRY(page_put(page, "<nav aria-label=\"Sections\">\n<a href=\"#good\">How good</a>\n"
                       "<a href=\"#classes\">Classes</a>\n"
                       "<a href=\"#confusion\">Confusions</a>\n"));
    if (content->errors)
        TRY(page_put(page, "<a href=\"#errors\">What went wrong</a>\n"));
    TRY(page_put(page, "<a href=\"#threshold\">Threshold</a>\n"));
    if (content->gallery)
        TRY(page_put(page, "<a href=\"#worst\">Worst pictures</a>\n"));
    TRY(page_put(page, "<a href=\"#what\">What was evaluated</a>\n</nav>\n</header>\n<main>\n"));
fail:
    return st;
}

static md_status put_page(struct page *page)
{
    md_status st = MD_OK;
    TRY(put_head(page));
    TRY(put_navigation(page));
    TRY(page_put_headline(page));
    TRY(page_put_classes(page));
    TRY(page_put_confusion(page));
    if (page->content->errors)
        TRY(page_put_errors(page));
    TRY(page_put_threshold(page));
    if (page->content->gallery)
        TRY(page_put_gallery(page));
    TRY(page_put_facts(page));
    TRY(page_put(page, "</main>\n</body>\n</html>\n"));
fail:
    return st;
}

md_status page_save(const struct report_content *content, const struct report_plots *plots,
                    struct memory *memory, const char *folder)
{
    md_status st = MD_OK;
    struct page page = {.memory = memory, .content = content, .plots = plots, .folder = folder};
    char *path = NULL;
    buffer_init(&page.out, memory);
    TRY(put_page(&page));
    TRY(path_join(memory, &path, folder, "report.html"));
    TRY(file_write(memory, path, page.out.data, page.out.length));
fail:
    memory_free(memory, path);
    buffer_free(&page.out);
    return st;
}
