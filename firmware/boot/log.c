#include "boot/log.h"

#include "soc/console.h"

#define LINE_SIZE 122u

static char line[LINE_SIZE];
static uint32_t line_length;

void log_text(const char *text) {
    /* two places stay free for the line's end */
    for (; *text != '\0' && line_length < LINE_SIZE - 2u; text++) {
        line[line_length] = *text;
        line_length++;
    }
}

void log_begin(const char *text) {
    line_length = 0u;
    log_text("boot: ");
    log_text(text);
}

void log_image(uint32_t image_number) {
    log_begin("image ");
    log_number(image_number);
    log_text(" ");
}

void log_number(uint32_t number) {
    char digits[11];
    uint32_t at = sizeof digits - 1u;
    digits[at] = '\0';
    do {
        at--;
        digits[at] = (char)('0' + (number % 10u));
        number /= 10u;
    } while (number != 0u);
    log_text(&digits[at]);
}

void log_version(const struct boot_version *version) {
    log_text("version ");
    log_number(version->major);
    log_text(".");
    log_number(version->minor);
    log_text(".");
    log_number(version->revision);
    if (version->build != 0u) {
        log_text("+");
        log_number(version->build);
    }
}

void log_end(void) {
    line[line_length] = '\r';
    line[line_length + 1u] = '\n';
    console_send(line, line_length + 2u);
    line_length = 0u;
}

const char *log_refusal_name(enum boot_refusal refusal) {
    switch (refusal) {
    case BOOT_REFUSAL_NONE:
        return "nothing";
    case BOOT_REFUSAL_HEADER:
        return "header";
    case BOOT_REFUSAL_SIZE:
        return "size";
    case BOOT_REFUSAL_TLV:
        return "TLV";
    case BOOT_REFUSAL_HASH:
        return "hash";
    case BOOT_REFUSAL_KEY:
        return "unknown key";
    case BOOT_REFUSAL_DEBUG_KEY:
        return "debug key";
    case BOOT_REFUSAL_SIGNATURE:
        return "signature";
    case BOOT_REFUSAL_HARDWARE:
        return "hardware";
    case BOOT_REFUSAL_VERSION:
        return "version not greater";
    case BOOT_REFUSAL_SECURITY_COUNTER:
        return "security counter";
    case BOOT_REFUSAL_DEPENDENCY:
        return "dependency";
    case BOOT_REFUSAL_BATTERY:
        return "battery";
    case BOOT_REFUSAL_ENCRYPTION:
        return "encryption";
    case BOOT_REFUSAL_VECTORS:
        return "entry point";
    default:
        return "unknown reason";
    }
}

const char *log_swap_name(enum boot_swap swap) {
    switch (swap) {
    case BOOT_SWAP_TEST:
        return "test";
    case BOOT_SWAP_PERMANENT:
        return "permanent";
    case BOOT_SWAP_REVERT:
        return "revert";
    case BOOT_SWAP_NONE:
    default:
        return "none";
    }
}
