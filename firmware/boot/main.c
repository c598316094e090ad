/* The bootloader. */
#include "soc/console.h"

int main(void)
{
    console_open();
    console_send("boot: start\r\n", 13);
    for (;;) {
    }
}
