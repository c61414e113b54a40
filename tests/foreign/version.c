/* Answers with the version that it was compiled as. `x-hold: FILE` makes it wait until FILE, a FIFO, was written. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "gw_plugin.h"

GW_DESCRIBE_FILE("c", "x86_64-unknown-linux-gnu");
GW_DESCRIBE_PLUGIN(0, "version", VERSION, "Version", "\"pre\"");

static const gw_host *host;

static int32_t answer(void *instance, gw_call *call)
{
    gw_message *request = host->message(call, GW_REQUEST);
    gw_bytes hold = host->header(request, GW_TEXT("x-hold"));
    (void)instance;
    if (hold.data != NULL && hold.len < 256) {
        char path[256] = {0}, byte;
        memcpy(path, hold.data, hold.len);
        int fifo = open(path, O_RDONLY | O_CLOEXEC);
        if (fifo < 0 || read(fifo, &byte, 1) < 0) {
            host->fail(call, (gw_bytes){0}, GW_TEXT("the file to wait for cannot be read"));
            return GW_FAILED;
        }
        close(fifo);
    }
    host->set_body(host->message(call, GW_ANSWER), GW_TEXT(VERSION), NULL, 1);
    return GW_RESPOND;
}

static const gw_hook pre = {
    .size = sizeof(gw_hook), .hook = GW_PRE, .flags = GW_BLOCKING, .function = {(const uint8_t *)"answer", 6}, .call = answer};
static const gw_hook *const hooks[] = {&pre};
static const gw_plugin version = {
    .size = sizeof(gw_plugin),
    .name = {(const uint8_t *)"Version", 7},
    .package = {(const uint8_t *)"version", 7},
    .version = {(const uint8_t *)VERSION, sizeof VERSION - 1},
    .hooks_len = 1,
    .hooks = hooks};
static const gw_plugin *const plugins[] = {&version};
static const gw_library library = {
    .size = sizeof(gw_library), .abi_major = GW_ABI_MAJOR, .abi_minor = GW_ABI_MINOR, .plugins_len = 1, .plugins = plugins};

const gw_library *gw_plugin_entry_v1(const gw_host *gateway, gw_call *call)
{
    (void)call;
    host = gateway;
    return &library;
}
