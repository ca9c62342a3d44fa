/*
 * Becomes another program after a while: late_exec MICROSECONDS PROGRAM ARGUMENT...
 */
#include <err.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc < 3)
		errx(1, "usage: late_exec MICROSECONDS PROGRAM ARGUMENT...");
	usleep(atoi(argv[1]));
	execv(argv[2], argv + 2);
	err(1, "%s", argv[2]);
}
