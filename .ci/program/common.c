#include "common.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

noreturn void fail(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    fputs("layerscope: ", stderr);
    vfprintf(stderr, format, values);
    fputc('\n', stderr);
    exit(2);
}

void join(char *path, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    int length = vsnprintf(path, PATH_BYTES, format, values);
    va_end(values);
    if (length < 0 || length >= PATH_BYTES)
        fail("the path is too long: %.80s...", path);
}

void find_self(char *path)
{
    ssize_t length = readlink("/proc/self/exe", path, PATH_BYTES - 1);
    if (length > 0)
        path[length] = '\0';
    else if (!realpath((const char *)getauxval(AT_EXECFN), path))
        fail("cannot find its own file: %s", strerror(errno));
}
