/* canned: what the programs that store nothing answer, see bench/ladder. */
#ifndef BENCH_CANNED_H
#define BENCH_CANNED_H

#define CANNED_TEN "xxxxxxxxxx"
#define CANNED_FIFTY CANNED_TEN CANNED_TEN CANNED_TEN CANNED_TEN CANNED_TEN

/* The one value there is, as long as those that bench/ladder sends. */
#define CANNED_VALUE CANNED_FIFTY CANNED_FIFTY
enum { CANNED_VALUE_BYTES = sizeof(CANNED_VALUE) - 1 };

#endif
