/*
 * formats - from a JSON value to the bytes that a destination expects: dist-transform(5)
 *
 * A format is parsed once from its JSON form, a word ("csv") or an object ({"type": "csv", "delimiter":
 * ";"}), and used for any number of values. The same value in the same context always gives the same bytes: a
 * retry sends what the first attempt sent. Pure: no descriptor, no clock, no environment.
 *
 * Everything is bounded: the result by the ceiling that formatted_init() is given, the columns of a csv by
 * FORMAT_COLUMNS_MAX; the depth of the value is the caller's, as json_read() bounds it. Time is linear in the
 * value and the result.
 */
#ifndef DIST_FORMATS_H
#define DIST_FORMATS_H

#include <jansson.h>
#include "fault.h"
#include "format.h"

struct format;

/*
 * `form` is borrowed for the call; `path` is its JSON pointer ("/format"), for faults. NULL with the fault
 * set (class INPUT): an unknown type or member with the nearest known one, a value out of bounds, a template
 * or a path that cannot be read, a name that XML does not have.
 */
struct format *format_parse(const json_t *form, const char *path, struct fault *fault);
void format_free(struct format *format);
enum format_type format_type(const struct format *format);
const char *format_soap_version(const struct format *format); /* "1.1", "1.2"; NULL: it is no soap */

/*
 * Writes `value` (borrowed) into `out`, which is initialised and is emptied first. -1, class INPUT: the value
 * has not the shape that the format can write, with its JSON pointer ("/rows/3/name: ..."), or the result is
 * larger than the ceiling. `out` is empty then.
 */
int format_write(const struct format *format, const json_t *value, const struct format_context *context,
                 struct formatted *out, struct fault *fault);

#endif
