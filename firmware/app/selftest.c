#include "selftest.h"

#include "ble/hci.h"
#include "log.h"
#include "resume.h"
#include "slots.h"
#include "soc/cpu.h"
#include "terminal.h"

/* A controller is set up in milliseconds; what takes longer than this does not work. */
#define CONTROLLER_MS 10000u

enum stage { STAGE_IMAGE, STAGE_SETTINGS, STAGE_CONTROLLER, STAGE_CONFIRM, STAGE_OVER };

static enum stage stage = STAGE_OVER;
static uint32_t started_ms;

static void fail(const char *what) {
    log_pair("self-test failed:", what);
    terminal_flush();
    cpu_reset();
}

void selftest_init(bool may_confirm, uint32_t now_ms) {
    started_ms = now_ms;
    if (slot_next_swap() != SLOT_SWAP_REVERT) {
        stage = STAGE_OVER;
        return;
    }
    log_text("image on trial");
    stage = may_confirm ? STAGE_IMAGE : STAGE_OVER;
}

static bool own_image_is_intact(void) {
    struct slot_image image;

    return slot_read(0, &image) && slot_image_is_intact(&image);
}

static void confirm(uint32_t now_ms) {
    enum flash_result result = slot_confirm();

    if (result == FLASH_OK) {
        log_text("self-test passed, image confirmed");
        stage = STAGE_OVER;
    } else if (result != FLASH_POWER_LOW) {
        fail("confirmation not written");
    } else {
        started_ms =
            now_ms; /* waits for the supply to recover; a reset meanwhile reverts, which is safe */
    }
}

void selftest_poll(uint32_t now_ms) {
    switch (stage) {
    case STAGE_IMAGE:
        if (!own_image_is_intact()) {
            fail("image");
        }
        stage = STAGE_SETTINGS;
        return;
    case STAGE_SETTINGS:
        if (!resume_check()) {
            fail("settings pages");
        }
        stage = STAGE_CONTROLLER;
        return;
    case STAGE_CONTROLLER:
        if (hci_ready()) {
            stage = STAGE_CONFIRM;
            confirm(now_ms);
        } else if (now_ms - started_ms > CONTROLLER_MS) {
            fail("no answer from the Bluetooth controller");
        }
        return;
    case STAGE_CONFIRM:
        confirm(now_ms);
        return;
    case STAGE_OVER:
        return;
    }
}

bool selftest_wants_time(void) {
    return stage == STAGE_IMAGE || stage == STAGE_SETTINGS ||
           (stage == STAGE_CONTROLLER && hci_ready());
}
