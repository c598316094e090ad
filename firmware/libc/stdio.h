/* zcbor's sources include <stdio.h> for their trace output, which the firmware's build leaves out:
 * there is nothing to declare. */
#ifndef LIBC_STDIO_H
#define LIBC_STDIO_H

#endif
