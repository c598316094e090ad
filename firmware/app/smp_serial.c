#include "smp_serial.h"

#include <stdint.h>
#include <string.h>

#include "smp.h"
#include "soc/uarte.h"
#include "terminal.h"

/* A message travels as length (2, big-endian, of message and CRC), message, CRC-16/XMODEM (2), in
 * base64, cut into lines. The first line starts with 06 09, the others with 04 14. */
#define FRAME_FIRST_1 0x06
#define FRAME_FIRST_2 0x09
#define FRAME_NEXT_1 0x04
#define FRAME_NEXT_2 0x14
#define LENGTH_SIZE 2u
#define CRC_SIZE 2u
#define LINE_BYTES 93u /* 124 characters of base64: 127 with the start and the end of a line */
#define RECEIVE_HALF 1024u
#define CHUNK 64u

enum line_state {
    LINE_START,
    LINE_FIRST,  /* 06 seen */
    LINE_NEXT,   /* 04 seen */
    LINE_BASE64, /* inside a line of a frame */
    LINE_TEXT,   /* anything else, ignored to its end */
};

static uint8_t receive_buffer[2 * RECEIVE_HALF];

static enum line_state line;
static uint8_t frame[LENGTH_SIZE + SMP_BUFFER_SIZE + CRC_SIZE];
static size_t received; /* bytes of the frame decoded so far */
static bool in_frame;
static uint32_t quantum; /* base64 characters not yet decoded */
static uint32_t quantum_length;
static bool padded;
static bool complete; /* a message waits to be answered; nothing is received meanwhile */

static uint8_t answer[LENGTH_SIZE + SMP_ANSWER_SIZE + CRC_SIZE];
static size_t answer_length; /* of the whole frame, 0 for none */
static size_t answer_sent;

static uint16_t crc16(const uint8_t *data, size_t length) {
    uint16_t crc = 0;

    for (size_t i = 0; i < length; i++) {
        crc = (uint16_t)(crc ^ (uint16_t)data[i] << 8);
        for (int bit = 0; bit < 8; bit++) {
            crc = (uint16_t)((crc & 0x8000) != 0 ? crc << 1 ^ 0x1021 : crc << 1);
        }
    }
    return crc;
}

static int base64_value(uint8_t character) {
    if (character >= 'A' && character <= 'Z') {
        return character - 'A';
    }
    if (character >= 'a' && character <= 'z') {
        return character - 'a' + 26;
    }
    if (character >= '0' && character <= '9') {
        return character - '0' + 52;
    }
    return character == '+' ? 62 : character == '/' ? 63 : -1;
}

static void abandon(void) {
    in_frame = false;
    line = LINE_TEXT;
}

/* Takes up to three bytes of a decoded quantum. */
static void take_decoded(uint32_t value, uint32_t bytes) {
    for (uint32_t i = 0; i < bytes; i++) {
        if (received == sizeof(frame)) {
            abandon();
            return;
        }
        frame[received++] = (uint8_t)(value >> (16 - 8 * i));
    }
}

static void take_base64(uint8_t character) {
    int value = base64_value(character);

    if (character == '=' && quantum_length >= 2) {
        padded = true;
        value = 0;
        quantum_length += 0x10; /* counts the padding in the upper digit */
    } else if (value < 0 || padded) {
        abandon();
        return;
    }
    quantum = quantum << 6 | (uint32_t)value;
    quantum_length += character == '=' ? 0 : 1;
    if ((quantum_length & 0xF) + (quantum_length >> 4) == 4) {
        take_decoded(quantum, 3 - (quantum_length >> 4));
        quantum = 0;
        quantum_length = 0;
    }
}

/* At the end of a frame's line: is the message whole, or is there more to come? */
static void end_line(void) {
    size_t length;

    line = LINE_START;
    if (!in_frame || quantum_length != 0) {
        in_frame = false;
        return;
    }
    if (received < LENGTH_SIZE) {
        in_frame = false;
        return;
    }
    length = (size_t)frame[0] << 8 | frame[1];
    if (length < SMP_HEADER + CRC_SIZE || length > SMP_BUFFER_SIZE + CRC_SIZE) {
        in_frame = false;
        return;
    }
    if (received < LENGTH_SIZE + length) {
        return;
    }
    in_frame = false;
    /* The CRC over data and its own CRC is zero. */
    if (received == LENGTH_SIZE + length && crc16(&frame[LENGTH_SIZE], length) == 0) {
        complete = true;
    }
}

static void start_line(bool first) {
    quantum = 0;
    quantum_length = 0;
    padded = false;
    if (first) {
        received = 0;
        in_frame = true;
    }
    line = in_frame ? LINE_BASE64 : LINE_TEXT;
}

static void take(uint8_t character) {
    if (character == '\n') {
        if (line == LINE_BASE64) {
            end_line();
        }
        line = LINE_START;
        return;
    }
    if (character == '\r') {
        return;
    }
    switch (line) {
    case LINE_START:
        line = character == FRAME_FIRST_1  ? LINE_FIRST
               : character == FRAME_NEXT_1 ? LINE_NEXT
                                           : LINE_TEXT;
        return;
    case LINE_FIRST:
        line = LINE_TEXT;
        if (character == FRAME_FIRST_2) {
            start_line(true);
        }
        return;
    case LINE_NEXT:
        line = LINE_TEXT;
        if (character == FRAME_NEXT_2) {
            start_line(false);
        }
        return;
    case LINE_BASE64:
        take_base64(character);
        return;
    case LINE_TEXT:
        return;
    }
}

static size_t encode_base64(const uint8_t *data, size_t length, char *to) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t at = 0;

    for (size_t i = 0; i < length; i += 3) {
        size_t rest = length - i;
        uint32_t value = (uint32_t)data[i] << 16;

        if (rest > 1) {
            value |= (uint32_t)data[i + 1] << 8;
        }
        if (rest > 2) {
            value |= data[i + 2];
        }
        to[at++] = alphabet[value >> 18];
        to[at++] = alphabet[(value >> 12) & 63];
        to[at++] = rest > 1 ? alphabet[(value >> 6) & 63] : '=';
        to[at++] = rest > 2 ? alphabet[value & 63] : '=';
    }
    return at;
}

static void send_answer(void) {
    char text[2 + LINE_BYTES / 3 * 4 + 1];

    while (answer_sent < answer_length) {
        size_t part =
            answer_length - answer_sent < LINE_BYTES ? answer_length - answer_sent : LINE_BYTES;
        size_t length = 2;

        text[0] = answer_sent == 0 ? FRAME_FIRST_1 : FRAME_NEXT_1;
        text[1] = answer_sent == 0 ? FRAME_FIRST_2 : FRAME_NEXT_2;
        length += encode_base64(&answer[answer_sent], part, &text[length]);
        text[length++] = '\n';
        if (!terminal_put(text, length)) {
            return;
        }
        answer_sent += part;
    }
    answer_length = 0;
}

static void process(void) {
    size_t length = ((size_t)frame[0] << 8 | frame[1]) - CRC_SIZE;
    bool again;
    size_t size =
        smp_process(&frame[LENGTH_SIZE], length, &answer[LENGTH_SIZE], SMP_ANSWER_SIZE, &again);
    uint16_t crc;

    if (again) {
        return;
    }
    complete = false;
    if (size == 0) {
        return;
    }
    crc = crc16(&answer[LENGTH_SIZE], size);
    answer[LENGTH_SIZE + size] = (uint8_t)(crc >> 8);
    answer[LENGTH_SIZE + size + 1] = (uint8_t)crc;
    answer[0] = (uint8_t)((size + CRC_SIZE) >> 8);
    answer[1] = (uint8_t)(size + CRC_SIZE);
    answer_length = LENGTH_SIZE + size + CRC_SIZE;
    answer_sent = 0;
    send_answer();
}

void smp_serial_open(void) {
    line = LINE_START;
    in_frame = false;
    complete = false;
    answer_length = 0;
    uarte_receive_stream(UARTE_CONSOLE, receive_buffer, RECEIVE_HALF);
}

void smp_serial_poll(void) {
    uint8_t byte;

    if (answer_length > 0) {
        send_answer();
        return;
    }
    if (complete) {
        process();
        return;
    }
    for (uint32_t i = 0; i < CHUNK && !complete && uarte_read(UARTE_CONSOLE, &byte, 1) == 1; i++) {
        take(byte);
    }
}

bool smp_serial_has_work(void) {
    return (complete && answer_length == 0) ||
           (answer_length == 0 && uarte_has_input(UARTE_CONSOLE));
}
