/*
 * schema_name - names of schemas, as "schema" members have them: files of schemas.d, of the kind of their
 * ending
 */
#ifndef DIST_SCHEMA_NAME_H
#define DIST_SCHEMA_NAME_H

#include "fault.h"

enum schema_language { SCHEMA_LANGUAGE_NONE, SCHEMA_LANGUAGE_JSON, SCHEMA_LANGUAGE_XML };

/* By the ending: .json, .xsd; NONE for all others, and what is no text_is_name(). */
enum schema_language schema_name_language(const char *name);
/* -1, class INPUT, with `path` in front, where the name is of no language. */
int schema_name_check(const char *path, const char *name, struct fault *fault);

#endif
