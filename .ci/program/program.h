/* What the single-file program is made of, besides common.h. */
#include "common.h"

/* The zstd-compressed tar behind the program in its own file; pack says how the file ends. */
struct payload {
    int file;
    long long start;
    unsigned long long bytes, unpacked_bytes;
    char hash[33];
};

/* Find the payload in this process's own file; fail where the file is incomplete. */
void open_payload(struct payload *payload);

/* Unpack all of it into an empty directory; return 0 where that cannot be written to. Fail where it is damaged. */
int unpack(const struct payload *payload, const char *directory);

/* Remove a directory and all in it, as far as possible. */
void remove_tree(const char *directory);

/* Become layerscope in a tree. */
noreturn void run_in(const char *tree, char **arguments);

/* Run layerscope in a tree, wait for it, remove the tree, and end as it did. */
noreturn void run_and_remove(const char *tree, char **arguments);
