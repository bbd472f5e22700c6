/*
 * schema_uri - references resolved as RFC 3986 section 5.2 says, in its words
 *
 * URIs are compared as texts after that, so nothing is normalised but dot segments: "HTTP://A/" and
 * "http://a/" are two, as they are for "$id".
 */
#include "schema_parts.h"
#include "xalloc.h"

/* A run of bytes in a URI; data is NULL where the component is undefined, which is not the same as empty. */
struct part {
    const char *data;
    size_t size;
};
struct uri {
    struct part scheme, authority, path, query;
};

static bool is_scheme(const char *text, size_t size)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
                      more[] = "0123456789+-.";
    if (size == 0 || !strchr(letters, text[0]))
        return false;
    for (size_t i = 1; i < size; i++)
        if (!strchr(letters, text[i]) && !strchr(more, text[i]))
            return false;
    return true;
}

static struct uri uri_parse(const char *text)
{
    struct uri uri = {0};
    size_t size = strcspn(text, ":/?#");
    if (text[size] == ':' && is_scheme(text, size)) {
        uri.scheme = (struct part){text, size};
        text += size + 1;
    }
    if (text[0] == '/' && text[1] == '/') {
        text += 2;
        uri.authority = (struct part){text, strcspn(text, "/?")};
        text += uri.authority.size;
    }
    uri.path = (struct part){text, strcspn(text, "?")};
    text += uri.path.size;
    if (*text == '?')
        uri.query = (struct part){text + 1, strlen(text + 1)};
    return uri;
}

/* Cuts the last segment of what was written since `from`, its slash included. */
static void drop_segment(struct buf *out, size_t from)
{
    size_t len = out->len;
    while (len > from && out->data[len - 1] != '/')
        len--;
    buf_cut(out, len > from ? len - 1 : from);
}

/* RFC 3986 section 5.2.4 */
static void add_without_dots(struct buf *out, const char *path)
{
    size_t from = out->len;
    while (*path) {
        size_t segment = *path == '/' ? 1 + strcspn(path + 1, "/") : strcspn(path, "/");
        const char *name = *path == '/' ? path + 1 : path;
        size_t size = segment - (size_t)(name - path);
        bool last = path[segment] == '\0', rooted = *path == '/';
        if ((size == 1 && name[0] == '.') || (size == 2 && name[0] == '.' && name[1] == '.')) {
            if (size == 2 && rooted)
                drop_segment(out, from);
            if (last && rooted)
                buf_addc(out, '/');
            /* A leading "../" or "./" goes with its slash. */
            path += segment + (!rooted && !last);
            continue;
        }
        buf_add(out, path, segment);
        path += segment;
    }
}

/* The path of `reference` behind the last slash of the base's (section 5.2.3). */
static void add_merged(struct buf *out, const struct uri *base, struct part path)
{
    struct buf merged;
    buf_init(&merged, (size_t)SCHEMA_URI_MAX * 2);
    if (path.size && path.data[0] != '/') {
        size_t keep = base->path.size;
        while (keep > 0 && base->path.data[keep - 1] != '/')
            keep--;
        if (base->authority.data && base->path.size == 0)
            buf_addc(&merged, '/');
        buf_add(&merged, base->path.data, keep);
    }
    buf_add(&merged, path.data, path.size);
    add_without_dots(out, merged.data);
    out->overflow |= merged.overflow;
    buf_release(&merged);
}

static void add_part(struct buf *out, const char *before, struct part part, const char *behind)
{
    if (!part.data)
        return;
    buf_adds(out, before);
    buf_add(out, part.data, part.size);
    buf_adds(out, behind);
}

char *schema_uri_resolve(const char *base_text, const char *reference_text)
{
    const struct uri base = uri_parse(base_text), reference = uri_parse(reference_text);
    bool absolute = reference.scheme.data, own = absolute || reference.authority.data;
    struct buf out;
    buf_init(&out, SCHEMA_URI_MAX);
    add_part(&out, "", absolute ? reference.scheme : base.scheme, ":");
    add_part(&out, "//", own ? reference.authority : base.authority, "");
    if (!own && reference.path.size == 0) {
        buf_add(&out, base.path.data, base.path.size);
        add_part(&out, "?", reference.query.data ? reference.query : base.query, "");
    } else {
        if (absolute && !reference.authority.data && reference.path.size && reference.path.data[0] != '/')
            buf_add(&out, reference.path.data, reference.path.size); /* "urn:a:b": no hierarchy, no dots */
        else
            add_merged(&out, own ? &reference : &base, reference.path);
        add_part(&out, "?", reference.query, "");
    }
    if (out.overflow) {
        buf_release(&out);
        return NULL;
    }
    return buf_steal(&out, NULL);
}

static int hex_value(char c)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    const char *at = c ? strchr(digits, c) : NULL;
    if (!at)
        return -1;
    return (int)(at - digits) < 16 ? (int)(at - digits) : (int)(at - digits) - 6;
}

char *schema_uri_split(const char *uri, char **fragment)
{
    size_t size = strcspn(uri, "#");
    *fragment = NULL;
    if (uri[size] == '#') {
        char *out = *fragment = xstrdup(uri + size + 1);
        for (const char *in = uri + size + 1; *in; in++) {
            if (*in == '%' && hex_value(in[1]) >= 0 && hex_value(in[2]) >= 0 && strncmp(in, "%00", 3) != 0) {
                *out++ = (char)(hex_value(in[1]) * 16 + hex_value(in[2]));
                in += 2;
            } else {
                *out++ = *in;
            }
        }
        *out = '\0';
    }
    return xmemdupz(uri, size);
}
