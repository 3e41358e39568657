/* The payload: where it is, and how it is unpacked. It is our own tar (ustar): directories, files and symlinks. */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#define BLOCK 512
#define CHUNK (1 << 17)

/* The end of the file. */
struct trailer {
    char magic[16], hash[32], bytes[16], unpacked_bytes[16];
};

/* A header of the tar (POSIX pax, "ustar Interchange Format"). */
struct header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, target[100], magic[8], user[32], group[32],
        device[16], prefix[155], unused[12];
};

/* What is left of the payload, and what of it is read and not yet unpacked. */
struct source {
    const struct payload *payload;
    unsigned long long position;
    ZSTD_DCtx *context;
    ZSTD_inBuffer input;
    size_t expected; /* 0 at the end, when the checksum of all was right */
    char chunk[CHUNK];
};

static noreturn void fail_damaged(void)
{
    fail("this program's file is damaged or incomplete: get it again");
}

void open_payload(struct payload *payload)
{
    char path[PATH_BYTES], size[17] = "", unpacked[17] = "";
    struct trailer trailer;
    struct stat found;
    payload->file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (payload->file < 0) {
        find_self(path);
        payload->file = open(path, O_RDONLY | O_CLOEXEC);
    }
    if (payload->file < 0)
        fail("cannot read its own file: %s", strerror(errno));
    if (fstat(payload->file, &found) || found.st_size < (off_t)sizeof trailer)
        fail_damaged();
    off_t end = found.st_size - (off_t)sizeof trailer;
    if (pread(payload->file, &trailer, sizeof trailer, end) != sizeof trailer || memcmp(trailer.magic, "layerscope-tree\n", 16))
        fail_damaged();
    memcpy(size, trailer.bytes, 16);
    memcpy(unpacked, trailer.unpacked_bytes, 16);
    memcpy(payload->hash, trailer.hash, 32);
    payload->hash[32] = '\0';
    payload->bytes = strtoull(size, NULL, 10);
    payload->unpacked_bytes = strtoull(unpacked, NULL, 10);
    payload->start = end - (long long)payload->bytes;
    if (payload->start < 0)
        fail_damaged();
}

static void refill(struct source *source)
{
    const struct payload *payload = source->payload;
    unsigned long long left = payload->bytes - source->position;
    ssize_t length = pread(payload->file, source->chunk, left < CHUNK ? left : CHUNK, payload->start + (off_t)source->position);
    if (length <= 0)
        fail_damaged();
    source->position += (unsigned long long)length;
    source->input = (ZSTD_inBuffer){source->chunk, (size_t)length, 0};
}

static void take(struct source *source, void *bytes, size_t length)
{
    ZSTD_outBuffer output = {bytes, length, 0};
    while (output.pos < length) {
        size_t before = output.pos;
        source->expected = ZSTD_decompressStream(source->context, &output, &source->input);
        if (ZSTD_isError(source->expected))
            fail_damaged();
        if (output.pos == before && source->input.pos == source->input.size)
            refill(source);
    }
}

/* Read to the end, where zstd compares its checksum of all that was unpacked. */
static void finish(struct source *source)
{
    char rest[BLOCK];
    while (source->expected) {
        ZSTD_outBuffer output = {rest, sizeof rest, 0};
        if (source->input.pos == source->input.size && source->position < source->payload->bytes)
            refill(source);
        size_t before = source->input.pos;
        source->expected = ZSTD_decompressStream(source->context, &output, &source->input);
        if (ZSTD_isError(source->expected) || (source->expected && !output.pos && before == source->input.pos))
            fail_damaged();
    }
}

static int write_file(struct source *source, const char *path, mode_t mode, unsigned long long size)
{
    char content[CHUNK];
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (file < 0)
        return 0;
    while (size) {
        size_t length = size < CHUNK ? size : CHUNK, blocks = (length + BLOCK - 1) / BLOCK * BLOCK;
        take(source, content, blocks);
        for (size_t done = 0; done < length;) {
            ssize_t written = write(file, content + done, length - done);
            if (written < 0) {
                close(file);
                return 0;
            }
            done += (size_t)written;
        }
        size -= length;
    }
    return !close(file);
}

/* Unpack one entry; return whether it could be written. */
static int write_entry(struct source *source, const struct header *header, const char *directory)
{
    char path[PATH_BYTES], target[sizeof header->target + 1] = "";
    join(path, "%s/%.155s%s%.100s", directory, header->prefix, *header->prefix ? "/" : "", header->name);
    memcpy(target, header->target, sizeof header->target);
    mode_t mode = strtoul(header->mode, NULL, 8) & 0755;
    switch (header->type) {
    case '0':
        return write_file(source, path, mode, strtoull(header->size, NULL, 8));
    case '2':
        return !symlink(target, path);
    case '5':
        return !mkdir(path, mode) || errno == EEXIST; /* the first is the directory itself */
    default:
        fail_damaged();
    }
}

int unpack(const struct payload *payload, const char *directory)
{
    static struct source source;
    struct header header;
    int is_written = 1;
    memset(&source, 0, sizeof source);
    source.payload = payload;
    source.context = ZSTD_createDCtx();
    if (!source.context)
        fail("out of memory");
    mode_t mask = umask(022);
    while (is_written) {
        take(&source, &header, sizeof header);
        if (!*header.name)
            break;
        is_written = write_entry(&source, &header, directory);
    }
    if (is_written)
        finish(&source);
    umask(mask);
    ZSTD_freeDCtx(source.context);
    return is_written;
}

static int remove_one(const char *path, const struct stat *found, int kind, struct FTW *where)
{
    (void)found, (void)kind, (void)where;
    remove(path);
    return 0;
}

void remove_tree(const char *directory)
{
    nftw(directory, remove_one, 32, FTW_DEPTH | FTW_PHYS);
}
