#include "reply_case.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#include "same.h"

void reply_check(const struct reply_case *c, enum protocol protocol) {
    struct request request = c->request;
    request.protocol = (uint8_t)protocol;
    request.key = request.key ? request.key : "k";
    request.key_length = (uint16_t)strlen(request.key);
    request.token_length = (uint8_t)(request.token ? strlen(request.token) : 0);
    size_t bound = reply_bound(&request, &c->result);
    char *out = malloc(bound);
    size_t length = reply_write(out, &request, &c->result);
    cr_assert(le(sz, length, bound));
    char *text = strndup(out, length);
    same_expect(text, c->expected, op_infos[request.op].name);
    free(text);
    free(out);
}
