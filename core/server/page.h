/* page: the live page, page.html, put into the program by embed.py. */
#ifndef CORE_SERVER_PAGE_H
#define CORE_SERVER_PAGE_H

#include <stddef.h>

extern const char page_html[];
extern const size_t page_html_length;

/* Content-Security-Policy: the style and the script that are in the page, and nothing else; it asks
 * this server alone. */
extern const char page_policy[];

#endif
