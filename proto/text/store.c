/* set, add, replace, append, prepend and cas (protocol.txt, "Storage commands"). */
#include "proto/refusal.h"
#include "proto/text/command.h"
#include "proto/value.h"

/* <key> <flags> <exptime> <bytes> [<cas>] [noreply]. False when a field other than the length is
 * malformed; *length_ok is for that one. */
static bool store_take_fields(struct line *line, struct request *request, bool *length_ok) {
    struct word key = line_take_word(line);
    *request = (struct request){
        .op = line->op,
        .protocol = PROTOCOL_TEXT,
        .quiet = line_is_quiet(line),
        .compare_cas = line->cas,
        .key_length = (uint16_t)key.length,
        .key = key.start,
    };
    bool ok = word_fits_key(key);
    ok &= line_take_flags(line, &request->client_flags);
    ok &= line_take_exptime(line, &request->exptime);
    *length_ok = value_take_length(line, &request->value_length);
    if (line->cas) {
        ok &= line_take_u64(line, &request->cas);
    }
    return ok;
}

/* Only a refused set deletes the old value of its key, which would be stale; the other commands
 * depend on what is there. */
enum parse_status text_parse_store(struct parse *parse, struct line *line) {
    struct request *request = parse->request;
    bool length_ok;
    bool fields_ok = store_take_fields(line, request, &length_ok);
    if (!length_ok) {
        return refusal_fill_line(parse, line, PROTO_ERROR_FORMAT);
    }
    if (!fields_ok) {
        return value_refuse(parse, false, PROTO_ERROR_FORMAT);
    }
    return value_take(parse, line, request->op == OP_SET && !request->compare_cas);
}
