/*
 * gzip - see gzip.h
 */
#include "gzip.h"
#include <limits.h>
#include <zlib.h>

enum {
    PIECE = 64 * 1024,
    WINDOW_GZIP = 15 + 16, /* zlib's largest window, in a gzip frame */
    MEMORY_LEVEL = 8,      /* zlib's default */
    SYSTEM_UNKNOWN = 255,
};

/* All of the input, a piece of output at a time. */
static int deflate_all(z_stream *stream, const unsigned char *data, size_t size, struct buf *out,
                       struct fault *fault)
{
    int status;

    do {
        if (stream->avail_in == 0 && size > 0) {
            const size_t some = size < INT_MAX ? size : INT_MAX;
            stream->next_in = (unsigned char *)data; /* zlib reads it alone */
            stream->avail_in = (uInt)some;
            data += some;
            size -= some;
        }
        const size_t left = out->max - out->len, want = left < PIECE ? left : PIECE;
        char *room = want ? buf_room(out, want) : NULL;
        if (!room)
            return fault_set(fault, FAULT_INPUT, "compressed it is larger than %zu bytes", out->max);
        stream->next_out = (unsigned char *)room;
        stream->avail_out = (uInt)want;
        status = deflate(stream, size ? Z_NO_FLUSH : Z_FINISH);
        buf_added(out, want - stream->avail_out);
    } while (status == Z_OK || status == Z_BUF_ERROR);
    return status == Z_STREAM_END ? 0 : fault_set(fault, FAULT_BUG, "zlib: error %d", status);
}

int gzip_compress(const void *data, size_t size, struct buf *out, struct fault *fault)
{
    const size_t before = out->len;
    gz_header header = {.os = SYSTEM_UNKNOWN};
    z_stream stream = {0};

    if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_GZIP, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return fault_set(fault, FAULT_SYSTEM, "zlib has no memory");
    deflateSetHeader(&stream, &header);
    int result = deflate_all(&stream, data, size, out, fault);
    deflateEnd(&stream);
    if (result)
        buf_cut(out, before);
    return result;
}
