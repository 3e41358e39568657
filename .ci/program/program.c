/* The single-file program: unpack the tree that is appended to this file, once for each content, and start layerscope in it.
 *
 * The tree lies in the cache directory under the name of its hash. It gets this name when it is complete and on disk, so whoever
 * finds it may use it, and of two that unpack at once one wins. Who runs in a tree holds a shared lock on it: only trees that
 * nobody locks are removed. Without a usable cache directory the tree is a temporary one, removed when layerscope ends.
 */
#include "program.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define KEPT "program-"     /* a complete tree */
#define UNFINISHED ".program-" /* one that is being unpacked or removed */
#define UNUSED_SECONDS (30 * 24 * 3600)
#define ABANDONED_SECONDS 3600

/* Tell whether only this user or root may change it: nobody else's Python is run. */
static int is_trusted(const struct stat *found)
{
    return S_ISDIR(found->st_mode) && (found->st_uid == geteuid() || !found->st_uid) && !(found->st_mode & (S_IWGRP | S_IWOTH));
}

static int allows_programs(const char *directory)
{
    struct statvfs found;
    return !statvfs(directory, &found) && !(found.f_flag & ST_NOEXEC);
}

/* Write where layerscope's cache is, as layerscope itself finds it; return whether there is such a place. */
static int name_cache(char *base)
{
    const char *own = getenv("LAYERSCOPE_CACHE"), *caches = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (own && *own)
        join(base, "%s", own);
    else if (caches && *caches == '/')
        join(base, "%s/layerscope", caches);
    else
        join(base, "%s/.cache/layerscope", home ? home : "");
    return *base == '/' && (own || caches || home);
}

/* Create a directory and its parents where they are missing. Root creates none in another user's home, who could not use it. */
static int create(char *directory)
{
    struct stat parent;
    char *slash = strrchr(directory, '/');
    int may_create = 1;
    if (!access(directory, F_OK))
        return 1;
    if (slash != directory) {
        *slash = '\0';
        may_create = create(directory) && !stat(directory, &parent) && (geteuid() || !parent.st_uid);
        *slash = '/';
    }
    return may_create && (!mkdir(directory, 0700) || errno == EEXIST);
}

static int is_usable(const char *base)
{
    struct stat found;
    return !stat(base, &found) && is_trusted(&found) && allows_programs(base);
}

/* Hold a tree, for as long as this process and what it becomes live; return whether it is there and trusted. */
static int hold(const char *tree)
{
    struct stat opened, named;
    int handle = open(tree, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (handle < 0)
        return 0;
    /* Who removes it has locked it and renamed it. */
    int is_leaving = flock(handle, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;
    if (is_leaving || fstat(handle, &opened) || lstat(tree, &named) || opened.st_ino != named.st_ino || !is_trusted(&opened)) {
        close(handle);
        return 0;
    }
    if (time(NULL) - opened.st_mtime > UNUSED_SECONDS / 30)
        futimens(handle, NULL);
    return 1;
}

/* Remove a tree that nobody holds, by a name under which nobody looks for it. */
static void discard(const char *base, const char *name)
{
    char old[PATH_BYTES], leaving[PATH_BYTES];
    join(old, "%s/%s", base, name);
    join(leaving, "%s/" UNFINISHED "%d", base, getpid());
    int handle = open(old, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (handle < 0)
        return;
    if (!flock(handle, LOCK_EX | LOCK_NB) && !rename(old, leaving))
        remove_tree(leaving);
    close(handle);
}

/* Remove trees of other versions that were not used for a month, and what dead processes left unfinished. */
static void tidy(const char *base)
{
    DIR *directory = opendir(base);
    if (!directory)
        return;
    for (struct dirent *entry; (entry = readdir(directory));) {
        int is_kept = !strncmp(entry->d_name, KEPT, strlen(KEPT));
        struct stat found;
        if (!is_kept && strncmp(entry->d_name, UNFINISHED, strlen(UNFINISHED)))
            continue;
        if (fstatat(dirfd(directory), entry->d_name, &found, AT_SYMLINK_NOFOLLOW) || found.st_uid != geteuid())
            continue;
        if (time(NULL) - found.st_mtime > (is_kept ? UNUSED_SECONDS : ABANDONED_SECONDS))
            discard(base, entry->d_name);
    }
    closedir(directory);
}

static char incomplete[PATH_BYTES];

static void remove_incomplete(void)
{
    if (*incomplete)
        remove_tree(incomplete);
    *incomplete = '\0';
}

/* Unpack into a new directory, held by this process; return whether there was room. What is incomplete is removed. */
static int unpack_into(char *directory, const struct payload *payload)
{
    if (!mkdtemp(directory))
        return 0;
    join(incomplete, "%s", directory);
    int is_complete = hold(directory) && unpack(payload, directory);
    if (is_complete)
        *incomplete = '\0';
    remove_incomplete();
    return is_complete;
}

/* Write the name of the complete tree in the cache, which this process holds then; return whether there is one. */
static int find_tree(char *tree, const struct payload *payload)
{
    char base[PATH_BYTES], unfinished[PATH_BYTES];
    if (!name_cache(base))
        return 0;
    join(tree, "%s/" KEPT "%s", base, payload->hash);
    if (is_usable(base) && hold(tree))
        return 1;
    join(unfinished, "%s/" UNFINISHED "XXXXXX", base);
    if (!create(base) || !is_usable(base) || !unpack_into(unfinished, payload))
        return 0;
    int handle = open(unfinished, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (handle < 0 || syncfs(handle))
        return 0;
    close(handle);
    if (rename(unfinished, tree)) { /* another process was faster */
        remove_tree(unfinished);
        return hold(tree);
    }
    tidy(base);
    return 1;
}

noreturn void run_in(const char *tree, char **arguments)
{
    char starter[PATH_BYTES];
    join(starter, "%s/bin/layerscope", tree);
    execv(starter, arguments);
    fail("cannot start %s: %s", starter, strerror(errno));
}

/* Run in a tree that is removed when layerscope ends. */
static noreturn void run_once(const struct payload *payload, char **arguments)
{
    const char *places[] = {getenv("TMPDIR"), "/tmp", "/var/tmp", "/dev/shm"};
    char tree[PATH_BYTES];
    for (size_t number = 0; number < sizeof places / sizeof *places; number++) {
        if (!places[number] || *places[number] != '/' || !allows_programs(places[number]))
            continue;
        join(tree, "%s/layerscope-XXXXXX", places[number]);
        if (unpack_into(tree, payload))
            run_and_remove(tree, arguments);
    }
    fail("there is no place to unpack this program, which takes %llu MB: let LAYERSCOPE_CACHE name a directory of your own "
         "for it, or TMPDIR one for temporary files, where programs may run",
         payload->unpacked_bytes / 1000000);
}

int main(int count, char **arguments)
{
    struct payload payload;
    char tree[PATH_BYTES];
    open_payload(&payload);
    atexit(remove_incomplete);
    if (count && find_tree(tree, &payload))
        run_in(tree, arguments);
    run_once(&payload, arguments);
}
