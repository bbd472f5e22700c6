/*
 * schema_folder - the schemas of the configuration: schemas.d, and schemas.json, which says who needs them
 */
#ifndef DIST_SCHEMA_FOLDER_H
#define DIST_SCHEMA_FOLDER_H

#include "fault.h"
#include "schema_set.h"
#include "tool.h"

/*
 * The files *.json and *.xsd in schemas.d below the configuration folder, and schemas.json beside it; regular
 * files all, and none of them need be there. Every mistake goes to `mistake` with its file; if there was one,
 * the result is NULL and the fault (CONFIG) says how many.
 */
struct schema_set *schema_folder_load(const struct tool *tool, void (*mistake)(void *arg, const char *text),
                                      void *arg, struct fault *fault);

#endif
