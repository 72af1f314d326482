/* statistic: every row of `stats` says what it is, and the man page says the same. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/stats/command.h"
#include "core/stats/counters.h"
#include "core/stats/statistic.h"
#include "man_page.h"

Test(statistic, rows_are_complete) {
    cr_assert(lt(sz, 80, statistic_count));
    for (size_t i = 0; i < statistic_count; i++) {
        const struct statistic *row = &statistic_table[i];
        size_t length = row->sentence ? strlen(row->sentence) : 0;
        cr_assert(length > 9 && row->sentence[length - 1] == '.', "%s", row->name);
        cr_assert(row->unit && *row->unit, "%s", row->name);
        cr_assert(row->unit && (!row->number || !row->text), "%s", row->name);
        cr_assert(lt(sz, row->offset, sizeof(struct shard_stats)), "%s", row->name);
        for (size_t j = 0; j < i; j++) {
            cr_assert(strcmp(row->name, statistic_table[j].name) != 0, "%s", row->name);
        }
    }
}

/* Rows that read a number of the shards read each a number of their own. */
Test(statistic, no_two_rows_read_the_same) {
    for (size_t i = 0; i < statistic_count; i++) {
        const struct statistic *row = &statistic_table[i];
        for (size_t j = 0; j < i && !row->number && !row->text; j++) {
            const struct statistic *other = &statistic_table[j];
            bool distinct = other->number || other->text || other->offset != row->offset;
            cr_assert(distinct, "%s %s", row->name, other->name);
        }
    }
}

/* A gauge outlives `stats reset`, a count of the counters doesn't. */
Test(statistic, types_are_what_reset_does) {
    struct shard_stats sum;
    struct stats_sources sources = {.sum = &sum};
    memset(&sum, 1, sizeof(sum));
    counters_reset(&sum.counters);
    size_t gauges = 0;
    for (size_t i = 0; i < statistic_count; i++) {
        const struct statistic *row = &statistic_table[i];
        if (row->number || row->text || row->offset >= sizeof(struct counters)) {
            continue;
        }
        gauges += row->type == STATISTIC_GAUGE;
        cr_assert(eq(int, statistic_number(row, &sources) != 0, row->type == STATISTIC_GAUGE), "%s",
                  row->name);
    }
    cr_assert(lt(sz, 1, gauges));
}

/* In the table's order, and no others. */
Test(statistic, man_page_tells_all) {
    char *page = man_page_strip(man_page_read(MAN_PAGE));
    char *section = man_page_section(page, ".SH STATISTICS"), entry[512];
    const char *at = section;
    for (size_t i = 0; i < statistic_count; i++) {
        const struct statistic *row = &statistic_table[i];
        snprintf(entry, sizeof(entry), " %s (%s, %s) %s", row->name, statistic_type_name(row->type),
                 row->unit, row->sentence);
        const char *found = strstr(at, entry);
        cr_assert(found && (i == 0 || found == at), "missing, or behind another: %s", entry);
        at = found + strlen(entry);
    }
    cr_assert(eq(str, (char *)at, (char *)""));
    free(section), free(page);
}
