/* processes.c - a test's own processes: started together, each with a rank, watched to their ends. */
#include "processes.h"

#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 16, SECONDS = 60 };

/* One that was free a moment ago. */
static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    close(fd);
    return ntohs(address.sin_port);
}

void processes_options(struct group_options *out, int rank, int size)
{
    static int port;
    if (rank == 0)
        port = free_port();
    *out = (struct group_options){.rank = rank, .size = size, .timeout = 30};
    snprintf(out->master, sizeof out->master, "127.0.0.1:%d", port);
    snprintf(out->job, sizeof out->job, "test");
}

void processes_run(int *results, int size, process_fn *run, void *context)
{
    pid_t children[MOST];
    ck_assert_int_le(size, MOST);
    for (int rank = 0; rank < size; rank++) {
        struct group_options options;
        processes_options(&options, rank, size);
        fflush(NULL);
        children[rank] = fork();
        ck_assert_int_ge(children[rank], 0);
        if (children[rank] == 0) {
            alarm(SECONDS);
            const int result = run(&options, context);
            fflush(NULL);
            _exit(result);
        }
    }
    for (int rank = 0; rank < size; rank++) {
        int status = 0;
        ck_assert_int_eq(waitpid(children[rank], &status, 0), children[rank]);
        results[rank] = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        ck_assert_msg(results[rank] >= 0 || WTERMSIG(status) != SIGALRM, "process %d hangs", rank);
    }
}
