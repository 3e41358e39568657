/* What the starter in the tree and the single-file program share. */
#include <stdnoreturn.h>

#define PATH_BYTES 4096

/* End with one sentence on stderr and exit code 2. */
noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Write a path of at most PATH_BYTES, or fail. */
void join(char *path, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Find the file that this process was started from, by its real name, also where there is no /proc. */
void find_self(char *path);
