/*
 * form_text - questions about texts of forms
 */
#ifndef DIST_FORM_TEXT_H
#define DIST_FORM_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* An absolute path whose components are neither empty nor "." nor "..", without control characters. */
bool form_path_is_plain(const char *path);
/* A host name or an IPv4 address of `size` bytes: letters, digits, '.', '-', '_'. */
bool form_host_is_valid(const char *host, size_t size);

#endif
