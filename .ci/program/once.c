/* Layerscope as a child, for a tree that has to be removed after it. */
#include "program.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a service manager or `kill` sends to this process is for layerscope. The terminal sends Ctrl-C to both. */
static const int FORWARDED[] = {SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH};
static const int IGNORED[] = {SIGINT, SIGQUIT};
#define COUNT(list) (sizeof(list) / sizeof *(list))

static volatile pid_t child;

static void forward(int number)
{
    kill(child, number);
}

/* Wait until the child has ended, and stop and continue with it: the shell only sees this process. */
static int await(void)
{
    int status;
    for (;;) {
        if (waitpid(child, &status, WUNTRACED) < 0) {
            if (errno != EINTR)
                return 2 << 8;
        } else if (!WIFSTOPPED(status)) {
            return status;
        } else {
            raise(SIGSTOP);
            kill(child, SIGCONT);
        }
    }
}

noreturn void run_and_remove(const char *tree, char **arguments)
{
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before); /* none arrives before it can be forwarded */
    child = fork();
    if (child < 0) {
        remove_tree(tree);
        fail("cannot start another process: %s", strerror(errno));
    }
    if (!child) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        run_in(tree, arguments);
    }
    for (size_t number = 0; number < COUNT(FORWARDED); number++)
        sigaction(FORWARDED[number], &(struct sigaction){.sa_handler = forward}, NULL);
    for (size_t number = 0; number < COUNT(IGNORED); number++)
        signal(IGNORED[number], SIG_IGN);
    sigprocmask(SIG_SETMASK, &before, NULL);
    int status = await();
    remove_tree(tree);
    if (WIFSIGNALED(status)) {
        signal(WTERMSIG(status), SIG_DFL);
        raise(WTERMSIG(status));
    }
    exit(WEXITSTATUS(status));
}
