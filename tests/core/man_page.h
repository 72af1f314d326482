/* man_page: the man page and other texts of core/dist as tests compare them with tables. */
#ifndef TESTS_CORE_MAN_PAGE_H
#define TESTS_CORE_MAN_PAGE_H

#define MAN_PAGE SOURCE_ROOT "/core/dist/simplecache.1"

/* All of a file, at most 64 KiB, NUL-terminated; the caller frees it. Fails the test without. */
char *man_page_read(const char *path);

/* Every run of white space becomes one space, in place. */
char *man_page_squeeze(char *text);

/* The text of a page without its markup, in place: "\-" is a dash, "\f" and a letter change the
 * font, a line that begins with a dot is a macro. Headings stay, for man_page_section(). */
char *man_page_strip(char *text);

/* From a heading to the next one, of a page as man_page_strip() returns it. The caller frees it. */
char *man_page_section(const char *page, const char *heading);

#endif
