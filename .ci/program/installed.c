/* bin/layerscope of the tree, and bin/python3 beside it, a symlink to it: layerscope's own Python, as layerscope starts it.
 *
 * The tree brings its own C library and loader, so that it runs on any Linux, with another C library or with none.
 */
#include "common.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

/* Where systems keep the authorities that they trust: Debian and Alpine, Red Hat, SUSE. */
static const char *const AUTHORITIES[] = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
};
#define COUNT(list) (sizeof(list) / sizeof *(list))

static void to_parent(char *path)
{
    char *slash = strrchr(path, '/');
    if (!slash)
        fail("it was started in an unknown place: %s", path);
    *slash = '\0';
}

static int has_entries(const char *directory)
{
    int count = 0;
    DIR *opened = opendir(directory);
    while (opened && count < 3 && readdir(opened))
        count++;
    if (opened)
        closedir(opened);
    return count > 2; /* . and .. are two */
}

/* OpenSSL looks for authorities where the system has them that it was built on. A machine that has none, such as a bare Debian,
 * gets Mozilla's: else no registry could be trusted. */
static void set_authorities(const char *tree)
{
    if (getenv("SSL_CERT_FILE") || getenv("SSL_CERT_DIR") || !access(OPENSSL_FILE, R_OK) || has_entries(OPENSSL_DIRECTORY))
        return;
    char own[PATH_BYTES];
    join(own, "%s/lib/cacert.pem", tree);
    const char *found = own;
    for (size_t number = COUNT(AUTHORITIES); number; number--)
        if (!access(AUTHORITIES[number - 1], R_OK))
            found = AUTHORITIES[number - 1];
    setenv("SSL_CERT_FILE", found, 1);
}

/* Replace this process by the tree's Python, with `fixed` and then all that was given. */
static noreturn void run(const char *tree, const char *const *fixed, size_t fixed_count, char **given)
{
    char loader[PATH_BYTES], libraries[PATH_BYTES], python[PATH_BYTES], name[PATH_BYTES];
    join(loader, "%s/lib/layerscope", tree); /* the name that the process has in lists */
    join(libraries, "%s/lib", tree);
    join(python, "%s/lib/python", tree);
    join(name, "%s/bin/python3", tree); /* Python's sys.executable, and by it sys.prefix */
    const char *start[] = {"layerscope", "--inhibit-cache", "--library-path", libraries, "--argv0", name, python};
    size_t count = 0;
    while (given[count])
        count++;
    const char **command = calloc(COUNT(start) + fixed_count + count + 1, sizeof *command);
    if (!command)
        fail("out of memory");
    memcpy(command, start, sizeof start);
    memcpy(command + COUNT(start), fixed, fixed_count * sizeof *fixed);
    memcpy(command + COUNT(start) + fixed_count, given, count * sizeof *given);
    execv(loader, (char **)command);
    fail("cannot start %s: %s", loader, strerror(errno));
}

int main(int count, char **arguments)
{
    static const char *const layerscope[] = {"-I", "-m", "layerscope"};
    const char *called = (const char *)getauxval(AT_EXECFN), *slash = strrchr(called, '/');
    char tree[PATH_BYTES];
    find_self(tree);
    to_parent(tree);
    to_parent(tree);
    arguments += count > 0;
    if (!strcmp(slash ? slash + 1 : called, "python3"))
        run(tree, NULL, 0, arguments);
    set_authorities(tree);
    run(tree, layerscope, COUNT(layerscope), arguments);
}
