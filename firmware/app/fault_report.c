/* The last words of an application that has faulted: one line on the console, sent without
 * interrupts. */
#include "soc/fault.h"

#include <string.h>

#include "soc/uarte.h"
#include "text.h"

static char *append(char *to, const char *text) {
    size_t length = strlen(text);

    memcpy(to, text, length);
    return to + length;
}

void fault_report(const struct fault *fault) {
    static char line[128];
    char *to = line;

    to = text_hexadecimal(append(to, "\r\napp: fault cfsr "), fault->cfsr);
    to = text_hexadecimal(append(to, " hfsr "), fault->hfsr);
    to = text_hexadecimal(append(to, " bfar "), fault->bfar);
    to = text_hexadecimal(append(to, " pc "), fault->pc);
    to = text_hexadecimal(append(to, " lr "), fault->lr);
    to = append(to, "\r\n");
    uarte_send_blocking(UARTE_CONSOLE, (const uint8_t *)line, (size_t)(to - line));
}
